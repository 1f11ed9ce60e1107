"""What a service template, ours or another's, says of its VNF or PNF. Others write YAML 1.1, with anchors and dates, so
it is read as they mean it, within bounds."""

from __future__ import annotations

import posixpath
from collections.abc import Collection
from pathlib import Path
from typing import Any

import yaml

from coven.package.csar.rules import Findings

MAX_BYTES = 1 << 20  #: of one file
MAX_TOTAL = 4 << 20  #: of all that are read, with imports
ROOTS = ("tosca.nodes.nfv.VNF", "tosca.nodes.nfv.PNF")
#: what keeps YAML's numbers and dates the texts that they are compared as
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read(root: Path, name: str, files: Collection[str], findings: Findings) -> dict[str, str] | None:
    """The properties of the VNF's or PNF's node, as far as they are fixed texts; None if the template cannot be read.

    What is wrong is told to `findings`.
    """
    trees: dict[str, dict[str, Any]] = {}
    waiting, left = [name], MAX_TOTAL
    while waiting:
        here = waiting.pop()
        if here in trees:
            continue
        left -= (root / here).stat().st_size
        if left < 0:
            findings.broken("vnfd-yaml", here, found=f"more than {MAX_TOTAL} bytes with imports")
            break
        tree = _load(root / here, here, findings)
        if tree is None:
            if here == name:
                return None
            continue
        trees[here] = tree
        for target in _imports(tree):
            if "://" in target or target.startswith(("/", "file:")):
                findings.broken("vnfd-import", here, found=target[:80])
                continue
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
            if inner.startswith("../") or inner not in files:
                findings.broken("vnfd-import", here, found=f"no {target[:80]}")
            elif inner not in trees:
                waiting.append(inner)
    if name not in trees:
        return None
    if "tosca_definitions_version" not in trees[name]:
        findings.broken("vnfd-yaml", name, found="no tosca_definitions_version")
        return None
    return _node(name, trees, findings)


def _load(path: Path, name: str, findings: Findings) -> dict[str, Any] | None:
    if (size := path.stat().st_size) > MAX_BYTES:
        findings.broken("vnfd-yaml", name, found=f"{size} bytes", remedy=f"at most {MAX_BYTES}")
        return None
    try:
        tree = yaml.load(path.read_bytes(), Loader=_LOADER)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        found = getattr(error, "problem", None) or type(error).__name__
        findings.broken("vnfd-yaml", name, mark.line + 1 if mark else None, found=str(found)[:120])
        return None
    if not isinstance(tree, dict):
        findings.broken("vnfd-yaml", name, 1, found="no map")
        return None
    return tree


def _imports(tree: dict[str, Any]) -> list[str]:
    """The files that a template imports, in TOSCA's three spellings."""
    found = []
    imports = tree.get("imports")
    for entry in imports if isinstance(imports, list) else []:
        if isinstance(entry, dict) and "file" not in entry and len(entry) == 1:
            entry = next(iter(entry.values()))
        if isinstance(entry, dict):
            entry = entry.get("file")
        if isinstance(entry, str) and entry:
            found.append(entry)
    return found


def _map(value: Any, *path: str) -> dict[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _node(name: str, trees: dict[str, dict[str, Any]], findings: Findings) -> dict[str, str] | None:
    types: dict[str, Any] = {}
    templates: list[dict[str, Any]] = []
    for tree in trees.values():
        types.update(_map(tree, "node_types"))
        templates += [_map(each) for each in _map(tree, "topology_template", "node_templates").values()]

    def lineage(kind: Any) -> list[str]:
        found: list[str] = []
        while isinstance(kind, str) and kind not in found:
            found.append(kind)
            kind = _map(types, kind).get("derived_from")
        return found

    lines = [(lineage(template.get("type")), template) for template in templates]
    lines += [(lineage(kind), {}) for kind in types if kind not in ROOTS]
    for line, template in lines:
        if not set(line) & set(ROOTS):
            continue
        stated = {}
        for kind in reversed(line):
            for key, rule in _map(types, kind, "properties").items():
                if isinstance(default := _map(rule).get("default"), str):
                    stated[key] = default
        stated.update({k: v for k, v in _map(template, "properties").items() if isinstance(v, str)})
        return stated
    findings.broken("vnfd-node", name, found="none")
    return {}

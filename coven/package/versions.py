"""Two versions of a package: which VNFCs are not the same in both, and what becomes of a configuration."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

from coven.package.model import Descriptor, Vnfc
from coven.package.settings import Config
from itf.mistakes import Mistake, Refused

#: of a package's files, what no VNFC sees a difference by: folders, and ends of names beside the descriptor
BESIDE = ("tests", "TOSCA-Metadata", "Definitions", "Files", "Scripts", "Licenses", "__pycache__")
BESIDE_ENDS = (".yaml", ".md", ".mf", ".cert")

Digests = dict[str, bytes]  #: by path in the package


def digests(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Digests:
    """Of the files that are wanted, by their paths: no other is read. Raises OSError."""
    files = {str(file.relative_to(folder)): file for file in folder.rglob("*")}
    return {
        name: hashlib.sha256(file.read_bytes()).digest()
        for name, file in files.items() if wanted(name) and file.is_file()
    }  # fmt: skip


def differing(old: Digests, new: Digests) -> set[str]:
    """The files that are not the same in both."""
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def concerned(descriptor: Descriptor, names: set[str]) -> set[str]:
    """The VNFCs that have to do with these files of their package: whose source it is, or, for what is nobody's (a
    header, a module), all."""
    known = {source for vnfc in descriptor.vnfcs.values() for source in vnfc.sources}
    if names - known:
        return set(descriptor.vnfcs)
    return {vnfc.name for vnfc in descriptor.vnfcs.values() if names & set(vnfc.sources)}


def changed(old: Descriptor, new: Descriptor) -> set[str]:
    """The VNFCs of `new` that are in `old` too, and whose processes would not be the same: by what is said of them, by
    the files, by the ports that they are told of. Raises OSError."""
    both = old.vnfcs.keys() & new.vnfcs.keys()
    if old.ports.keys() != new.ports.keys():
        return both
    stated = {name for name in both if _stated(old.vnfcs[name]) != _stated(new.vnfcs[name])}
    return (concerned(new, differing(_seen(old), _seen(new))) | stated) & both


def _seen(descriptor: Descriptor) -> Digests:
    """The files by which a VNFC may see a difference."""
    sources = {source for vnfc in descriptor.vnfcs.values() for source in vnfc.sources}
    schemas = {vnfc.schema_file for vnfc in descriptor.vnfcs.values()}

    def seen(name: str) -> bool:
        top, _, inner = name.partition("/")
        beside = top in BESIDE or name in schemas or (not inner and top.endswith(BESIDE_ENDS))
        return name in sources or not beside

    return digests(descriptor.folder, seen)


def _stated(vnfc: Vnfc) -> Vnfc:
    return replace(vnfc, number=0, line=1, config={}, schema=None, schema_file=None)


def carried(
    old: Descriptor, config: Mapping[str, Config], new: Descriptor
) -> tuple[dict[str, Config], list[Mistake]]:
    """The configuration that `new` has in place of `old`: what an operator had changed stays where it can, the rest is
    as `new` says. With a mistake for each value that could not stay."""
    result, left = new.config, []
    for name, values in config.items():
        default = old.vnfcs[name].config if name in old.vnfcs else {}
        for key, value in values.items():
            if value == default.get(key):
                continue
            stays, mistakes = _with(new, result, name, key, value)
            if mistakes:
                left += mistakes
            else:
                result = stays
    return result, left


def _with(
    new: Descriptor, config: dict[str, Config], name: str, key: str, value: Any
) -> tuple[dict[str, Config], list[Mistake]]:
    try:
        return new.configured({name: {key: deepcopy(value)}}, config), []
    except Refused as refused:
        return config, [replace(each, remedy=each.remedy or "it has its default") for each in refused.mistakes]

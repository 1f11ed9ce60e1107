"""`vnf.yaml`, strictly: `load` gives a Descriptor, or every mistake at once with its place.

The schema is `docs/descriptor.md`'s; nothing here knows containers (`package.py`) or shared memory
(`wiring.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from coven.base.plain import faults
from coven.base.reading import Reader, is_time
from coven.base.yaml12 import MAX_BYTES, Node, read, show
from coven.package import nsh_fields
from coven.package.chains import Bypass, Chain, ChainReader, Drop, Graph, Way, read_target
from coven.package.filters import compile_match
from coven.package.languages import LANGUAGES, WITH_LIBS, engines
from coven.package.model import Descriptor, Encap, NextHop, Port, Rule, ServicePath, Vnfc
from coven.package.schemas import load_schema, schema_mistakes
from coven.package.settings import Config
from itf.mistakes import Mistake, Refused, suggest
from itf.segment import C
from pps.frameworks import language_of

__all__ = [
    "Bypass",
    "Chain",
    "Descriptor",
    "Drop",
    "Encap",
    "Graph",
    "NextHop",
    "Port",
    "Rule",
    "ServicePath",
    "Vnfc",
    "Way",
    "load",
]

DESCRIPTOR = "vnf.yaml"

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._+~-]{0,63}")
_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*( (AND|OR|WITH) [A-Za-z0-9][A-Za-z0-9.+-]*)*")
_LIB = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")

_FIELDS = (
    "name",
    "version",
    "provider",
    "product",
    "released",
    "description",
    "license",
    "resources",
    "ports",
    "vnfcs",
    "chain",
    "chains",
    "classifier",
    "paths",
    "next_hops",
    "oam",
    "indicators",
    "coordination",
)
_VNFC_FIELDS = (
    "source",
    "language",
    "engine",
    "outputs",
    "config",
    "schema",
    "nsh",
    "on_failure",
    "libs",
    "memory_mb",
    "hold_max",
)
MIB_MAX = 1 << 20


def locate(path: Path) -> Path:
    """The descriptor file that a folder or file stands for. Raises Refused if there is none."""
    if path.is_dir():
        file = path / DESCRIPTOR
        if file.is_file():
            return file
        others = sorted(p.name for p in path.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())
        remedy = (
            f"say which: {', '.join(str(path / name) for name in others)}" if others else "is it a package?"
        )
        raise Refused(
            Mistake(file=str(path), found=f"no {DESCRIPTOR}", expected="a descriptor", remedy=remedy),
            title="no descriptor",
        )
    if not path.is_file():
        found = "no such file or folder" if not path.exists() else "neither a file nor a folder"
        raise Refused(
            Mistake(file=str(path), found=found, expected=f"a descriptor, or a folder with a {DESCRIPTOR}"),
            title="no descriptor",
        )
    return path


def load(path: str | Path, shown: str | None = None) -> Descriptor:
    """The descriptor at `path` (a file, or a folder with a `vnf.yaml`); mistakes call the file `shown`.

    Raises Refused with every mistake.
    """
    file = locate(Path(path))
    shown = shown or str(file)
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise Refused(Mistake.of(error, file=shown, expected="a readable file")) from None
    title = "wrong descriptor"
    repeated: list[Mistake] = []
    try:
        root = read(data, shown, repeated)
    except Refused as refused:
        raise Refused(refused.mistakes, title=title) from None
    reader = _DescriptorReader(shown, file.parent)
    descriptor = reader.descriptor(root)
    reader.mistakes += repeated
    if reader.mistakes:
        reader.mistakes.sort(key=lambda m: (m.file != shown, m.file or "", m.line or 0, m.column or 0))
        raise Refused(reader.mistakes, title=title)
    return descriptor


class _DescriptorReader(Reader):
    def __init__(self, shown: str, folder: Path):
        super().__init__(shown)
        self.shown = shown
        self.folder = folder

    def descriptor(self, root: Node) -> Descriptor:
        if not isinstance(root.value, dict):
            self.wrong(root, "", root.kind, "a map: name, version, vnfcs, chain...")
            return Descriptor(self.shown, self.folder, "", "")
        entries = self.map(root, "", _FIELDS)
        get = entries.get
        for required in ("name", "version"):
            if required not in entries:
                self.wrong(root, required, "nothing", f"a {required}", f"add {required}:")
        result = Descriptor(self.shown, self.folder, self.string(get("name"), "name"), "")
        if "name" in entries and isinstance(entries["name"].value, str):
            self.name(entries["name"], "name", result.name)
        result.version = self._matching(get("version"), "version", _VERSION, "letters, digits and . _ + ~ -")
        result.provider = self.string(get("provider"), "provider", "unknown", limit=128) or "unknown"
        result.product = self.string(get("product"), "product", limit=128) or result.name
        if "released" in entries:
            result.released = self.string(get("released"), "released")
            if isinstance(entries["released"].value, str) and not is_time(result.released):
                expected = "a time of RFC 3339, such as 2026-01-31T12:00:00Z"
                self.wrong(entries["released"], "released", show(result.released), expected)
        result.description = self.string(get("description"), "description")
        if "license" in entries and entries["license"].value is not None:
            result.license = self._matching(
                get("license"), "license", _LICENSE, "an SPDX expression such as MIT"
            )
        if "resources" in entries:
            resources = self.map(entries["resources"], "resources", ("cpus", "memory_mb"))
            result.cpus = self.integer(resources.get("cpus"), "resources.cpus", 1, 1, 1024)
            result.memory_mb = self.integer(
                resources.get("memory_mb"), "resources.memory_mb", 512, 1, MIB_MAX
            )
        if (ports := get("ports")) is not None and ports.value is not None:
            result.ports = self.names(ports, "ports", "a port's name", C.SEG_PORTS, self._port)
            if isinstance(ports.value, dict) and not ports.value:
                self.wrong(ports, "ports", "no port", "at least one")
        else:
            result.ports = {"in": Port("in", 0), "out": Port("out", 1)}
        if (vnfcs := get("vnfcs")) is not None:
            result.vnfcs = self.names(vnfcs, "vnfcs", "a VNFC's name", C.SEG_HOPS, self._vnfc)
            for name in result.ports.keys() & result.vnfcs.keys():
                self.wrong(
                    vnfcs.keys[name],
                    f"vnfcs.{name}",
                    f"{name}, which is a port",
                    "a name of its own",
                    "ports and VNFCs share one namespace",
                )
        self._chains(root, entries, result)
        self._rules(get("classifier"), result)
        result.paths = nsh_fields.read_paths(self, get("paths"), result.chains)
        result.next_hops = nsh_fields.read_next_hops(self, get("next_hops"), result.ports)
        result.oam = nsh_fields.read_oam(self, get("oam"))
        nsh_fields.check_encaps(self, result)
        for text, line in self._requests(get("indicators"), "indicators", result):
            result.indicators.append(text)
            result.indicator_lines.append(line)
        result.coordination.update(self._requests(get("coordination"), "coordination", result))
        return result

    def _matching(self, node: Node | None, place: str, pattern: re.Pattern[str], expected: str) -> str:
        value = self.string(node, place)
        if node is not None and isinstance(node.value, str) and not pattern.fullmatch(value):
            self.wrong(node, place, show(value), expected)
        return value

    def _port(self, name: str, number: int, node: Node, at: tuple[int, int]) -> Port:
        return nsh_fields.read_port(self, name, number, node)

    def _vnfc(self, name: str, number: int, node: Node, at: tuple[int, int]) -> Vnfc:
        place = f"vnfcs.{name}"
        entries = self.map(node, place, _VNFC_FIELDS)
        get = entries.get
        sources = self._sources(get("source"), place, node if entries else at)
        language = self._language(get("language"), place, sources, at)
        engine = self.choice(get("engine"), f"{place}.engine", "auto", engines(language))
        libs = self._strings(get("libs"), f"{place}.libs", _LIB, "a pkg-config name")
        if libs and language not in (*WITH_LIBS, ""):
            expected = f"libs of VNFCs in {', '.join(WITH_LIBS)} only"
            self.wrong(entries["libs"], f"{place}.libs", f"libs of a {language} VNFC", expected)
        config_node = get("config") or Node(None, *at, {})
        config = {key: value.plain() for key, value in self.map(config_node, f"{place}.config").items()}
        for wrong in faults(config):
            field = ".".join([place, "config", *map(str, wrong.path)])
            self.wrong(config_node.at(list(wrong.path)), field, wrong.found, wrong.expected)
        schema, schema_file = self._schema(get("schema"), place, config, config_node)
        return Vnfc(
            name, number, tuple(sources), language, engine,
            self._outputs(get("outputs"), place), config, schema, schema_file,
            self.choice(get("nsh"), f"{place}.nsh", "unaware", ("unaware", "aware")),
            self.choice(get("on_failure"), f"{place}.on_failure", "restart", ("restart", "bypass", "stop")),
            tuple(libs),
            self.integer(get("memory_mb"), f"{place}.memory_mb", 256, 8, MIB_MAX),
            self.integer(get("hold_max"), f"{place}.hold_max", 1024, 0, C.FRAME_INDEX_MASK),
            at[0], dict(config_node.keys),
            tuple((item.line, item.column) for item in entries["libs"].value) if libs else (),
        )  # fmt: skip

    def _strings(self, node: Node | None, place: str, pattern: re.Pattern[str], what: str) -> list[str]:
        values = []
        for number, item in enumerate(self.list(node, place) if node else []):
            value = self.string(item, f"{place}[{number}]", limit=255)
            if isinstance(item.value, str):
                if pattern.fullmatch(value):
                    values.append(value)
                else:
                    self.wrong(item, f"{place}[{number}]", show(value), what)
        return values

    def file_in_package(self, node: Node, place: str) -> str | None:
        """A relative path to a file of the package, or None with a mistake."""
        text = self.string(node, place, limit=255)
        if not isinstance(node.value, str) or not text:
            if node.value == "":
                self.wrong(node, place, "nothing", "a file")
            return None
        path = PurePosixPath(text)
        if path.is_absolute() or ".." in path.parts or "\\" in text:
            self.wrong(node, place, show(text), "a path relative to the descriptor, inside its folder")
            return None
        try:
            full = (self.folder / path).resolve()
            inside = full.is_relative_to(self.folder.resolve())
            there = full.is_file()
        except OSError:
            inside = there = False
        if not there or not inside:
            near = (
                sorted(p.name for p in (self.folder / path).parent.glob("*") if p.is_file()) if inside else []
            )
            found = f"no file {text}" if inside else f"{text}, which leads out of the package"
            self.wrong(
                node, place, found, "a file of the package", suggest(path.name, near) if near else None
            )
            return None
        return str(path)

    def _sources(self, node: Node | None, place: str, at: Node | tuple[int, int]) -> list[str]:
        if node is None or node.value is None or node.value == []:
            self.wrong(node or at, f"{place}.source", "nothing", "a file or a list of files", "add source:")
            return []
        if isinstance(node.value, list):
            found = [self.file_in_package(item, f"{place}.source[{n}]") for n, item in enumerate(node.value)]
        else:
            found = [self.file_in_package(node, f"{place}.source")]
        return [source for source in found if source is not None]

    def _language(self, node: Node | None, place: str, sources: list[str], at: tuple[int, int]) -> str:
        if node is not None:
            return self.choice(node, f"{place}.language", "", LANGUAGES)
        known = {language for source in sources if (language := language_of(source)) is not None}
        if len(known) == 1:
            return known.pop()
        if sources:
            found = (
                "sources of several languages" if known else f"{sources[0]}, whose suffix says no language"
            )
            self.wrong(at, f"{place}.language", found, " | ".join(LANGUAGES), "add language:")
        return ""

    def _outputs(self, node: Node | None, place: str) -> tuple[str, ...]:
        if node is None or node.value is None:
            return ("next",)
        place = f"{place}.outputs"
        names: list[str] = []
        items = self.list(node, place)
        for number, item in enumerate(items):
            at = f"{place}[{number}]"
            if item.value == "back":
                self.wrong(item, at, "back", "an output's name", "back exists anyway: leave it out")
            elif self.name(item, at, item.value, "an output's name"):
                if item.value in names:
                    self.wrong(item, at, f"{item.value} again", "every output once")
                else:
                    names.append(item.value)
        if node.value == []:
            self.wrong(node, place, "no output", "at least one", "leave it out to have [next]")
        if len(names) > C.SEG_OUTPUTS:
            self.wrong(node, place, f"{len(names)} outputs", f"at most {C.SEG_OUTPUTS}")
        return tuple(names) or ("next",)

    def _schema(
        self, node: Node | None, place: str, config: Config, config_node: Node
    ) -> tuple[dict[str, Any] | None, str | None]:
        if node is None or node.value is None:
            return None, None
        file = self.file_in_package(node, f"{place}.schema")
        if file is None:
            return None, None
        try:
            schema = load_schema(self.folder / file, str(PurePosixPath(self.shown).parent / file))
        except Refused as refused:
            self.mistakes += refused.mistakes
            return None, file
        for path, what in schema_mistakes(schema, config):
            at = ".".join([place, "config", *map(str, path)])
            self.wrong(config_node.at(path), at, what, f"what {file} says")
        return schema, file

    def _chains(self, root: Node, entries: dict[str, Node], result: Descriptor) -> None:
        reader = ChainReader(self, result.ports, result.vnfcs)
        if "chain" in entries and "chains" in entries and entries["chains"].value:
            self.wrong(
                root.keys["chains"],
                "chains",
                "chain and chains",
                "one of them",
                "chain: X means chains: {main: X}",
            )
        if "chain" in entries:
            result.chains = {"main": reader.chain(entries["chain"], "main", "chain")}
        elif "chains" in entries:
            result.chains = self.names(
                entries["chains"], "chains", "a chain's name", C.SEG_GRAPHS,
                lambda name, number, node, at: reader.chain(node, name, f"chains.{name}"),
            )  # fmt: skip
        if not entries.keys() & {"chain", "chains"} or (
            not result.chains and "chain" not in entries and not entries["chains"].value
        ):
            self.wrong(root, "chain", "nothing", "a chain", "add chain: in -> ... -> out")
        graphs = sum(len(chain.graphs) for chain in result.chains.values())
        if graphs > C.SEG_GRAPHS:
            self.wrong(
                root.keys["chains"], "chains", f"{graphs} graphs", f"at most {C.SEG_GRAPHS} (chains x ports)"
            )

    def _rules(self, node: Node | None, result: Descriptor) -> None:
        items = self.list(node, "classifier") if node else []
        if node and len(items) > C.SEG_RULES:
            self.wrong(node, "classifier", f"{len(items)} rules", f"at most {C.SEG_RULES}")
        for number, item in enumerate(items[: C.SEG_RULES]):
            place = f"classifier[{number}]"
            entries = self.map(item, place, ("match", "port", "vlan", "then"))
            get = entries.get
            match = self.string(get("match"), f"{place}.match") if "match" in entries else None
            if match:
                try:
                    compile_match(match)
                except ValueError as error:
                    found, remedy = f"{show(match)} ({error})", getattr(error, "remedy", None)
                    self.wrong(entries["match"], f"{place}.match", found, "pcap-filter syntax", remedy)
            port = self.string(get("port"), f"{place}.port") if "port" in entries else None
            if port is not None and isinstance(entries["port"].value, str) and port not in result.ports:
                self.wrong(
                    entries["port"], f"{place}.port", show(port), "a port", suggest(port, result.ports)
                )
            vlan = self.integer(get("vlan"), f"{place}.vlan", 0, 0, 4095) if "vlan" in entries else None
            if "then" not in entries:
                self.wrong(
                    item, f"{place}.then", "nothing", "CHAIN | bypass | bypass:PORT | drop", "add then:"
                )
                continue
            then, encap = entries["then"], None
            at = f"{place}.then"
            if isinstance(then.value, dict):
                inner = self.map(then, at, ("chain", "encap"))
                encap = nsh_fields.read_encap(self, inner.get("encap"), f"{at}.encap")
                if "chain" not in inner:
                    self.wrong(then, f"{at}.chain", "nothing", "the name of a chain", "add chain:")
                    continue
                then, at = inner["chain"], f"{at}.chain"
            text = self.string(then, at)
            if not isinstance(then.value, str):
                continue
            target: str | Bypass | Drop | None = text
            if text not in result.chains:
                if encap is None and text.split(":")[0] in ("bypass", "drop"):
                    target = read_target(self, then, at, text, result.ports)
                else:
                    self.wrong(
                        then,
                        at,
                        show(text),
                        "CHAIN | bypass | bypass:PORT | drop",
                        suggest(text, result.chains),
                    )
            if target is not None:
                result.classifier.append(Rule(match or None, port, vlan, target, item.line, encap))

    def _requests(self, node: Node | None, field: str, result: Descriptor) -> Iterator[tuple[str, int]]:
        """A list of agent requests, VNFC.REQUEST each, with their lines."""
        for number, item in enumerate(self.list(node, field) if node else []):
            place = f"{field}[{number}]"
            text = self.string(item, place)
            if not isinstance(item.value, str):
                continue
            vnfc, _, request = text.partition(".")
            if vnfc not in result.vnfcs or not request:
                self.wrong(item, place, show(text), "VNFC.REQUEST", suggest(vnfc, result.vnfcs))
            else:
                yield text, item.line

"""`engine: click`: a configuration for a process of the Modular Router's own `click`, and its judgement of it.

The devices become datagram sockets, by compound elements of their names in front of the configuration: its text
stays as it is, so that Click's mistakes have the author's line numbers. What crosses them, and how, docs/click.md and
pps/exec/click.c say.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from itf.mistakes import Mistake
from pps.click.arguments import unquote, words
from pps.click.compiler import flatten
from pps.click.elaborate import Flat, FlatGraph
from pps.click.mistakes import Place

#: what a datagram begins with: these two bytes, or "Cb" if it is a mark of how far Click has come; then a number
PREFIX, MARK, NUMBER = "Cv", "Cb", 4
TAG = len(PREFIX) + NUMBER
NAME = 34  #: bytes, towards the bridge: the ToDevice's name and a zero, behind the tag
ANNOTATION = 42  #: of Click's 48 bytes a packet, the last six: who counts cycles a packet (bytes 40-47) ends that
HEADROOM = 128
SNAPLEN = 4096
CHECK_S = 20.0

DEVICES = f"""\
elementclass CovenFrom {{ $device |
  coven_in :: Socket(UNIX_DGRAM, "$COVEN_SOCKETS/from-$device", SNAPLEN {SNAPLEN}, HEADROOM {HEADROOM}, CLIENT false);
  coven_in -> coven_kind :: Classifier(0/{MARK.encode().hex()}, -);
  coven_kind [0] -> coven_in;
  coven_kind [1] -> GetEtherAddress({ANNOTATION}, 0) -> Strip({TAG}) -> MarkMACHeader -> output;
}}
elementclass FromDevice {{
  DEVNAME $device, __REST__ $rest | CovenFrom($device) -> output;
  || $device, __REST__ $rest | CovenFrom($device) -> output;
}}
elementclass CovenTo {{ $device |
  input -> Unstrip({TAG + NAME}) -> StoreEtherAddress(OFFSET 0, ANNO {ANNOTATION})
    -> StoreData({TAG}, "$device\\<00>") -> coven_out :: Socket(UNIX_DGRAM, "$COVEN_SOCKETS/out", CLIENT true);
}}
elementclass ToDevice {{
  DEVNAME $device, __REST__ $rest | input -> CovenTo($device);
  || $device, __REST__ $rest | input -> CovenTo($device);
}}
"""
#: behind the configuration, so that the numbers of its anonymous elements stay; says when Click runs
BEGIN = """\
;
# 1 "the devices"
coven_begin :: InfiniteSource(DATA \\<437200000000>, LIMIT 1, STOP false)
  -> coven_began :: Socket(UNIX_DGRAM, "$COVEN_SOCKETS/out", CLIENT true);
"""
OWN = (
    "ContextSwitch", "SetContext", "ContextPaint", "Settings", "ServicePathSwitch", "SetServicePath", "TLVSwitch",
    "SetTLV",
)  # fmt: skip
DEVICE = re.compile(r"[A-Za-z0-9_-]{1,31}")
UNKNOWN_CLASS = "unknown element class"
SAID = re.compile(r"^(?P<file>[^:\s]+):(?P<line>\d+): (?P<what>.+)$")
UNKNOWN = re.compile(r"(?:unknown element class|undeclared element) '(?P<name>[^']+)'")


@dataclass
class Process:
    """A configuration that a Click process can run."""

    configuration: str
    sources: list[str]  #: FromDevice's names
    ends: list[str] = field(default_factory=list)  #: ToDevice's

    def write(self, output: Path, click: Path, why: str) -> None:
        """Write what the bridge (pps/exec/click.c) needs to `output`, JSON, and the configuration beside it."""
        configuration = output.with_suffix(".click")
        configuration.write_bytes(self.configuration.encode("latin-1"))
        known = {"click": str(click), "configuration": str(configuration), "why": why}
        output.write_text(json.dumps({**known, "from": self.sources, "to": self.ends}), encoding="ascii")


def _device(element: Flat) -> str:
    if not element.arguments:
        return ""
    parts = words(element.arguments[0].text)
    return unquote(parts[1] if len(parts) == 2 and parts[0] == "DEVNAME" else element.arguments[0].text)


def _devices(flat: FlatGraph, klass: str, mistakes: list[Mistake], once: bool) -> list[str]:
    names: list[str] = []
    for element in flat.elements.values():
        if element.klass != klass:
            continue
        name = _device(element)
        if not DEVICE.fullmatch(name):
            found = f"{element.name} :: {klass}: '{name}'"
            mistakes.append(element.place.mistake(found, "the name of a port or an output"))
        elif name not in names:
            names.append(name)
        elif once:
            found = f"{element.name} :: {klass}: {name} for a second time"
            mistakes.append(element.place.mistake(found, "each port once"))
    return names


def prepare(sources: Sequence[tuple[str, str]], folder: Path | None) -> tuple[Process, list[Mistake]]:
    """What to run for (file name, text) pairs, and what can be seen to be wrong without Click."""
    flat, mistakes = flatten(sources, folder)
    for element in flat.elements.values():
        if element.klass in OWN:
            found = f"{element.name} :: {element.klass}, an element of Coven's own"
            mistakes.append(element.place.mistake(found, "elements of Click", "only `engine: compiled` has it"))
    process = Process(DEVICES, _devices(flat, "FromDevice", mistakes, True))
    process.ends = _devices(flat, "ToDevice", mistakes, False)
    if not process.sources and not process.ends and not mistakes:
        mistakes.append(Place(sources[0][0], 1, 1).mistake("no device", "FromDevice(in) or ToDevice(out)"))
    for name, text in sources:
        process.configuration += f'# 1 "{name}"\n{text}\n'
    process.configuration += BEGIN
    return process, mistakes


def judge(process: Process, click: Path, package: Path) -> list[Mistake]:
    """What `click` itself finds wrong in a configuration: it is initialized, not run. In the confinement."""
    with tempfile.TemporaryDirectory(prefix="click.") as name:
        file = Path(name) / "x.click"
        file.write_bytes(process.configuration.encode("latin-1"))
        command = [str(click), "--quit", str(file), f"COVEN_SOCKETS={name}"]
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=CHECK_S, cwd=package)
        except subprocess.TimeoutExpired:
            place = Place(file.name, 1, 1)
            return [place.mistake(f"not initialized after {CHECK_S:g} s", "a configuration that Click can start")]
        said = done.stderr.decode("latin-1").replace(str(file), "the devices")
    return _read(said, done.returncode) if done.returncode != 0 else []


def _read(said: str, status: int) -> list[Mistake]:
    """Click's words: a line with the place, and further lines that are indented below it."""
    mistakes: list[Mistake] = []
    place, heading = Place("", 1, 1), ""
    for line in said.splitlines():
        if at := SAID.match(line):
            place, heading = Place(at["file"], int(at["line"]), 1), ""
            if at["what"].startswith("While ") and line.endswith(":"):
                heading = at["what"].removeprefix("While configuring ").removeprefix("While initializing ").strip("':")
                heading = heading.replace("':", ":")
                continue
            mistakes.append(_mistake(place, at["what"]))
        elif line.startswith("  ") and heading:
            mistakes.append(place.mistake(f"{heading}: {line.strip()}", "what Click takes"))
    if not mistakes:
        last = said.strip().splitlines()[-1:] or [f"exit status {status}"]
        mistakes.append(Place("click", 1, 1).mistake(last[0], "a configuration that Click can start"))
    return mistakes


def _mistake(place: Place, what: str) -> Mistake:
    if unknown := UNKNOWN.search(what):
        return place.mistake(f"{UNKNOWN_CLASS} {unknown['name']}", "a class of that Click or an elementclass")
    return place.mistake(what, "what Click takes")

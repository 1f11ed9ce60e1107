"""What it costs to watch a running VNF under full load: processor time a packet of everything that belongs to the
appliance, with a trace of one packet in 1000 and with a capture, each held against the same VNF a moment before and
after; of that, what each process takes. Processor time, since its reciprocal is the rate that a core allows, and other
work on the machine changes it less. What whoever asks takes is said apart. `python -m bench.watching [TURNS]`; needs
root and `make rig`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from bench.rig import INTERFACES, Dut, Rig, Sink, Traffic, rig

PACKAGE, NAME = "packages/forward/c.yaml", "forward-c"
TURNS, SECONDS = 6, 2.0
LINGER = 2.2  #: a trace stays so long after the last question
#: what is asked of the agent meanwhile: a path, or what the command line is told
WATCHING: dict[str, str | tuple[str, ...]] = {
    "a trace of 1 packet in 1000": "/trace?count=1000&wait=2&every=1000",
    "coven health, which watches nothing": ("health", NAME),  # what the command line's start costs whoever it is beside
    "coven trace --every 1000": ("trace", NAME, "--every", "1000", "--count", "1000000", "--seconds", "2"),
    "coven trace, of all": ("trace", NAME, "--count", "1000000", "--seconds", "2"),
    "a trace of packets that match nothing": "/trace?count=1000&wait=2&filter=tcp+port+9",
    "a capture, 64 bytes of 1 packet in 1024 (a filter)": "/capture?at=in:arriving&snaplen=64&seconds=2"
    "&filter=udp%5B12:2%5D+%26+0xff03+=+0",  # of the generator's numbers, which end in their lowest byte first
}
#: by the words of a process's command line: whose it is
PARTS = {"coven-forwarder": "forwarder", "coven-host": "hosts", "coven.keeper": "keeper", "coven-capture": "capture"}
OTHER = "agent"


@dataclass
class Watched:
    """What was measured of one way to watch."""

    ratios: list[float] = field(default_factory=list)  #: of the time a packet to that of before and after
    more: list[dict[str, float]] = field(default_factory=list)  #: by part: of that ratio, what it takes more
    client: list[float] = field(default_factory=list)  #: the asker's processor time, cores


def measure(at: Rig, dut: Dut, sink: Sink, turns: int, ways: list[str]) -> dict[str, Watched]:
    place = at.places["dut"]
    coven = ["env", f"COVEN_STATE={dut.state}", str(Path(sys.executable).parent / "coven")]
    _wait(dut.state / "token")
    place.run(*coven, "deploy", PACKAGE, "--in", INTERFACES["in"], "--out", INTERFACES["out"])
    header = dut.state / "header"
    header.write_text(f"Authorization: Bearer {(dut.state / 'token').read_text().strip()}\n")
    found = {name: Watched() for name in ways}
    generator = at.send(Traffic(seconds=turns * len(ways) * (4 * SECONDS + LINGER) + 30))
    try:
        time.sleep(1)
        for _ in range(turns):
            before = _time(sink, dut)
            for name in ways:
                way = WATCHING[name]
                words = [*coven, *way] if isinstance(way, tuple) else [
                    "curl", "-sS", "-H", f"@{header}", f"http://127.0.0.1:8080/v1/vnfs/{NAME}{way}"
                ]  # fmt: skip
                streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                words = ["taskset", "-c", str(at.generator_core), *words]  # where whoever asks is in nobody's way
                began, asked = time.monotonic(), cast(Any, place.spawn)(*words, **streams)
                time.sleep(0.1)
                meanwhile = _time(sink, dut, SECONDS - 0.3)
                usage = os.wait4(asked.pid, 0)[2]
                asked.returncode = 0
                found[name].client.append((usage.ru_utime + usage.ru_stime) / (time.monotonic() - began))
                time.sleep(LINGER)
                after = _time(sink, dut)
                alone = {part: (before.get(part, 0) + after.get(part, 0)) / 2 for part in {*before, *after, *meanwhile}}
                whole = sum(alone.values())
                found[name].ratios.append(sum(meanwhile.values()) / whole)
                found[name].more.append({part: (meanwhile.get(part, 0) - alone[part]) / whole for part in alone})
                before = after
    finally:
        generator.terminate()
        generator.communicate()
    return found


def _time(sink: Sink, dut: Dut, seconds: float = SECONDS) -> dict[str, float]:
    """Processor time a packet that came through, ns, by part."""
    used, frames = _used(dut), sink.read()["frames"]
    time.sleep(seconds)
    now, passed = _used(dut), float(sink.read()["frames"] - frames)
    return {part: (now[part] - used.get(part, 0)) / passed for part in now}


def _used(dut: Dut) -> dict[str, int]:
    """Processor time so far, ns, by part."""
    used: dict[str, int] = {}
    for pid in dut.tree():
        part = _part(pid)
        used[part] = used.get(part, 0) + dut.cpu_ns_of(pid)
    return used


def _part(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return OTHER
    return next((part for word, part in PARTS.items() if word in words), OTHER)


def _wait(file: Path) -> None:
    end = time.monotonic() + 10
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.watching", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("turns", type=int, nargs="?", default=TURNS)
    parser.add_argument("--only", metavar="WORDS", default="", help="ways to watch whose names have these words")
    given = parser.parse_args()
    ways = [name for name in WATCHING if given.only in name]
    with rig(0, 1) as at, tempfile.TemporaryDirectory() as folder:
        sink = Sink(at, "sink", "sink0", Traffic())
        command = f"{Path(sys.executable).parent / 'coven'} serve --state {{state}}"
        dut = Dut(at, "watching", command, Path(folder) / "log", Path(folder) / "result.json")
        try:
            found = measure(at, dut, sink, given.turns, ways)
        finally:
            dut.stop()
            sink.close()
    for name, watched in found.items():
        ratios = watched.ratios
        parts = {part: statistics.median(each.get(part, 0) for each in watched.more) for part in watched.more[0]}
        said = ", ".join(f"{part} {100 * part_more:+.1f}" for part, part_more in sorted(parts.items()))
        middle, client = statistics.median(ratios) - 1, statistics.median(watched.client)
        print(f"{name}: {100 * middle:+.1f} % (median of {len(ratios)}, {min(ratios):.3f} to {max(ratios):.3f}): "
              f"{said}; whoever asks takes {100 * client:.1f} % of a core")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

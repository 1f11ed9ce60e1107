"""What it costs to watch a running VNF under full load: processor time a packet of everything that belongs to the
appliance, with a trace of one packet in 1000 and with a capture, each held against the same VNF a moment before and
after. Processor time, since its reciprocal is the rate that a core allows, and other work on the machine changes it
less. `python -m bench.watching [TURNS]`; needs root and `make rig`.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.rig import INTERFACES, Dut, Rig, Sink, Traffic, rig

PACKAGE, NAME = "packages/forward/c.yaml", "forward-c"
TURNS, SECONDS = 6, 2.0
LINGER = 2.2  #: a trace stays so long after the last question
#: what is asked of the agent meanwhile
WATCHING = {
    "a trace of 1 packet in 1000": "/trace?count=1000&wait=2&every=1000",
    "a trace of packets that match nothing": "/trace?count=1000&wait=2&filter=tcp+port+9",
    "a capture, 64 bytes of 1 packet in 1024 (a filter)": "/capture?at=in:arriving&snaplen=64&seconds=2"
    "&filter=ip%5B4:2%5D+%26+0x3ff+=+0",
}


def measure(at: Rig, dut: Dut, sink: Sink, turns: int) -> dict[str, list[float]]:
    """By what is watched: ratios of the time a packet meanwhile to the mean of those before and after."""
    place = at.places["dut"]
    coven = [str(Path(sys.executable).parent / "coven")]
    environment = {"COVEN_STATE": str(dut.state)}
    _wait(dut.state / "token")
    place.run("env", *(f"{k}={v}" for k, v in environment.items()), *coven, "deploy", PACKAGE, "--in", INTERFACES["in"],
              "--out", INTERFACES["out"])  # fmt: skip
    header = dut.state / "header"
    header.write_text(f"Authorization: Bearer {(dut.state / 'token').read_text().strip()}\n")
    found: dict[str, list[float]] = {name: [] for name in WATCHING}
    generator = at.send(Traffic(seconds=turns * len(WATCHING) * (4 * SECONDS + LINGER) + 30))
    try:
        time.sleep(1)
        for _ in range(turns):
            before = _time(sink, dut)
            for name, path in WATCHING.items():
                asked: Any = place.spawn("curl", "-sS", "-H", f"@{header}", "-o", os.devnull,
                                         f"http://127.0.0.1:8080/v1/vnfs/{NAME}{path}",
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
                time.sleep(0.1)
                meanwhile = _time(sink, dut, SECONDS - 0.3)
                asked.wait()
                time.sleep(LINGER)
                after = _time(sink, dut)
                found[name].append(meanwhile / ((before + after) / 2))
                before = after
    finally:
        generator.terminate()
        generator.communicate()
    return found


def _time(sink: Sink, dut: Dut, seconds: float = SECONDS) -> float:
    """Processor time a packet that came through, ns."""
    used, frames = dut.cpu_ns(), sink.read()["frames"]
    time.sleep(seconds)
    return (dut.cpu_ns() - used) / float(sink.read()["frames"] - frames)


def _wait(file: Path) -> None:
    end = time.monotonic() + 10
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.5)


def main() -> int:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else TURNS
    with rig(0, 1) as at, tempfile.TemporaryDirectory() as folder:
        sink = Sink(at, "sink", "sink0", Traffic())
        command = f"{Path(sys.executable).parent / 'coven'} serve --state {{state}}"
        dut = Dut(at, "watching", command, Path(folder) / "log", Path(folder) / "result.json")
        try:
            found = measure(at, dut, sink, turns)
        finally:
            dut.stop()
            sink.close()
    for name, ratios in found.items():
        middle = statistics.median(ratios)
        print(f"{name}: {100 * (middle - 1):+.1f} % (median of {len(ratios)}, {min(ratios):.3f} to {max(ratios):.3f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())

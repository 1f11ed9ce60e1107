"""The rig: what is measured between two veth pairs, with generator and sink at the ends.

    gen: gen0 <=> dut0 :dut: dut1 <=> sink0 :sink

Generator and sink run on one core, the device under test ("dut": any forwarder given as a command line) on
another. Frames are counted, and latencies taken, by BPF programs at the end that receives. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coven.lab.network import Place

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "build" / "bench"
OBJECT = str(BIN / "bench.bpf.o")
INTERFACES = {"in": "dut0", "out": "dut1"}


class RigError(Exception):
    """The measurement could not be made; the text says why."""


@dataclass
class Traffic:
    """What the generator sends. `size` is the frame without FCS, bytes; `pps` 0 is as fast as it goes."""

    mode: str = "flood"  # flood | burst | pace
    size: int = 64
    flows: int = 1
    pps: float = 0
    seconds: float = 2
    packet: str = "udp:5001"  # protocol (udp, tcp, or nsh: udp in it) and destination port


@dataclass
class Rig:
    generator_core: int
    dut_core: int
    places: dict[str, Place] = field(default_factory=dict)

    def up(self) -> None:
        for name in ("gen", "dut", "sink"):
            self.places[name] = Place(name)
        pairs = (("gen", "gen0", "dut0"), ("sink", "sink0", "dut1"))
        for far, end, near in pairs:
            peer = ("peer", "name", near, "netns", str(self.places["dut"].pid))
            self.places[far].run("ip", "link", "add", end, "type", "veth", *peer)
        quiet = "net.ipv6.conf.all.disable_ipv6=1"
        for place, interface in (("gen", "gen0"), ("dut", "dut0"), ("dut", "dut1"), ("sink", "sink0")):
            self.places[place].run("sysctl", "-qw", quiet, check=False)
            self.places[place].run("ip", "link", "set", interface, "up")
        # Only switching GRO on with the pair up makes the other end a target for redirected frames: that is
        # how the generator's, the reflector's and in-kernel forwarders' frames get across.
        for place, interface in (("dut", "dut0"), ("dut", "dut1"), ("sink", "sink0"), ("gen", "gen0")):
            for value in ("off", "on"):
                self.places[place].run("ethtool", "-K", interface, "gro", value)

    def down(self) -> None:
        for place in self.places.values():
            for pid in place.processes():
                with _gone_is_fine():
                    os.kill(pid, signal.SIGKILL)
        for place in self.places.values():
            place.close()
        self.places.clear()

    def mac(self, place: str, interface: str) -> str:
        return self.places[place].run("cat", f"/sys/class/net/{interface}/address").stdout.strip()

    def send(self, traffic: Traffic) -> subprocess.Popen[str]:
        """Start the generator; its closing JSON line comes out of `finish`."""
        words = [str(BIN / "generate"), "gen0", OBJECT, traffic.mode, str(traffic.size), str(traffic.flows)]
        words += [str(traffic.seconds), str(traffic.pps), self.mac("sink", "sink0"), traffic.packet]
        pinned = ["taskset", "-c", str(self.generator_core), *words]
        started: subprocess.Popen[str] = self.places["gen"].spawn(*pinned, stdout=subprocess.PIPE, text=True)
        return started


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        pass


@contextmanager
def rig(generator_core: int, dut_core: int) -> Iterator[Rig]:
    made = Rig(generator_core, dut_core)
    try:
        made.up()
        yield made
    finally:
        made.down()


def finish(generator: subprocess.Popen[str]) -> dict[str, float]:
    """What the generator says it sent: {sent, seconds, pps}."""
    text, _ = generator.communicate()
    if generator.returncode:
        raise RigError(f"generator ended with status {generator.returncode}")
    figures: dict[str, float] = json.loads(text)
    return figures


class Sink:
    """A counting (`xdp_sink`) or reflecting (`xdp_reflect`) end."""

    def __init__(self, at: Rig, place: str, interface: str, traffic: Traffic, program: str = "xdp_sink"):
        words = [str(BIN / "sink"), interface, OBJECT, program, str(traffic.size), "1"]
        words.append(traffic.packet.partition(":")[0])
        pinned = ["taskset", "-c", str(at.generator_core), *words]
        pipe = subprocess.PIPE
        spawn: Any = at.places[place].spawn
        self.process = spawn(*pinned, stdin=pipe, stdout=pipe, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise RigError(f"the sink at {interface} did not start")

    def read(self, command: str = "s") -> dict[str, Any]:
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        figures: dict[str, Any] = json.loads(self.process.stdout.readline())
        return figures

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Dut:
    """The device under test. `command` may use {in}, {out}, {bin}, {object}, {json} and {state}."""

    def __init__(self, at: Rig, name: str, command: str, log: Path, result: Path):
        self.name, self.log, self.result = name, log, result
        self.state = Path(tempfile.mkdtemp(prefix="coven-bench."))
        names = {**INTERFACES, "bin": str(BIN), "object": OBJECT}
        names |= {"json": str(result), "state": str(self.state)}
        words = command.format(**names).split()
        result.unlink(missing_ok=True)
        with log.open("a") as output:
            output.write(f"== {name}: {' '.join(words)}\n")
            output.flush()
            pinned = ["taskset", "-c", str(at.dut_core), *words]
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            self.process = at.places["dut"].spawn(*pinned, **streams)

    def check(self) -> None:
        if self.process.poll() is not None:
            raise RigError(f"{self.name} ended with status {self.process.returncode}: see {self.log}")

    def tree(self) -> list[int]:
        """The process and all below it, sessions of their own included."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    text = (entry / "stat").read_text()
                except OSError:
                    continue
                parents[int(entry.name)] = int(text.rsplit(")", 1)[1].split()[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_ns(self) -> int:
        """CPU time so far of the processes that live now."""
        return sum(map(self.cpu_ns_of, self.tree()))

    @staticmethod
    def cpu_ns_of(pid: int) -> int:
        """CPU time so far of one of them, from schedstat (exact, unlike ticks)."""
        total = 0
        for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            try:
                total += int(task.read_text().split()[0])
            except OSError:
                continue
        return total

    def pss_mb(self) -> float:
        """Proportional set size of all processes together, MB; shared memory counts once."""
        total = 0
        for pid in self.tree():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024

    def stop(self) -> dict[str, Any]:
        """End it by SIGTERM. Returns what it wrote to {json}, {} if it writes nothing."""
        with _gone_is_fine():
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RigError(f"{self.name} did not end within 15 s of SIGTERM") from None
        finally:
            shutil.rmtree(self.state, ignore_errors=True)
        if not self.result.exists():
            return {}
        figures: dict[str, Any] = json.loads(self.result.read_text())
        if figures.get("unaccounted") or status:
            raise RigError(f"{self.name}: status {status}, unaccounted {figures.get('unaccounted')}")
        return figures


def percentile(histogram: dict[str, int], share: float) -> float:
    """Microseconds below which a share (0..1) of the frames stayed. Raises RigError when there are none."""
    total = sum(histogram.values())
    if not total:
        raise RigError("no frame came through")
    seen = 0
    for bucket in sorted(histogram, key=int):
        seen += histogram[bucket]
        if seen >= share * total:
            return int(bucket) / 1000
    raise AssertionError("unreachable")


def cores(generator: int, dut: int) -> tuple[int, int]:
    """The two cores to use. Raises RigError when the machine or the affinity mask lacks one."""
    allowed = os.sched_getaffinity(0)
    if not {generator, dut} <= allowed or generator == dut:
        raise RigError(f"cores {generator} and {dut} wanted, these may be used: {sorted(allowed)}")
    return generator, dut


def wait_ready(at: Rig, dut: Dut, sink: Sink, traffic: Traffic, limit: float = 30) -> float:
    """Seconds until the first frame came through. Raises RigError if none does."""
    start = time.monotonic()
    probe = Traffic("pace", traffic.size, 1, 100, 0.05, traffic.packet)
    while time.monotonic() - start < limit:
        dut.check()
        finish(at.send(probe))
        if sink.read()["frames"]:
            return time.monotonic() - start
    raise RigError(f"{dut.name}: no frame came through in {limit:g} s: see {dut.log}")

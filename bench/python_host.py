"""What the Python host costs per packet: `python -m bench.python_host [--rounds N]`.

A real host at a fake forwarder is handed bursts of one 64-byte packet; the figure is the host's own CPU
time divided by packets, the best of five runs. Not a test: figures depend on the machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

from pps.python.framework import PythonFramework
from tests.rigs.fake_forwarder import FakeForwarder

PACKET = bytes.fromhex(
    "020000000002020000000001080045000032000100004006ffff0a0000010a00000203e80050"
    "00000000000000005002200000000000000000000000000000000000"
)
TELNET = 'telnet = reason("telnet", "telnet is not allowed here")\n'
COMPONENTS = {
    "forward, per packet": "def handle(packet): return forward()\n",
    "header test, per packet": TELNET
    + "def handle(packet):\n"
    + "    return drop(telnet) if packet.tcp and packet.tcp.dport == 23 else forward()\n",
    "address as text, per packet": "def handle(packet):\n"
    "    return forward(1) if packet.ip.src == '192.0.2.1' else forward()\n",
    "assignment, per packet": "def handle(packet):\n    packet.ip.ttl = 9\n    return forward()\n",
    "header test, burst": TELNET
    + "def handle_burst(burst): burst.drop(burst.is_tcp & (burst.dport == 23), telnet)\n",
    "forward, burst": "def handle_burst(burst): pass\n",
}
FIREWALL = Path(__file__).parents[1] / "packages" / "port-firewall" / "firewall.py"
#: sources with their configuration: fragments are looked at only while TCP ports are blocked
PACKAGES = {
    "port-firewall, no TCP port blocked": (FIREWALL, {"tcp": [], "udp": [69], "observe": False}),
    "port-firewall, with fragments looked at": (FIREWALL, {"tcp": [23], "udp": [69], "observe": False}),
}

SIZES = (256, 64)


def cpu_ns(pid: int) -> int:
    """CPU time of a process, ns (clock_getcpuclockid(3))."""
    return time.clock_gettime_ns((~pid << 3) | 2)


class Bursts:
    """The same frames handed over again and again, without the fake forwarder's own bookkeeping."""

    def __init__(self, host: FakeForwarder):
        self.host, self.head = host, host.head
        self.frames = [host.fill(PACKET) for _ in range(max(SIZES))]
        self.slots = host.hop.at("uint32_t", host.head.to_vnfc)

    def hand(self, size: int) -> None:
        """One burst, there and back."""
        head, at = self.head, self.head.to_vnfc_head.position
        for i, frame in enumerate(self.frames[:size]):
            self.slots[(at + i) % head.ring_slots] = frame
        head.to_vnfc_head.position = (at + size) % 2**32
        if head.host_asleep:
            self.host.wake()
        while head.from_vnfc_head.position != head.to_vnfc_head.position:
            if self.host.process.poll() is not None:
                raise SystemExit(self.host.close())
        head.from_vnfc_tail.position = head.from_vnfc_head.position

    def measure(self, size: int, rounds: int) -> float:
        """ns a packet in bursts of `size`."""
        begin = cpu_ns(self.host.process.pid)
        for _ in range(rounds):
            self.hand(size)
        return (cpu_ns(self.host.process.pid) - begin) / rounds / size


def component(text: str, rounds: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "component.py"
        source.write_text("from vnfc import *\n" + text)
        return best(source, {}, rounds)


def best(source: Path, config: dict[str, Any], rounds: int) -> list[float]:
    """For each of SIZES, the best of five."""
    with FakeForwarder(PythonFramework().host_command(source, "bench"), quota=1024) as host:
        assert host.init(config)["op"] == "ready"
        bursts = Bursts(host)
        bursts.measure(max(SIZES), rounds)  # to warm up
        return [min(bursts.measure(size, rounds) for _ in range(5)) for size in SIZES]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.python_host")
    parser.add_argument("--rounds", type=int, default=100, help="bursts of a run")
    rounds = parser.parse_args().rounds
    title = "ns a packet, with waking the host a burst"
    print(f"{title:44}" + "".join(f"{size:8}" for size in SIZES))
    for name, text in COMPONENTS.items():
        print(f"{name:44}" + "".join(f"{ns:8.0f}" for ns in component(text, rounds)), flush=True)
    for name, (source, config) in PACKAGES.items():
        print(f"{name:44}" + "".join(f"{ns:8.0f}" for ns in best(source, config, rounds)), flush=True)


if __name__ == "__main__":
    main()

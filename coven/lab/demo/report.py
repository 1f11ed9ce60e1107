"""What the demo prints: checks, drops with their reasons, the conservation sum; and the capture that stands
in for live traffic."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNACCOUNTED = 3  #: exit status


@dataclass(frozen=True)
class Check:
    what: str
    wanted: str  #: passes or dies
    outcome: str
    good: bool


def _colour(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text


def line(text: str) -> None:
    print(text, flush=True)


def title(text: str) -> None:
    print(f"\n{_colour('1', text)}", flush=True)


def show(checks: list[Check], stats: dict[str, Any], measured: dict[str, str]) -> None:
    if checks:
        title("What passed and what did not")
        width = max(len(check.what) for check in checks)
        for check in checks:
            mark = _colour("32", "as it should") if check.good else _colour("31", "NOT AS IT SHOULD")
            line(f"  {check.what:{width}}  {check.wanted:6}  {check.outcome:12}  {mark}")
    title("Dropped, and why")
    for name, count in sorted(stats["dropped"].items()):
        line(f"  {count:9,}  {name:20}  {stats.get('explanations', {}).get(name, '')}")
    if not stats["dropped"]:
        line("  nothing")
    if measured:
        title("Measured")
        for what, value in measured.items():
            line(f"  {what}: {value}")
    for name, port in stats.get("ports", {}).items():
        line(f"  port {name}: {port['backend']} ({port['why']})")
    title("Every packet is accounted for" if not stats["unaccounted"] else "PACKETS ARE UNACCOUNTED FOR")
    came = " + ".join(f"{stats[key]:,} {key}" for key in ("received", "originated", "cloned"))
    gone = " + ".join(f"{stats[key]:,} {key}" for key in ("forwarded", "consumed"))
    line(f"  {came}")
    line(f"    = {gone} + {sum(stats['dropped'].values()):,} dropped + {stats['in_flight']:,} in flight")
    line(f"  unaccounted: {stats['unaccounted']:,}")


def status(checks: list[Check], stats: dict[str, Any]) -> int:
    if stats["unaccounted"]:
        return UNACCOUNTED
    return 0 if all(check.good for check in checks) else 1


def write_capture(file: Path) -> None:
    """A little of what the live demo sends, as a capture."""
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.l2 import Ether
    from scapy.utils import wrpcap

    from coven.lab.demo.hosts import UDP_PORT, bytes_from

    wire = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.20.0.1", dst="10.20.0.2")
    get = b"GET /page.html HTTP/1.1\r\nHost: server\r\n\r\n"
    packets = [wire / TCP(sport=40000, dport=80, flags="S", seq=1)]
    packets += [wire / TCP(sport=40000 + i, dport=80, flags="PA", seq=2) / get for i in range(20)]
    packets += [wire / TCP(sport=41000, dport=443, flags="S", seq=1)]
    packets += [wire / TCP(sport=41000, dport=443, flags="PA", seq=2) / bytes_from(3, 72)]
    packets += [  # of one sender: the first proves nothing, the five behind it are dropped
        wire / UDP(sport=42000, dport=UDP_PORT) / (bytes_from(i, 2) + b"\x02" + bytes_from(i, 15))
        for i in range(6)
    ]
    packets += [wire / UDP(sport=43000 + i, dport=UDP_PORT) / bytes_from(i, 120) for i in range(5)]
    for number, packet in enumerate(packets):
        packet.time = 1_700_000_000 + number / 100
    wrpcap(str(file), packets)

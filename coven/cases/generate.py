"""Runs a test case's `in.py` and writes down what it yields: one JSON line a packet, before them one with the settings
if there are any; or one mistake.

A program for packets.py, in a process of its own, and therefore without a module of ours.
"""

from __future__ import annotations

import json
import random
import re
import runpy
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FIRST_NS = 10**9
STEP_NS = 10**6
LIMIT = 1_000_000  # packets: an endless generator ends here
ETHERNET, RAW_IP = 1, 101
PORT = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class Wrong(Exception):
    def __init__(self, found: str, expected: str):
        super().__init__(found)
        self.found, self.expected = found, expected


def _packet(item: Any, number: int) -> tuple[str | None, Any, str | None]:
    """Port, packet and verdict."""
    port, packet, verdict = None, item, None
    if isinstance(item, tuple) and len(item) == 2:
        port, packet = item
    elif isinstance(item, tuple) and len(item) == 3:
        port, packet, verdict = item
        if not isinstance(verdict, str):
            raise Wrong(f"packet {number}: the verdict {verdict!r}", "a text such as drop filter.blocked")
    if port is not None and not (isinstance(port, str) and PORT.fullmatch(port)):
        raise Wrong(f"packet {number}: the port {port!r}", "a port's name")
    return port, packet, verdict


def _bytes(packet: Any, number: int) -> tuple[int, bytes]:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.packet import Packet

    if isinstance(packet, bytes | bytearray):
        return ETHERNET, bytes(packet)
    if not isinstance(packet, Packet):
        expected = "a Scapy packet, bytes, (port, either), or (port, either, verdict)"
        raise Wrong(f"packet {number} is a {type(packet).__name__}", expected)
    return RAW_IP if isinstance(packet, IP | IPv6) else ETHERNET, bytes(packet)


def _know_no_network() -> None:
    """Keep Scapy from looking up addresses that a packet leaves open, on the network or on this machine: they
    would differ from machine to machine. Without a route every such address is a constant."""
    from scapy.route import conf
    from scapy.route6 import conf as conf6

    for routes in conf.route, conf6.route6:
        routes.routes.clear()
        routes.invalidate_cache()


def _all(source: Path) -> Iterator[dict[str, Any]]:
    _know_no_network()
    began = time.time()
    names = runpy.run_path(str(source))
    settings, found = names.get("settings"), names.get("packets")
    if settings is not None:
        yield {"settings": _plain(settings() if callable(settings) else settings)}
    if found is None:
        raise Wrong("no `packets`", "a function `packets` that yields packets")
    clock = FIRST_NS - STEP_NS
    for number, item in enumerate(found() if callable(found) else found, 1):
        if number > LIMIT:
            raise Wrong(f"more than {LIMIT} packets", "fewer")
        port, packet, verdict = _packet(item, number)
        link, data = _bytes(packet, number)
        own = getattr(packet, "time", None)
        # Scapy dates a packet when it is made: such a date is none of the author's
        if own is None or began <= float(own) <= time.time():
            clock += STEP_NS
        else:
            clock = max(int(own * 10**9), clock + 1)
        yield {"port": port, "time_ns": clock, "link": link, "data": data.hex(), "verdict": verdict}


def _plain(settings: Any) -> Any:
    right = isinstance(settings, dict) and all(isinstance(keys, dict) for keys in settings.values())
    try:
        json.dumps(settings)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise Wrong(f"settings: {settings!r}"[:200], "a map such as {'filter': {'block': [23]}}")
    return settings


def _mistake(source: Path, error: BaseException) -> dict[str, Any]:
    if isinstance(error, Wrong):
        return {"file": str(source), "found": error.found, "expected": error.expected}
    line = error.lineno if isinstance(error, SyntaxError) else None
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename) == source:
            line = frame.lineno
    found = f"{type(error).__name__}: {error}"
    return {"file": str(source), "line": line, "found": found, "expected": "packets"}


def main(source: Path, out: Path, seed: int) -> None:
    random.seed(seed)
    sys.path.insert(0, str(source.parent))  # modules beside it
    with out.open("w") as stream:
        try:
            for entry in _all(source):
                stream.write(json.dumps(entry) + "\n")
        except (Exception, SystemExit) as error:
            stream.write(json.dumps(_mistake(source, error)) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))

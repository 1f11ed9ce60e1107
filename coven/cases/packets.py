"""The packets of test cases: read from captures, made by an `in.py`, written to captures for a run.

`in.py` has a function (or list) `packets` that yields Scapy packets, bytes (Ethernet), (port, either), or (port,
either, verdict); and, if the case has a configuration of its own, a function (or map) `settings`. It runs in a process
of its own with a fixed seed and a Scapy that knows no interface and no route, as whoever called: trust it as you trust
the package's author. A packet without a time of its own comes 1 ms after the one before.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from itf.mistakes import Mistake, Refused

GENERATOR = Path(__file__).with_name("generate.py")
GENERATE_SECONDS = 60.0
ETHERNET = 1
_FILE, _RECORD = struct.Struct("=IHHIIII"), struct.Struct("=IIII")
_NANOSECONDS, _SNAPLEN = 0xA1B23C4D, 262144


class Packet(NamedTuple):
    """One packet of a capture."""

    port: str | None  #: None: the descriptor's first port
    time_ns: int
    link: int  #: link type as capture files number it
    data: bytes
    wire_len: int


class Generated(NamedTuple):
    """What an `in.py` came to."""

    packets: list[Packet]
    verdicts: list[str] | None = None  #: one a packet, if it says them
    settings: dict[str, dict[str, Any]] | None = None


def read_capture(path: Path, port: str | None = None) -> list[Packet]:
    """All packets of a pcap or pcapng file, with times that never step back, as the port reads them.

    Raises Refused if it is none.
    """
    from scapy.error import Scapy_Exception
    from scapy.utils import RawPcapReader

    packets: list[Packet] = []
    last = 0
    try:
        with RawPcapReader(str(path)) as reader:
            for data, meta in reader:
                last = max(last, _time(reader, meta))
                link = int(getattr(meta, "linktype", reader.linktype))
                packets.append(Packet(port, last, link, bytes(data), meta.wirelen))
    except (Scapy_Exception, OSError, EOFError) as error:
        mistake = Mistake(file=str(path), found=str(error), expected="a pcap or pcapng capture")
        raise Refused(mistake, title="capture not readable") from None
    return packets


def _time(reader: Any, meta: Any) -> int:
    if hasattr(meta, "tshigh"):
        ticks = (meta.tshigh << 32) | meta.tslow
        return int(ticks * 10**9 // meta.tsresol)
    return int(meta.sec) * 10**9 + int(meta.usec) * (1 if reader.nano else 1000)


def write_captures(packets: Iterable[Packet], folder: Path, first_port: str) -> dict[str, Path]:
    """Write packets to a nanosecond capture for each port they come by; returns the files by port."""
    files: dict[str, Path] = {}
    with contextlib.ExitStack() as stack:
        streams: dict[str, IO[bytes]] = {}
        for packet in packets:
            port = packet.port or first_port
            if port not in files:
                files[port] = folder / f"in-{port}.pcap"
                streams[port] = stack.enter_context(files[port].open("wb"))
                streams[port].write(_FILE.pack(_NANOSECONDS, 2, 4, 0, 0, _SNAPLEN, packet.link))
            seconds, rest = divmod(packet.time_ns, 10**9)
            head = _RECORD.pack(seconds & 0xFFFFFFFF, rest, len(packet.data), packet.wire_len)
            streams[port].write(head + packet.data)
    return files


def generate(source: Path, seed: int = 1) -> Generated:
    """What an `in.py` yields, in its order. `seed`: of its random numbers. Raises Refused with the place."""
    with tempfile.TemporaryDirectory(prefix="coven-case-") as home:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "PYTHONHASHSEED": "0",
                       "LANG": "C.UTF-8"}  # fmt: skip
        out = Path(home) / "packets"
        command = [sys.executable, "-P", "-s", str(GENERATOR), str(source.resolve()), str(out), str(seed)]
        try:
            done = subprocess.run(
                command, env=environment, cwd=source.parent, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=GENERATE_SECONDS,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            found = f"nothing after {GENERATE_SECONDS:.0f} s"
            raise _failed(Mistake(file=str(source), found=found, expected="packets")) from None
        if done.returncode != 0 or not out.exists():
            last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            raise _failed(Mistake(file=str(source), found=last[0], expected="packets"))
        return _read_generated(source, out.read_text().splitlines())


def _failed(mistake: Mistake) -> Refused:
    return Refused(mistake, title="the case's packets cannot be made")


def _read_generated(source: Path, lines: Sequence[str]) -> Generated:
    packets: list[Packet] = []
    verdicts: list[str] = []
    settings = None
    links: dict[str | None, int] = {}
    for line in lines:
        entry = json.loads(line)
        if "found" in entry:
            raise _failed(Mistake.from_dict({**entry, "file": str(source)}))
        if "settings" in entry:
            settings = entry["settings"]
            continue
        data = bytes.fromhex(entry["data"])
        packet = Packet(entry["port"], entry["time_ns"], entry["link"], data, len(data))
        if links.setdefault(packet.port, packet.link) != packet.link:
            found = f"packet {len(packets) + 1} is of another link type than those before it"
            expected = "Ethernet or bare IP by one port, not both"
            raise _failed(Mistake(file=str(source), found=found, expected=expected))
        packets.append(packet)
        if entry["verdict"] is not None:
            verdicts.append(entry["verdict"])
    if verdicts and len(verdicts) != len(packets):
        found = f"{len(verdicts)} verdicts for {len(packets)} packets"
        raise _failed(Mistake(file=str(source), found=found, expected="one for each, or none"))
    return Generated(packets, verdicts or None, settings)

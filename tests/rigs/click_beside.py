"""The same configuration and packets in the Modular Router's own `click` and compiled by us.

A configuration begins at `FROM` and ends in `to0`, `to1`...: a file to the one, a device to the other.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scapy.utils import RawPcapReader, RawPcapWriter

from itf.segment import C
from tests.rigs.click import SECOND, Running

START = 1000  #: s, of the capture
SPARES = 128  #: frames that the configuration may make packets in, at any time


@dataclass(frozen=True)
class Outcome:
    """Packets by output, in order, and what the handlers said."""

    packets: dict[int, list[bytes]]
    figures: dict[str, str]
    said: list[str]  #: lines of Print and its kin


def _ends(text: str) -> list[int]:
    return sorted({int(number) for number in re.findall(r"\bto(\d)\b", text)})


def theirs(click: str, folder: Path, text: str, packets: Sequence[bytes], spacing: float, handlers: Sequence[str],
           rest: float) -> Outcome:  # fmt: skip
    """What `click`, the program's path, makes of packets `spacing` seconds apart, `rest` seconds after the last."""
    source = folder / "in.pcap"
    writer = RawPcapWriter(str(source), linktype=1)
    writer.write_header(None)
    for number, packet in enumerate(packets):
        at = round((START + 1 + number * spacing) * 1_000_000)
        writer.write_packet(packet, sec=at // 1_000_000, usec=at % 1_000_000)
    writer.close()
    files = {number: folder / f"theirs{number}.pcap" for number in _ends(text)}
    devices = "".join(f"to{n} :: ToDump({f}, SNAPLEN 65535);\n" for n, f in files.items())
    real = devices + re.sub(r"\bFROM\b", f"FromDump({source}, TIMING true)", text)
    real += f"\nDriverManager(wait {len(packets) * spacing + rest}, stop);\n"
    (folder / "theirs.click").write_text(real)
    asked = [word for handler in handlers for word in ("-h", handler)]
    command = [click, "--simtime", str(folder / "theirs.click"), *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, f"{real}\n{done.stderr}"
    made = {n: [bytes(data) for data, _ in RawPcapReader(str(f))] if f.stat().st_size > 24 else []
            for n, f in files.items()}  # fmt: skip
    return Outcome(made, _figures(done.stdout, handlers), _said(done.stderr))


def _figures(said: str, handlers: Sequence[str]) -> dict[str, str]:
    """`click -h` writes `NAME:`, the value and an empty line, or the value alone of a single handler."""
    if len(handlers) == 1:
        return {handlers[0]: said.strip()}
    parts = re.split(r"^(" + "|".join(map(re.escape, sorted(handlers, key=len, reverse=True))) + r"):\n", said,
                     flags=re.MULTILINE)  # fmt: skip
    return {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}


def ours(folder: Path, text: str, packets: Sequence[bytes], spacing: float, handlers: Sequence[str], rest: float
         ) -> Outcome:  # fmt: skip
    """The same of the compiled configuration."""
    ends = _ends(text)
    devices = "".join(f"to{n} :: ToDevice(out{n});\n" for n in ends)
    compiled = devices + re.sub(r"\bFROM\b", "FromDevice(in)", text)
    options = {"outputs": tuple(f"out{n}" for n in ends), "hold_max": 200, "spares": SPARES}
    made: dict[int, list[bytes]] = {n: [] for n in ends}
    with Running(folder, compiled, **options) as running:
        running.now = (START + 1) * SECOND - round(spacing * SECOND)
        back = []
        for packet in packets:
            back += running.send(packet, after=spacing)
            running.forwarder.give_spares(SPARES - len(running.forwarder.spare))
        back += running.wait(rest + spacing)
        for each in back:
            if each.verdict & 0x7F == C.VERDICT_FORWARD:
                made[ends[each.arg]].append(each.data)
        figures = {handler: _read(running, handler) for handler in handlers}
        log = running.forwarder.close()
    return Outcome(made, figures, _said(log))


def _said(text: str) -> list[str]:
    """What Print and IPPrint wrote: their labels begin with PRINT."""
    return [line for line in text.splitlines() if "PRINT" in line]


def _read(running: Running, handler: str) -> str:
    """Through `handler`: a large configuration cannot list all."""
    answer = running.forwarder.ask("request", name="handler", args=[handler, "", "read"])
    assert answer["ok"], f"{handler}: {answer}"
    return str(answer["value"]).strip()

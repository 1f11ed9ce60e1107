"""What tests of Python VNFCs share: packets, and a component running at a fake forwarder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from itf.segment import REASONS
from pps.python.framework import PythonFramework
from tests.rigs.fake_forwarder import Back, FakeForwarder

FRAMEWORK = PythonFramework()
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
REASON = {row.name: row.number for row in REASONS.values()}
MAC9 = "02:00:00:00:00:09"


def tcp(dport: int = 80, payload: bytes = b"hello", **ip: Any) -> bytes:
    header = IP(src="10.0.0.1", dst="10.0.0.2", **ip)
    return bytes(ETHER / header / TCP(sport=1000, dport=dport) / Raw(payload))


def complete(data: bytes) -> bytes:
    """The packet with all checksums as Scapy computes them."""
    packet: Packet = Ether(data)
    for layer in (IP, TCP, UDP):
        if layer in packet:
            del packet[layer].chksum
    return bytes(packet)


def verdicts(back: list[Back]) -> list[tuple[int, int]]:
    return [(b.verdict, b.arg) for b in back]


class Host(FakeForwarder):
    """A host with the texts of what it logged."""

    def __enter__(self) -> Host:
        return self

    def finish(self) -> str:
        """End it in good order; returns its log."""
        assert self.end() == 0
        return self.close()


@contextmanager
def host(tmp_path: Path, text: str, config: dict[str, Any] | None = None, **options: Any) -> Iterator[Host]:
    source = tmp_path / "component.py"
    source.write_text("from vnfc import *\n" + text)
    with Host(FRAMEWORK.host_command(source, "component"), **options) as running:
        assert running.init(config)["op"] == "ready", running.close()
        yield running


def failure(tmp_path: Path, text: str, config: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The errors with which a component refuses to start."""
    source = tmp_path / "component.py"
    source.write_text(text)
    with FakeForwarder(FRAMEWORK.host_command(source, "component")) as running:
        message = running.init(config)
        assert message["op"] == "failed"
        assert running.process.wait(60) == 1
        errors = message["errors"]
        assert isinstance(errors, list)
        return errors


def one(running: FakeForwarder, packet: bytes = b"", **fields: Any) -> Back:
    running.send(packet or tcp(), **fields)
    [back] = running.collect(1)
    return back

"""One packet's fate: the next one like that, or one that is made and comes in as if by a port."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents.explain import RATE, Fate
from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.life.vnf import Vnf
from coven.keeper.watching.tracing import ROOM, SECONDS, TraceReader, compiled
from itf.mistakes import Kind, Mistake, Refused, suggest
from itf.segment import C

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PROTOS = {"tcp": 6, "udp": 17, "icmp": 1}
_ICMP6 = 58
SPORT, DPORT = 40000, 80  #: where none is said
SRC, DST = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}  #: likewise; RFC 5737, RFC 3849
SYN, HOPS = 2, 64
_LOCAL = bytes.fromhex("020000000001")
_BROADCAST = bytes.fromhex("ffffffffffff")


@dataclass(frozen=True)
class Like:
    """What a packet is like; None: whatever it may be."""

    src: Address | None = None
    dst: Address | None = None
    proto: str | None = None
    sport: int | None = None
    dport: int | None = None

    @classmethod
    def judged(cls, given: Mapping[str, Any]) -> Like:
        """Raises Refused with all that is wrong."""
        mistakes: list[Mistake] = []
        addresses: dict[str, Address | None] = {}
        for key in ("src", "dst"):
            try:
                addresses[key] = None if given.get(key) is None else ipaddress.ip_address(str(given[key]))
            except ValueError:
                mistakes.append(Mistake(field=key, found=str(given[key])[:60], expected="an IPv4 or IPv6 address"))
        src, dst = addresses.get("src"), addresses.get("dst")
        if src is not None and dst is not None and src.version != dst.version:
            mistakes.append(Mistake(field="dst", found=str(dst), expected=f"an IPv{src.version} address, as src is"))
        ports: dict[str, int | None] = {}
        for key in ("sport", "dport"):
            value = given.get(key)
            if value is not None and not (isinstance(value, int) and 0 <= value <= 65535):
                mistakes.append(Mistake(field=key, found=str(value)[:60], expected="0 to 65535"))
            ports[key] = value
        proto = given.get("proto")
        if proto is not None and proto not in PROTOS:
            mistakes.append(Mistake(field="proto", found=str(proto)[:60], expected=" | ".join(PROTOS)))
        elif proto == "icmp" and any(port is not None for port in ports.values()):
            mistakes.append(Mistake(field="proto", found="icmp with a port", expected="tcp or udp"))
        if mistakes:
            raise Refused(mistakes, title="no such packet")
        return cls(src, dst, proto, ports["sport"], ports["dport"])

    def expression(self) -> str:
        """As a pcap-filter expression; empty: any packet."""
        parts = [f"{side} host {address}" for side, address in (("src", self.src), ("dst", self.dst)) if address]
        if self.proto == "icmp":
            parts.append("(icmp or icmp6)")
        elif self.proto is not None:
            parts.append(self.proto)
        ports = ("src", self.sport), ("dst", self.dport)
        parts += [f"{side} port {port}" for side, port in ports if port is not None]
        return " and ".join(parts)

    def bytes(self, link: int, mac: bytes | None) -> bytes:
        """Such a packet: a SYN, an empty datagram or an echo request. Its checksums are whoever's that sends it."""
        one = self.src or self.dst
        version = one.version if one is not None else 4
        src, dst = self.src or ipaddress.ip_address(SRC[version]), self.dst or ipaddress.ip_address(DST[version])
        sport = SPORT if self.sport is None else self.sport
        dport = DPORT if self.dport is None else self.dport
        proto = self.proto or "tcp"
        number = _ICMP6 if proto == "icmp" and version == 6 else PROTOS[proto]
        if proto == "tcp":
            rest = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, SYN, 65535, 0, 0)
        elif proto == "udp":
            rest = struct.pack("!HHHH", sport, dport, 8, 0)
        else:
            rest = struct.pack("!BBHHH", 8 if version == 4 else 128, 0, 0, 1, 1)
        if version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(rest), 1, 0, HOPS, number, 0) + src.packed + dst.packed
        else:
            head = struct.pack("!IHBB", 6 << 28, len(rest), number, HOPS) + src.packed + dst.packed
        kind = 0x0800 if version == 4 else 0x86DD
        ethernet = (mac or _BROADCAST) + _LOCAL + struct.pack("!H", kind)
        return (ethernet if link == C.LINK_ETHERNET else b"") + head + rest


class Why:
    """One question: `answer` gets the fate, None when no such packet has ended in time. Raises Refused."""

    def __init__(self, vnf: Vnf, request: Mapping[str, Any], answer: Callable[[dict[str, Any] | None], None]):
        self.vnf = vnf
        self._answer: Callable[[dict[str, Any] | None], None] | None = answer
        like = Like.judged(request)
        self._made: str | None = None
        port = self._port(request) if request.get("inject") is True else None
        expression = like.expression()
        # of others that are like the one that is made there may be many
        self._reader = TraceReader(vnf, ROOM, fates=self._ended, rate=0 if port is not None else RATE,
                                   match=compiled(expression) if expression else None)  # fmt: skip
        wait = request.get("wait")
        seconds = min(float(wait), SECONDS) if isinstance(wait, (int, float)) else 1.0
        self._timer = vnf.loop.later(seconds, lambda: self._end(None))
        if port is not None:
            self._made = f"made by {port}"
            state = vnf.forwarder.wiring.ports[port]
            self._forwarder.inject(
                vnf.descriptor.ports[port].number, like.bytes(state.link, state.mac), request.get("send") is True
            )  # fmt: skip

    @property
    def _forwarder(self) -> RunningForwarder:
        return self.vnf.forwarder

    def _port(self, request: Mapping[str, Any]) -> str:
        ports = self.vnf.descriptor.ports
        name = request.get("port") or next(iter(ports))
        if name not in ports:
            raise Refused(Mistake(field="port", found=str(name)[:60], expected=f"one of {', '.join(ports)}",
                                  remedy=suggest(str(name), ports)), title="no such port")  # fmt: skip
        if not self.vnf.forwarding or self.vnf.capture:
            raise Refused(Mistake(field="inject", found=f"the VNF is {self.vnf.state}", expected="one that forwards",
                                  remedy="coven start"), title="not injected", kind=Kind.CONFLICT)  # fmt: skip
        return str(name)

    def _ended(self, fate: Fate) -> None:
        if self._made is None or fate.came == self._made:
            self._end(fate.document())

    def _end(self, packet: dict[str, Any] | None) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        self._timer.cancel()
        self.vnf.loop.later(0.0, self._reader.close)  # it is reading now
        answer(packet)

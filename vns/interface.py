"""A network interface while it is a port: may we have it, what is changed on it, and how that is undone.

Each change is journaled before it is made, as one entry
`{"act": "interface", "interface", "ifindex", "change", ...}` that holds what was there before. `restore`
undoes one, however often it is called, so that whoever comes after a keeper that was killed can give the
interface back. XDP programs, sockets and promiscuous mode are not in the journal: the kernel ends them
with their last holder.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import socket
import struct
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from itf.segment import C, Pool
from vns import ethtool
from vns.port import Journal, OpenPort, PortRefused, mistake, refuse

HEADERS = 14 + 2 * 4  #: bytes of Ethernet and two VLAN tags, which the MTU does not count
SSH_PORT = 22
TCP_ESTABLISHED = "01"
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
TAKE = "choose another interface, or say --take if the host can do without this one"


def _ip(*arguments: str) -> list[dict[str, Any]]:
    """What `ip -json` says; nothing if it says no."""
    done = subprocess.run(["ip", "-json", *arguments], capture_output=True, text=True, check=False)
    try:
        rows = json.loads(done.stdout or "[]")
    except ValueError:
        rows = []
    return [row for row in rows if row]


# ---- may we have it? -----------------------------------------------------------------------------


def addresses(interface: str) -> list[tuple[str, int]]:
    """Its addresses with their prefix lengths."""
    rows = _ip("address", "show", "dev", interface)
    infos = (info for row in rows for info in row.get("addr_info", []))
    return [(info["local"], info["prefixlen"]) for info in infos if "local" in info]


def _link_local6(address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    return parsed.version == 6 and parsed.is_link_local


def _default_routes(interface: str) -> bool:
    for family in ("-4", "-6"):
        for route in _ip(family, "route", "show", "default", "table", "all"):
            hops = [route, *route.get("nexthops", [])]
            if route.get("type") != "unreachable" and any(hop.get("dev") == interface for hop in hops):
                return True
    return False


def _hex_address(text: str) -> str:
    """An address of /proc/net/tcp or tcp6: 32-bit words in the host's byte order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    raw = struct.pack(f"={len(words)}I", *words)
    parsed = ipaddress.ip_address(raw)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def ssh_addresses() -> set[str]:
    """Local addresses of established SSH sessions: to port 22, and the one that we are used over."""
    found = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split()
            address, port = local.split(":")
            if state == TCP_ESTABLISHED and int(port, 16) == SSH_PORT:
                found.add(_hex_address(address))
    session = os.environ.get("SSH_CONNECTION", "").split()
    if len(session) == 4:
        found.add(session[2].split("%")[0])
    return found


def objections(name: str, interface: str) -> list[dict[str, Any]]:
    """Why the host should keep this interface, all reasons; `take` overrides them."""
    found = []
    own = [address for address, _ in addresses(interface)]
    other = [address for address in own if not _link_local6(address)]
    if other:
        found.append(f"{interface} has the address {', '.join(other)}")
    if _default_routes(interface):
        found.append(f"{interface} carries the default route")
    if ssh := ssh_addresses().intersection(own):
        found.append(f"{interface} carries an established SSH session (to {', '.join(sorted(ssh))})")
    for row in _ip("link", "show", "dev", interface):
        if "master" in row:
            found.append(f"{interface} is enslaved to {row['master']}")
    return [mistake(name, reason, "an interface that the host does not use", TAKE) for reason in found]


def check(name: str, interface: str, pool: Pool, take: bool) -> int:
    """May this interface be a port? Returns its index. Raises PortRefused with all reasons why not."""
    try:
        index = socket.if_nametoindex(interface)
    except OSError:
        there = ", ".join(n for _, n in socket.if_nameindex() if n != "lo") or "none but lo"
        raise refuse(name, f"{interface}: there is no such interface", f"one of: {there}") from None
    kind, _ = ethtool.hardware(interface)
    wrong = []
    if kind != ethtool.ARPHRD_ETHER:
        wrong.append(mistake(name, f"{interface} is not Ethernet", "an Ethernet interface"))
    most = pool.head.frame_size - C.FRAME_HEADROOM - C.FRAME_TAILROOM - HEADERS
    if (mtu := ethtool.mtu(interface)) > most:
        wrong.append(mistake(name, f"{interface} has MTU {mtu}", f"{most} at most, what a frame holds",
                             f"ip link set {interface} mtu {most}"))  # fmt: skip
    if not take:
        wrong += objections(name, interface)
    if wrong:
        raise PortRefused(wrong)
    return index


# ---- changes --------------------------------------------------------------------------------------


class Interface:
    """The changes on one interface for one port, undone in reverse by the port's `close`."""

    def __init__(self, port: OpenPort, interface: str, ifindex: int, journal: Journal):
        self.port = port
        self.name = interface
        self.ifindex = ifindex
        self._journal = journal
        port.ifindex = ifindex
        port.mtu = ethtool.mtu(interface)
        port.mac = ethtool.hardware(interface)[1]

    def _changing(self, change: str, **before: Any) -> None:
        where = {"interface": self.name, "ifindex": self.ifindex}
        entry = {"act": "interface", **where, "change": change, **before}
        self._journal(entry)
        self.port.undo.callback(restore, entry)

    def silence(self) -> None:
        """The host speaks no IPv6 here while the port is ours: no neighbour discovery, no MLD, no router
        solicitation. An interface that was taken with an address of its own is left to speak."""
        switch = _sysctl(self.name, "disable_ipv6")
        own = [(address, length) for address, length in addresses(self.name) if ":" in address]
        if switch is None or switch.read_text().strip() != "0" or any(not _link_local6(a) for a, _ in own):
            return
        self._changing("disable_ipv6", value="0", addresses=own)
        switch.write_text("1")

    def bring_up(self) -> None:
        if not ethtool.flags(self.name) & ethtool.IFF_UP:
            self._changing("up", value=False)
            ethtool.set_up(self.name, True)

    def promiscuous(self) -> None:
        """As long as a socket of ours lives, also when this process is killed."""
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as packets:
            request = struct.pack("IHH8x", self.ifindex, PACKET_MR_PROMISC, 0)
            packets.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)
            self.port.own(packets.detach())

    def switch_off(self, feature: str) -> bool:
        """Switch an offload off; whether it is off now."""
        try:
            on, may = ethtool.feature(self.name, feature)
            if on and may:
                self._changing("feature", feature=feature, value=True)
                ethtool.set_feature(self.name, feature, False)
                on, _ = ethtool.feature(self.name, feature)
        except OSError:
            return False
        return not on


def _sysctl(interface: str, key: str) -> Path | None:
    """Where the kernel keeps an IPv6 setting of this interface; None if we may not write it."""
    path = Path("/proc/sys/net/ipv6/conf", interface, key)
    return path if os.access(path, os.W_OK) else None


# ---- undoing ---------------------------------------------------------------------------------------


def restore(entry: Mapping[str, Any]) -> str | None:
    """Undo one change. Returns what was done; None if nothing was to do: undone before, or the interface is
    gone (another one of the same name is left alone). Raises OSError if the kernel refuses."""
    interface = str(entry.get("interface", ""))
    if not re.fullmatch(r"[^\s/]{1,15}", interface) or interface in (".", ".."):
        return None
    try:
        if socket.if_nametoindex(interface) != entry.get("ifindex"):
            return None
    except OSError:
        return None
    did = list(_restore(interface, entry))
    return f"{interface}: {', '.join(did)}" if did else None


def _restore(interface: str, entry: Mapping[str, Any]) -> Iterator[str]:
    change, value = entry.get("change"), entry.get("value")
    if change == "disable_ipv6":
        switch = _sysctl(interface, "disable_ipv6")
        if switch is not None and switch.read_text().strip() != value:
            switch.write_text(str(value))
            yield "IPv6 on again"
        there = {address for address, _ in addresses(interface)}
        for address, length in entry.get("addresses", ()):
            if address not in there and ipaddress.ip_address(address).version == 6:
                _ip("-6", "address", "replace", f"{address}/{int(length)}", "dev", interface)
    elif change == "up" and bool(ethtool.flags(interface) & ethtool.IFF_UP) != value:
        ethtool.set_up(interface, bool(value))
        yield "up" if value else "down again"
    elif change == "feature":
        feature = str(entry.get("feature"))
        on, _ = ethtool.feature(interface, feature)
        if on != value:
            ethtool.set_feature(interface, feature, bool(value))
            yield f"{feature} {'on' if value else 'off'} again"

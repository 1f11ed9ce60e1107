"""A network interface while it is a port: may we have it, what is changed on it, and how that is undone.

Each change is journaled before it is made, as one entry
`{"act": "interface", "interface", "ifindex", "mac", "netns", "netns_inode", "change", ...}` that holds what was
there before. `restore` undoes one, however often it is called, so that whoever comes after a keeper that was
killed can give the interface back, whatever its name is by then. XDP programs, sockets and promiscuous mode are
not in the journal: the kernel ends them with their last holder.
"""

from __future__ import annotations

import glob
import ipaddress
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from itf.mistakes import Mistake
from itf.segment import C, Pool
from vns import ethtool, rtnetlink
from vns.port import Journal, OpenPort, PortRefused, mistake, refuse

HEADERS = 14 + 2 * 4  #: bytes of Ethernet and two VLAN tags, which the MTU does not count
SSH_PORT = 22
TCP_ESTABLISHED = "01"
SOL_PACKET, PACKET_ADD_MEMBERSHIP, PACKET_MR_PROMISC = 263, 1, 1
TAKE = "choose another interface, or say --take if the host can do without this one"
SO_NETNS_COOKIE = 71  #: asm-generic/socket.h, Linux 5.14
PAIRS = ("veth", "netkit", "vxcan")  #: kinds whose `link` is the other end of a cable, not what they stand on


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


def _stands_on(row: Mapping[str, Any]) -> set[str]:
    """What carries an interface's packets: of a VLAN or macvlan, of a tunnel that is bound to one."""
    about = row.get("linkinfo", {})
    if about.get("info_kind") in PAIRS:
        return set()
    return {str(link) for link in (row.get("link"), about.get("info_data", {}).get("link")) if link}


def tree(interface: str) -> dict[str, str | None]:
    """The interface and everything above it, the nearest first, each with what it is enslaved to."""
    rows = _ip("-details", "link", "show")
    masters = {str(row.get("ifname")): row.get("master") for row in rows}
    found = {interface: masters.get(interface)}
    look = [interface]
    for lower in look:
        upper = [str(row.get("ifname")) for row in rows if lower in _stands_on(row)]
        for each in filter(None, [masters.get(lower), *upper]):
            if each not in found:
                found[each] = masters.get(each)
                look.append(each)
    return found


def objections(name: str, interface: str) -> list[Mistake]:
    """Why the host should keep this interface, all reasons: what it has itself, and what lives above it (VLANs,
    macvlans, bridges, bonds, VRFs, tunnels). `take` overrides them."""
    found = []
    sessions = ssh_addresses()
    for each, master in tree(interface).items():
        shown = each if each == interface else f"{each}, which is above {interface},"
        own = [address for address, _ in addresses(each)]
        other = [address for address in own if not _link_local6(address)]
        if other:
            found.append(f"{shown} has the address {', '.join(other)}")
        if _default_routes(each):
            found.append(f"{shown} carries the default route")
        if ssh := sessions.intersection(own):
            found.append(f"{shown} carries an established SSH session (to {', '.join(sorted(ssh))})")
        if master:
            found.append(f"{shown} is enslaved to {master}")
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
    most = largest_mtu(pool)
    if (mtu := ethtool.mtu(interface)) > most:
        wrong.append(mistake(name, f"{interface} has MTU {mtu}", f"{most} at most, what a frame holds",
                             f"ip link set {interface} mtu {most}"))  # fmt: skip
    if not take:
        wrong += objections(name, interface)
    if wrong:
        raise PortRefused(wrong)
    return index


def passing_mtu(link: rtnetlink.Link) -> int:
    """The MTU of what gets through: a veth's other end takes no longer packets than its own MTU, and AF_XDP is not told
    that it refused some."""
    try:
        other = rtnetlink.beneath(link) if ethtool.driver(link.name) == "veth" else None
    except OSError:  # it has just gone, or the kernel does not tell
        other = None
    return min(link.mtu, other.mtu) if other is not None else link.mtu


def largest_mtu(pool: Pool) -> int:
    """The largest MTU whose packets its frames hold."""
    return int(pool.geometry.frame_size - C.FRAME_HEADROOM - C.FRAME_TAILROOM - HEADERS)


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
        port.witness = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        port.undo.callback(port.witness.close)
        port.witness.bind((interface, 0))  # protocol 0: it gets no packets

    def _changing(self, change: str, **before: Any) -> None:
        assert self.port.mac is not None
        where = {"interface": self.name, "ifindex": self.ifindex, "mac": self.port.mac.hex(":"),
                 "netns": namespace(), "netns_inode": os.stat("/proc/self/ns/net").st_ino}  # fmt: skip
        entry = {"act": "interface", **where, "change": change, **before}
        self._journal(entry)
        self.port.undo.callback(self._undo, entry)

    def _undo(self, entry: Mapping[str, Any]) -> None:
        """Now, or when the interface is back in our namespace."""
        try:
            if present_name(entry) is not None:
                restore(entry)
                return
        except OSError:  # it may just be going
            if present_name(entry) is not None:
                raise
        self.port.owed.append(entry)

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
        assert self.port.witness is not None
        request = struct.pack("IHH8x", self.ifindex, PACKET_MR_PROMISC, 0)
        self.port.witness.setsockopt(SOL_PACKET, PACKET_ADD_MEMBERSHIP, request)

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
        if not on:
            self.port.kept_off.append(feature)
        return not on


def _sysctl(interface: str, key: str) -> Path | None:
    """Where the kernel keeps an IPv6 setting of this interface; None if we may not write it."""
    path = Path("/proc/sys/net/ipv6/conf", interface, key)
    return path if os.access(path, os.W_OK) else None


# ---- undoing ---------------------------------------------------------------------------------------


def namespace() -> int:
    """The number of our network namespace, that no other one has until the next boot; 0 where the kernel has none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as any_socket:
        try:
            cookie = any_socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        except OSError:
            return 0
    return int.from_bytes(cookie, sys.byteorder)


def _namespace_lives(inode: Any) -> bool:
    """Whether a process, or a name given by `ip netns`, holds the network namespace."""
    for pattern in ("/proc/[0-9]*/ns/net", "/run/netns/*"):
        for path in glob.iglob(pattern):
            try:
                if os.stat(path).st_ino == inode:
                    return True
            except OSError:
                continue
    return False


def present_name(entry: Mapping[str, Any]) -> str | None:
    """What the interface of a journal entry is called now; None if it is not here.

    Indexes are a namespace's own, and one may be given again on demand: so it is the same interface only if
    its name or its address is the same, too."""
    index, before = entry.get("ifindex"), str(entry.get("interface", ""))
    if not isinstance(index, int) or index <= 0 or entry.get("netns") not in (None, namespace()):
        return None
    try:
        name = socket.if_indextoname(index)
        same = name == before or ethtool.hardware(name)[1].hex(":") == entry.get("mac")
    except OSError:
        return None
    return name if same else None


def restore(entry: Mapping[str, Any]) -> str | None:
    """Undo one change. Returns what was done; None if nothing was to do: undone before, or the interface is
    gone (another one of the same name is left alone). Raises OSError if the kernel refuses, or if the interface
    is in another network namespace that lives."""
    if entry.get("netns") not in (None, namespace()):
        if not _namespace_lives(entry.get("netns_inode")):
            return None
        raise OSError(f"{entry.get('interface')} is in another network namespace: `coven clean` there undoes it")
    interface = present_name(entry)
    if interface is None:
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

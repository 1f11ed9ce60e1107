"""What keeps packets from passing a port, in words that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterator

from coven.keeper.ports.opening import OpenPort
from itf.mistakes import Mistake
from vns import ethtool
from vns.af_packet import MERGING
from vns.rtnetlink import Link

AGAIN = "or coven stop and coven start"


def gone(interface: str) -> str:
    return f"{interface} is gone; it is taken again by itself when it is back"


def refused(interface: str, mistakes: list[Mistake]) -> str:
    """It is back, and something is in the way of taking it."""
    reasons = "; ".join(dict.fromkeys(str(mistake.found) for mistake in mistakes))
    remedies = dict.fromkeys(mistake.remedy for mistake in mistakes if mistake.remedy)
    return f"{interface} is there, but not taken: {reasons}" + "".join(f" ({each})" for each in remedies)


def of_link(port: OpenPort, link: Link, most: int, take: bool) -> Iterator[tuple[str, str]]:
    """(what, words) of an open port's interface. `most`: the MTU whose packets a frame holds; `take`: it may have
    another master."""
    if not link.enabled:
        yield "down", f"{link.name} is down (ip link set {link.name} up)"
    elif not link.carrier:
        yield "down", f"{link.name} has no link: its cable or its other end is down"
    if link.mtu > most:
        yield "mtu", (f"{link.name} has MTU {link.mtu}, a frame holds {most}: longer packets are lost "
                      f"(ip link set {link.name} mtu {most}, or terminate and instantiate again)")  # fmt: skip
    if link.master and not take:
        yield "master", (f"{link.name} is enslaved to another interface: packets are lost or pass twice "
                         f"(ip link set {link.name} nomaster)")  # fmt: skip
    for feature in port.kept_off:
        if _is_on(link.name, feature):
            lost = "packets that it merges are dropped as truncated" if feature in MERGING else "VLAN tags are lost"
            yield feature, (f"{feature} of {link.name} was switched on: {lost} "
                            f"(ethtool -K {link.name} {feature} off, {AGAIN})")  # fmt: skip


def _is_on(interface: str, feature: str) -> bool:
    try:
        return ethtool.feature(interface, feature)[0]
    except OSError:  # it has just gone: that is told by itself
        return False

"""Which interface a journal entry is about, and what stands above which."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from vns import ethtool, interface

MAC = bytes.fromhex("020000000001")


@pytest.fixture
def eth5(monkeypatch: pytest.MonkeyPatch) -> None:
    """The only interface: index 5."""

    def name(index: int) -> str:
        if index != 5:
            raise OSError
        return "eth5"

    monkeypatch.setattr(socket, "if_indextoname", name)
    monkeypatch.setattr(ethtool, "hardware", lambda name: (1, MAC))
    monkeypatch.setattr(interface, "namespace", lambda: 7)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"interface": "eth5", "ifindex": 5}, "eth5"),
        ({"interface": "eth5", "ifindex": 5, "mac": "02:00:00:00:00:09", "netns": 7}, "eth5"),
        ({"interface": "old0", "ifindex": 5, "mac": "02:00:00:00:00:01", "netns": 7}, "eth5"),
        ({"interface": "old0", "ifindex": 5, "mac": "02:00:00:00:00:09", "netns": 7}, None),
        ({"interface": "old0", "ifindex": 5}, None),
        ({"interface": "eth5", "ifindex": 6, "mac": "02:00:00:00:00:01", "netns": 7}, None),
        ({"interface": "eth5", "ifindex": 5, "mac": "02:00:00:00:00:01", "netns": 8}, None),
        ({"interface": "eth5", "ifindex": "5"}, None),
        ({"interface": "eth5", "ifindex": -1}, None),
        ({"interface": "../eth5"}, None),
    ],
)
def test_the_same_interface(eth5: None, entry: dict[str, Any], found: str | None) -> None:
    assert interface.present_name(entry) == found


def link(name: str, kind: str = "", lower: str | None = None, master: str | None = None, **data: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"ifname": name, "linkinfo": {"info_kind": kind, "info_data": data}}
    row |= {"link": lower} if lower else {}
    return row | ({"master": master} if master else {})


ROWS = [
    link("lo"),
    link("eth0"),
    link("eth1", master="bond0"),
    link("bond0", "bond"),
    link("bond0.7", "vlan", "bond0", master="br0"),
    link("br0", "bridge"),
    link("br0.9", "vlan", "br0"),
    link("mac0", "macvlan", "br0.9"),
    link("vx0", "vxlan", link="mac0"),
    link("gre1", "gre", link="eth0", remote="192.0.2.9"),
    link("far0", "veth", "near0"),
    link("near0", "veth", "far0"),
    link("guest0", "macvlan", None, link_index=2),
    link("team0", "team", master="vrf0"),
    link("eth2", master="team0"),
    link("vrf0", "vrf"),
]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("eth0", {"eth0": None, "gre1": None}),
        (
            "eth1",
            {"eth1": "bond0", "bond0": None, "bond0.7": "br0", "br0": None, "br0.9": None, "mac0": None, "vx0": None},
        ),
        ("mac0", {"mac0": None, "vx0": None}),
        ("near0", {"near0": None}),
        ("eth2", {"eth2": "team0", "team0": "vrf0", "vrf0": None}),
        ("missing", {"missing": None}),
    ],
)
def test_what_is_above(monkeypatch: pytest.MonkeyPatch, name: str, found: dict[str, str | None]) -> None:
    monkeypatch.setattr(interface, "_ip", lambda *words: ROWS)
    assert interface.tree(name) == found


def test_a_circle_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interface, "_ip", lambda *words: [link("a", "macvlan", "b"), link("b", "macvlan", "a")])
    assert interface.tree("a") == {"a": None, "b": None}

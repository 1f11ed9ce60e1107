"""Which interface a text means."""

from __future__ import annotations

import socket

import pytest

from coven.agent import bindings
from coven.package.model import Descriptor, Port
from itf.mistakes import Mistake, Refused
from vns import named, rtnetlink
from vns.rtnetlink import Link

LINKS = {
    index: Link(index, name, True, True, 1500, address=address)
    for index, name, address in ((2, "eth1", "02:00:00:00:00:01"), (3, "eth2", "02:00:00:00:00:02"),
                                 (4, "br0", "02:00:00:00:00:02"))
}  # fmt: skip


@pytest.fixture(autouse=True)
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {link.name: index for index, link in LINKS.items()}

    def index(name: str) -> int:
        if name not in names:
            raise OSError
        return names[name]

    def name(index: int) -> str:
        if index not in LINKS:
            raise OSError
        return LINKS[index].name

    monkeypatch.setattr(rtnetlink, "links", lambda: LINKS)
    monkeypatch.setattr(socket, "if_nametoindex", index)
    monkeypatch.setattr(socket, "if_indextoname", name)


@pytest.mark.parametrize(
    ("text", "index", "name"),
    [
        ("eth1", 2, "eth1"), ("eth9", 0, "eth9"), ("02:00:00:00:00:01", 2, "eth1"), ("02-00-00-00-00-01", 2, "eth1"),
        ("02:00:00:00:00:02", 0, "02:00:00:00:00:02"), ("02:00:00:00:00:07", 0, "02:00:00:00:00:07"),
        ("", 0, ""), ("02:00:00:00:00", 0, "02:00:00:00:00"),
    ],
)  # fmt: skip
def test_what_a_text_means(text: str, index: int, name: str) -> None:
    assert (named.index_of(text), named.first_name(text)) == (index, name)


def test_the_case_of_an_address_says_nothing() -> None:
    assert named.address_of("0A:bC:00:00:00:01") == "0a:bc:00:00:00:01" and named.address_of("eth1") is None


DESCRIPTOR = Descriptor("vnf.yaml", None, "n", "1")  # type: ignore[arg-type]
DESCRIPTOR.ports = {"in": Port("in", 0), "out": Port("out", 1)}


def test_one_interface_said_twice_is_one_interface() -> None:
    mistakes: list[Mistake] = []
    bindings.read_ports(DESCRIPTOR, {"in": "eth1", "out": "02:00:00:00:00:01"}, mistakes)
    assert [mistake.field for mistake in mistakes] == ["ports.out.interface"]
    mine = {"in": {"interface": "02:00:00:00:00:01"}}
    with pytest.raises(Refused):
        bindings.check_disjoint("a", mine, [{"name": "b", "ports": {"x": {"interface": "eth1"}}}])
    bindings.check_disjoint("a", mine, [{"name": "b", "ports": {"x": {"interface": "eth2"}}}])


def test_what_stays_bound_may_be_said_otherwise() -> None:
    full = {"backend": "auto", "take": False}
    bound = {"in": {"interface": "02:00:00:00:00:01", **full}, "out": {"interface": "eth2", **full}}
    mistakes: list[Mistake] = []
    assert bindings.stay(DESCRIPTOR, bound, {"in": "eth1"}, mistakes) == bound and mistakes == []
    bindings.stay(DESCRIPTOR, bound, {"in": "br0"}, mistakes)
    assert [mistake.field for mistake in mistakes] == ["ports.in"]

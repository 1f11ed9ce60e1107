"""What `coven top` shows, from two readings."""

from __future__ import annotations

from typing import Any

import pytest

from coven.cli.top.screen import Reading, View, screen, short

CHAIN: dict[str, Any] = {
    "name": "fw", "package": "fw:1",
    "vnfcs": [{"name": "b"}, {"name": "a"}],
    "chains": [{"name": "main", "ways": [
        {"ingress": "in", "kind": "graph", "wires": [
            {"from": "in", "output": None, "to": "b"}, {"from": "b", "output": "next", "to": "out"},
            {"from": "b", "output": "odd", "to": "a"}, {"from": "a", "output": "next", "to": "out"}]},
        {"ingress": "out", "kind": "drop", "wires": []},
    ]}],
}  # fmt: skip


def status(factor: int) -> dict[str, Any]:
    def place(number: int) -> dict[str, Any]:
        return {"state": "running", "language": "c", "received": number * factor, "forwarded": number * factor,
                "dropped": {"x": 3 * factor}, "restarts": 1}  # fmt: skip

    port = {"interface": "eth1", "link": "up", "received": 100 * factor, "sent": 50 * factor,
            "bytes_in": 12500 * factor, "bytes_out": 10 * factor, "dropped": {}}  # fmt: skip
    return {
        "name": "fw", "state": "STARTED", "received": 1, "forwarded": 2, "consumed": 3, "in_flight": 4,
        "unaccounted": 0, "dropped": {"a.x": 3 * factor, "b.x": 3 * factor}, "explanations": {"a.x": "no\x1b[2J way"},
        "ports": {"in": port, "out": port}, "vnfcs": {"a": place(2000), "b": place(30)},
    }  # fmt: skip


def shown(view: View, width: int = 79, height: int = 24) -> list[str]:
    before = Reading(10.0, status(1), cpu={"a": 1.0})
    now = Reading(12.0, status(3), cpu={"a": 2.0}, memory={"a": 2e6}, occupancy={"a": 0.25})
    return [line.text for line in screen(CHAIN, before, now, view, width, height)]


def test_rates_of_every_place() -> None:
    lines = shown(View())
    assert lines[0] == "fw (fw:1)  STARTED"
    assert lines[2:5] == ["in -> b -> out", "b[odd] -> a -> out", "out -> dropped"]
    port = next(line.split() for line in lines if line.startswith("in  "))
    assert port == ["in", "eth1", "up", "100", "100k", "50", "80", "0"]
    vnfcs = [line.split() for line in lines if " * running" in line]
    assert vnfcs == [
        ["b", "*", "running", "c", "30", "30", "3", "-", "-", "-", "1"],
        ["a", "*", "running", "c", "2k", "2k", "3", "25%", "50.0", "2MB", "1"],
    ]
    assert lines[-1].startswith("q quit  p pause  d all drops  s sort (chain)")


def test_sorted_by_rate() -> None:
    assert [line[0] for line in shown(View(sort="rate")) if " * running" in line] == ["a", "b"]


def test_drops_are_told_and_steer_no_terminal() -> None:
    lines = shown(View(drops=True))
    assert not any(" * running" in line for line in lines)
    assert next(line for line in lines if line.startswith("a.x")).split() == ["a.x", "3", "9", "no?[2J", "way"]


def test_where_not_all_has_room_the_tables_come_first_and_all_can_be_reached() -> None:
    names = [f"a-vnfc-with-quite-a-long-name-{number:02}" for number in range(10)]
    one = status(1)["vnfcs"]["a"]
    many = {**status(1), "vnfcs": dict.fromkeys(names, one), "dropped": {f"{names[9]}.x": 3}}
    wires = [{"from": here, "output": "next", "to": there} for here, there in zip(["in", *names], names, strict=False)]
    chain = {
        "name": "fw", "package": "fw:1", "vnfcs": [{"name": name} for name in names],
        "ports": [{"name": "in", "nsh": "vxlan-gpe"}, {"name": "out", "nsh": None}],
        "classifier": [{"match": "arp", "port": "in", "vlan": None, "then": "bypass"},
                       {"match": None, "port": None, "vlan": None, "then": "main"}],
        "chains": [{"name": "main", "ways": [{"ingress": "in", "kind": "graph", "wires": wires}]}],
    }  # fmt: skip
    now = Reading(1.0, many, limit={"why": "too slow"})
    view = View()
    first = [line.text for line in screen(chain, None, now, view, 79, 24)]
    assert first[2] == "! bottleneck: too slow" and first[3].startswith("VNFC ") and first[3].endswith("RESTARTS")
    rows = [line for line in first if " * running" in line]
    assert len(rows) == 10 and [row.split()[0][-3:] for row in rows] == [name[-3:] for name in names]
    assert "unaccounted 0" in first[1] and first[-1].endswith("lines)")
    seen = set(first)
    for offset in range(1, 40):
        view.offset = offset
        lines = [line.text for line in screen(chain, None, now, view, 79, 24)]
        assert len(lines) == 24 and max(map(len, lines)) <= 79
        seen |= set(lines)
    assert view.offset < 39, "no further than there are lines"
    joined = "\n".join(seen)
    assert "arp, by in: bypass" in seen and "all else: main" in seen and "eth1 NSH" in joined
    assert all(f"-> {name}" in joined for name in names) and f"{names[9]}.x" in joined


@pytest.mark.parametrize("size", [(79, 24), (40, 10), (20, 5), (200, 60)])
def test_no_line_is_wider_or_more_than_there_is_room_for(size: tuple[int, int]) -> None:
    lines = shown(View(), *size)
    assert len(lines) <= size[1] and max(map(len, lines)) <= size[0]
    assert lines[-1].startswith("q quit")


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (0, "0"), (9.94, "9.9"), (999, "999"), (999.6, "1k"),
                                             (1250, "1.2k"), (2.5e9, "2.5G")])  # fmt: skip
def test_short(value: float | None, text: str) -> None:
    assert short(value) == text

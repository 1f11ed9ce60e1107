"""`vnf.yaml`: what it means, and every mistake at once with its place."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from coven.package.chains import Bypass, Drop, Graph
from coven.package.descriptor import Descriptor, load
from coven.package.languages import unavailable
from coven.package.settings import parse_settings
from itf.mistakes import Mistake, Refused
from pps.click import router

HEAD = 'name: fw\nversion: "1.0"\n'
AB = "vnfcs: {a: {source: a.py}, b: {source: b.c}}\n"
SPLIT = "vnfcs: {a: {source: a.py, outputs: [next, odd]}, b: {source: b.c}, c: {source: b.c}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.py").touch()
    (tmp_path / "b.c").touch()
    schema = {"properties": {"n": {"maximum": 9}, "words": {"items": {"enum": ["x", "y"]}}}}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    return tmp_path


def read(folder: Path, text: str) -> Descriptor:
    (folder / "vnf.yaml").write_text(text)
    return load(folder, "vnf.yaml")


def refused(folder: Path, text: str) -> list[Mistake]:
    with pytest.raises(Refused) as caught:
        read(folder, text)
    assert all(m.file for m in caught.value.mistakes)
    return caught.value.mistakes


def says(mistakes: list[Mistake], text: str) -> bool:
    return any(text in str(m) for m in mistakes)


def graph(descriptor: Descriptor, port: str, chain: str = "main") -> Graph:
    way = descriptor.chains[chain].graphs[port]
    assert isinstance(way, Graph)
    return way


def test_defaults(folder: Path) -> None:
    d = read(folder, HEAD + AB + "chain: in -> a -> b -> out\n")
    assert (d.provider, d.description, d.license, d.cpus, d.memory_mb) == ("unknown", "", None, 1, 512)
    assert list(d.ports) == ["in", "out"] and d.ports["out"].number == 1 and d.ports["in"].nsh is None
    a, b = d.vnfcs["a"], d.vnfcs["b"]
    assert (a.language, b.language, a.engine, a.outputs, a.nsh) == (
        "python",
        "c",
        "auto",
        ("next",),
        "unaware",
    )
    assert (a.on_failure, a.memory_mb, a.hold_max, a.sources) == ("restart", 256, 1024, ("a.py",))
    assert d.vnfd_id == str(uuid.uuid5(uuid.NAMESPACE_URL, "unknown/fw/1.0"))
    assert d.classifier == [] and d.paths == [] and d.indicators == []


def test_short_form_keeps_the_order_both_ways(folder: Path) -> None:
    d = read(folder, HEAD + AB + "chain: in -> a -> b -> out\n")
    assert graph(d, "in").first == "a" and graph(d, "in").next == {("a", "next"): "b", ("b", "next"): "out"}
    assert graph(d, "out").first == "a" and graph(d, "out").next == {("a", "next"): "b", ("b", "next"): "in"}


def test_reversed_form(folder: Path) -> None:
    d = read(folder, HEAD + AB + "chain: {reversed: in -> a -> b -> out}\n")
    assert graph(d, "in").first == "a"
    assert graph(d, "out").first == "b" and graph(d, "out").next == {("b", "next"): "a", ("a", "next"): "in"}


def test_long_form_with_branch_and_join(folder: Path) -> None:
    chain = "chain:\n  in:\n  - a -> b -> out\n  - a[odd] -> c -> b\n  out:\n  - b -> in\n"
    d = read(folder, HEAD + SPLIT + chain)
    way = graph(d, "in")
    assert way.next == {("a", "next"): "b", ("b", "next"): "out", ("a", "odd"): "c", ("c", "next"): "b"}
    assert way.joins and not graph(d, "out").joins
    assert way.vnfcs == ["a", "b", "c"]


def test_ways_to_state_a_port(folder: Path) -> None:
    ports = "ports: {in: {}, out: {}, x: {nsh: ethernet}}\n"
    d = read(folder, HEAD + ports + AB + "chain: {in: [a -> x], out: 'bypass:in', x: drop}\n")
    assert d.chains["main"].graphs["out"] == Bypass("in") and d.chains["main"].graphs["x"] == Drop()
    assert says(
        refused(folder, HEAD + ports + AB + "chain: {in: [a -> x], out: bypass, x: drop}\n"), "exactly two"
    )
    assert says(refused(folder, HEAD + ports + AB + "chain: in -> a -> out\n"), "come in by x")
    d = read(folder, HEAD + AB + "chain: {in: [a -> in], out: bypass}\n")
    assert graph(d, "in").next == {("a", "next"): "in"} and d.chains["main"].graphs["out"] == Bypass("in")
    d = read(folder, HEAD + "ports: {in: {}}\nvnfcs: {a: {source: a.py}}\nchain: in -> a -> in\n")
    assert graph(d, "in").next == {("a", "next"): "in"}


@pytest.mark.parametrize(
    "vnfcs, chain, expected",
    [
        (AB, "in -> a -> a -> out", "twice"),
        (AB, "in -> a -> x -> out", "x"),
        (AB, "in -> a", "a port at both ends"),
        (AB, "in a out", "names with -> between"),
        (AB, "in -> a[next] -> out", "at the start of a route"),
        (SPLIT, "in -> a -> out", "nothing at the output a[odd]"),
        (SPLIT, "{in: [a -> b -> out], out: drop}", "nothing at the output a[odd]"),
        (SPLIT, "{in: [a -> b -> out, 'a[odd] -> a'], out: drop}", "cycle a -> a"),
        (SPLIT, "{in: [a -> b -> out, 'a[odd] -> c -> a'], out: drop}", "cycle a -> c -> a"),
        (SPLIT, "{in: [a -> b -> out, 'a[odd] -> b -> out'], out: drop}", "b again"),
        (SPLIT, "{in: [a -> b -> out, 'a[odd] -> c'], out: drop}", "already wired"),
        (SPLIT, "{in: [a -> b -> out, 'a[odd] -> out', 'a[odd] -> in'], out: drop}", "second wire at a[odd]"),
        (SPLIT, "{in: [a -> b -> out, 'a[ood] -> out'], out: drop}", "did you mean odd?"),
        (SPLIT, "{in: [a -> b -> out, 'a[back] -> out'], out: drop}", "back always leads"),
        (SPLIT, "{in: [a -> b -> out, 'c[next] -> out'], out: drop}", "an earlier route"),
        (SPLIT, "{in: [a -> b -> out, c -> out], out: drop}", "NAME[output] at the start"),
        (AB, "{in: [a -> out -> b -> out], out: drop}", "port out in the middle"),
        (AB, "{in: [a -> out]}", "come in by out"),
        (AB, "{in: [], out: drop}", "no route"),
        (AB, "{inn: [a -> out], out: drop}", "did you mean in?"),
        (AB, "{}", "an empty map"),
        (AB, "3", "an integer"),
        (AB, "{in: dorp, out: drop}", "bypass, bypass:PORT or drop"),
        (AB, "{in: 'bypass:x', out: drop}", "a port"),
    ],
)
def test_wrong_chains(folder: Path, vnfcs: str, chain: str, expected: str) -> None:
    mistakes = refused(folder, HEAD + vnfcs + f"chain: {chain}\n")
    assert says(mistakes, expected), mistakes
    assert all(m.line == 4 for m in mistakes)


def test_classifier_paths_indicators(folder: Path) -> None:
    d = read(
        folder,
        HEAD
        + AB
        + """
chains: {web: in -> a -> out, rest: in -> b -> out}
classifier:
  - {match: "udp port 53", port: in, vlan: 7, then: web}
  - {then: bypass}
  - {match: tcp, then: "bypass:out"}
  - {then: drop}
paths:
  - {spi: 42, si: 255, chain: web, context: "000102030405060708090a0b0c0d0e0f"}
  - {spi: 43, chain: rest}
indicators: [b.hits]
coordination: [b.drain, a.ready]
""",
    )
    first = d.classifier[0]
    assert (first.match, first.port, first.vlan, first.then) == ("udp port 53", "in", 7, "web")
    assert [rule.then for rule in d.classifier[1:]] == [Bypass(None), Bypass("out"), Drop()]
    assert d.paths[0].context == bytes(range(16)) and d.paths[1].si is None
    assert list(d.chains) == ["web", "rest"] and d.indicators == ["b.hits"]
    assert list(d.coordination) == ["b.drain", "a.ready"]


def test_every_mistake_at_once_in_order(folder: Path) -> None:
    text = """name: FW
version: 1.0
resources: {cpu: 2, memory_mb: lots}
ports: {in: {nsh: maybe}, out: {}}
vnfcs:
  classifier: {source: a.py}
  a: {source: ../a.py, nsh: no, hold_max: -1, frob: 1}
  b: {source: b.c, libs: [--evil], outputs: [back, x, x], config: {n: 10}, schema: s.json}
  c: {source: c.pl}
  in: {source: a.py}
chain: in -> a -> out
chains: {x: in -> a -> out}
classifier: [{match: "udp prt 3", port: inn, vlan: 5000, then: mian}]
paths: [{spi: -1, chain: x, context: zz}]
indicators: [z.hits]
"""
    mistakes = refused(folder, text)
    places = [(m.line, m.field) for m in mistakes]
    for wanted in [
        (1, "name"), (2, "version"), (3, "resources.cpu"), (3, "resources.memory_mb"), (4, "ports.in.nsh"),
        (6, "vnfcs.classifier"), (7, "vnfcs.a.source"), (7, "vnfcs.a.hold_max"),
        (7, "vnfcs.a.frob"), (8, "vnfcs.b.libs[0]"), (8, "vnfcs.b.outputs[0]"), (8, "vnfcs.b.outputs[2]"),
        (8, "vnfcs.b.config.n"), (9, "vnfcs.c.source"), (10, "vnfcs.in"), (12, "chains"),
        (13, "classifier[0].match"), (13, "classifier[0].port"), (13, "classifier[0].vlan"),
        (13, "classifier[0].then"), (14, "paths[0].spi"), (14, "paths[0].chain"), (14, "paths[0].context"),
        (15, "indicators[0]"),
    ]:  # fmt: skip
        assert wanted in places, wanted
    assert places == sorted(places, key=lambda p: p[0] or 0)


def test_a_key_that_stands_there_twice_hides_nothing(folder: Path) -> None:
    mistakes = refused(folder, f'name: FW\nversion: "1"\n{AB}name: b\nchain: in -> z -> out\n')
    assert [(m.line, m.field) for m in mistakes] == [(1, "name"), (4, None), (5, "chain")]


@pytest.mark.parametrize("name", ["classifier", "nsh", "flow", "back", "bypass", "drop", "reversed",
                                  "Filter", "1st", "a.b", "x" * 33, "a b"])  # fmt: skip
def test_refused_names(folder: Path, name: str) -> None:
    text = HEAD + f"vnfcs: {{{json.dumps(name)}: {{source: a.py}}}}\nchain: in -> out\n"
    assert [m.field for m in refused(folder, text)] == [f"vnfcs.{name}"]


def test_required(folder: Path) -> None:
    fields = [m.field for m in refused(folder, "vnfcs: {a: {}}\n")]
    assert fields == ["name", "version", "chain", "vnfcs.a.source"]
    assert says(refused(folder, ""), "expected a map")
    assert says(refused(folder, "- a\n"), "expected a map")


def test_no_descriptor_lists_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").touch()
    with pytest.raises(Refused) as caught:
        load(tmp_path)
    assert "c.yaml" in str(caught.value)
    with pytest.raises(Refused):
        load(tmp_path / "none")


def test_source_may_not_lead_out(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "x.py"
    outside.touch()
    (folder / "link.py").symlink_to(outside)
    for source in ("link.py", str(outside), "../x.py", "a.py/../../x.py", "none.py"):
        assert refused(folder, HEAD + f"vnfcs: {{a: {{source: {source}}}}}\nchain: in -> a -> out\n")


def test_languages(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "r.click").touch()
    d = read(folder, HEAD + "vnfcs: {a: {source: r.click, engine: compiled}}\nchain: in -> a -> out\n")
    assert d.vnfcs["a"].language == "click"
    assert unavailable(d) == []
    monkeypatch.setattr(router, "find", lambda: None)
    assert unavailable(d) == []
    asked = read(folder, HEAD + "vnfcs: {a: {source: r.click, engine: click}}\nchain: in -> a -> out\n")
    assert [(m.line, m.field) for m in unavailable(asked)] == [(3, "vnfcs.a.engine")]
    text = "vnfcs: {a: {source: a.py, engine: compiled}}\nchain: in -> a -> out\n"
    assert says(refused(folder, HEAD + text), "engine")
    assert says(
        refused(folder, HEAD + "vnfcs: {a: {source: [a.py, b.c]}}\nchain: in -> a -> out\n"),
        "several languages",
    )


CONFIG = """vnfcs:
  a:
    source: a.py
    config: {n: 5, f: 1.5, s: text, on: true, list: [1], words: [x], map: {k: 1}, any: null, empty: []}
    schema: s.json
chain: in -> a -> out
"""


@pytest.mark.parametrize(
    "key, value, good",
    [
        ("n", 6, True),
        ("n", 6.0, False),
        ("n", "6", False),
        ("n", True, False),
        ("n", 10, False),
        ("f", 2, True),
        ("f", "2", False),
        ("s", "x", True),
        ("s", 1, False),
        ("on", False, True),
        ("on", 0, False),
        ("list", [], True),
        ("list", [2, 3], True),
        ("list", ["2"], False),
        ("list", 2, False),
        ("words", ["y"], True),
        ("words", ["z"], False),
        ("map", {"k": 2}, True),
        ("map", {"j": 2}, False),
        ("map", {"k": "2"}, False),
        ("any", [1], True),
        ("empty", ["x", 1], True),
        ("m", 1, False),
        ("n", None, False),
    ],
)
def test_config_types_and_schema(folder: Path, key: str, value: Any, good: bool) -> None:
    d = read(folder, HEAD + CONFIG)
    if good:
        assert d.configured({"a": {key: value}})["a"][key] == value
        assert d.vnfcs["a"].config["n"] == 5
    else:
        with pytest.raises(Refused) as caught:
            d.configured({"a": {key: value}})
        assert (caught.value.mistakes[0].field or "").startswith(f"config.a.{key}")


def test_settings(folder: Path) -> None:
    d = read(folder, HEAD + CONFIG)
    wanted = parse_settings(["a.n=7", "a.list=[4, 5]", "a.map.k=3", "a.s=a=b"])
    config = d.configured(wanted)["a"]
    assert (config["n"], config["list"], config["map"], config["s"]) == (7, [4, 5], {"k": 3}, "a=b")
    with pytest.raises(Refused) as caught:
        parse_settings(["a.n", "n=1", "a.n=[1", "a.n=&x 1", ".n=1"])
    assert len(caught.value.mistakes) == 5


@pytest.mark.parametrize("text", ["{", '{"type": 7}', "[]", '{"$ref": "http://127.0.0.1:9/x.json"}'])
def test_wrong_schema(folder: Path, text: str) -> None:
    (folder / "s.json").write_text(text)
    assert refused(folder, HEAD + CONFIG)


def test_limits(folder: Path) -> None:
    many = ", ".join(f"v{n}: {{source: a.py}}" for n in range(33))
    assert says(refused(folder, HEAD + f"vnfcs: {{{many}}}\nchain: in -> v0 -> out\n"), "at most 32")
    ports = ", ".join(f"p{n}: {{}}" for n in range(17))
    assert says(refused(folder, HEAD + f"ports: {{{ports}}}\n" + AB + "chain: p0 -> a -> p1\n"), "at most 16")

"""The Click language: what configurations mean, and what is said about those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pps.click.arguments import split, substitute, unquote
from pps.click.lexer import Config
from pps.click.mistakes import Place
from tests.rigs.click import graph, mistakes

ENDS = "FromDevice(in) -> {} -> ToDevice(next);"


def wires(text: str, folder: Path | None = None) -> list[str]:
    return sorted(f"{w.source}[{w.output}]->[{w.input}]{w.target}" for w in graph(text, folder).wires)


def test_chains_ports_and_anonymous_names() -> None:
    text = """
        i, j :: Idle; d :: Discard;   // several at once
        i -> t :: Tee(2) [0] -> Null -> d; /* declared inside */
        t [1] -> [0] d; j -> d;
    """
    assert wires(text) == ["Null@5[0]->[0]d", "i[0]->[0]t", "j[0]->[0]d", "t[0]->[0]Null@5", "t[1]->[0]d"]


def test_many_to_one_and_many_to_many() -> None:
    text = """
        a, b, c :: Idle;
        a => b, c, [0,1] a;
        b, c [0] -> d :: Discard;
    """
    assert wires(text) == ["a[0]->[0]b", "a[1]->[0]c", "a[2]->[0]a", "a[3]->[1]a", "b[0]->[0]d", "c[0]->[0]d"]
    ranges = "a, d :: Idle; a [0-1] => Null, Null -> d;"
    assert wires(ranges) == ["Null@3[0]->[0]d", "Null@4[0]->[0]d", "a[0]->[0]Null@3", "a[1]->[0]Null@4"]


def test_groups_and_compounds_leave_no_trace() -> None:
    x = "x, y :: Idle; "
    for text in ("x -> y", "x -> ( input -> output ) -> y", "x -> ( [0] -> [0] ) -> y", "x -> (->) -> y",
                 "x -> ( [0]->[0]; [1]->[1] ) => ( [0]->[0]; [1]->[1] ) -> y",
                 "x -> { -> } -> y", "x -> { input -> output } -> y"):  # fmt: skip
        assert wires(x + text) == ["x[0]->[0]y"], text
    detour = """
        analyzer, x1, x2 :: Idle;  x1 -> analyzer -> x2;
        c :: Idle => [1] analyzer [1], (-> c2 :: Idle => (->), Paint(1) ->) -> post :: Idle;
    """
    assert wires(detour) == [
        "Paint@6[0]->[0]post", "analyzer[0]->[0]x2", "analyzer[1]->[0]post", "c2[0]->[0]post",
        "c2[1]->[0]Paint@6", "c[0]->[1]analyzer", "c[1]->[0]c2", "x1[0]->[0]analyzer",
    ]  # fmt: skip


def test_compound_classes_scopes_and_parameters() -> None:
    text = """
        define($color 7);
        elementclass Outer { $a, KEY $k, __REST__ $rest |
            elementclass Inner { $b | input -> Paint($a) -> Paint($b) -> output }
            elementclass Same { $a | input -> Inner($a) -> output }
            input -> Same(2) -> Paint($k) -> Print($rest) -> output;
        }
        elementclass Queue { input -> Queue(3) -> Unqueue -> output }
    """ + ENDS.format("Outer(1, KEY $color, label, 10) -> q :: Queue -> Paint(${none-9})")
    elements = graph(text).elements
    given = {name: [a.text for a in element.given] for name, element in elements.items()}
    assert given["Outer@2/Same@1/Inner@1/Paint@1"] == ["1"], "formals are lexical: the $a of Outer"
    assert given["Outer@2/Same@1/Inner@1/Paint@2"] == ["2"]
    assert given["Outer@2/Paint@2"] == ["7"] and given["Outer@2/Print@3"] == ["label", "10"]
    assert given["q/Queue@1"] == ["3"], "a class may be defined by the one of the same name before it"
    assert [v for k, v in given.items() if k.startswith("Paint@")] == [["9"]]


def test_overloading_by_arguments_and_ports() -> None:
    text = """
        elementclass Box { input -> Null -> output || $c | input -> Paint($c) -> output }
        elementclass Box { $a, $b | input -> Paint($a) -> Paint($b) -> output || ... }
        FromDevice(in) -> a :: Box -> b :: Box(1) -> c :: Box(2, 3) -> Q2 :: { input -> Queue -> output }
            -> ToDevice(next);
    """
    assert {n for n in graph(text).elements if "/" in n} == {
        "a/Null@1", "b/Paint@1", "c/Paint@1", "c/Paint@2", "Q2/Queue@1",
    }  # fmt: skip
    extended = "elementclass Paint { $a, $b, $c | input -> Paint($a) -> output || ... }"
    elements = graph(extended + ENDS.format("p :: Paint(5) -> q :: Paint(6, 7, 8)")).elements
    assert elements["p"].args["COLOR"] == 5 and elements["q/Paint@1"].args["COLOR"] == 6
    assert "2 arguments" in mistakes("elementclass T { $a | -> Null -> }" + ENDS.format("T(1, 2)"))[0]


def test_synonyms_libraries_requirements_and_line_directives(tmp_path: Path) -> None:
    (tmp_path / "lib.click").write_text("elementclass Lib { -> Counter -> }")
    text = "require(library lib.click, package whatever); elementclass Count Lib;\n" + ENDS.format("c :: Count")
    assert "c/Counter@1" in graph(text, tmp_path).elements
    found = mistakes('Idle -> \n# 100 "other.click"\nNonsense;')
    assert any(m.startswith("100:1:") or ":100:1:" in m for m in found), found


def test_configuration_strings() -> None:
    place = Place("x", 3, 5)
    arguments = split(Config(' a /* , */ b, "x, (y" // z,\n , \\<2c 2C>, ', place))
    assert [a.text for a in arguments] == ["a   b", '"x, (y"', "\\<2c 2C>"]
    assert (arguments[2].place.line, arguments[2].place.column) == (4, 4)
    assert [unquote(t) for t in ('a"b\\n"c', "'\\n'", "\\<48 45>x", '"\\x141\\101"')] == [
        "ab\nc",
        "\\n",
        "HEx",
        "AA",
    ]
    values = {"a": "1", "ab": "2", "q": '"x y"'}
    assert substitute("$a ${a}b $ab '$a' \"$q\" $no ${no-3}", values) == "1 1b 2 '$a' \"x y\" $no 3"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FromDevice(in) -> Nul -> Discard;", "1:19: unknown element class Nul"),
        ("FromDevice(in) -> Null(1) -> Discard;", "1:24: Null@2 :: Null: argument '1'"),
        ("FromDevice(in)\n -> Paint(300) -> Discard;", "2:11: Paint@2 :: Paint: COLOR is '300'"),
        ("FromDevice(in) -> Paint -> Discard;", "no argument COLOR"),
        ("a :: Null; a :: Idle;", "1:12: element a for a second time"),
        ("FromDevice(in) -> t :: Tee; t[1] -> Discard;", "t :: Tee: output 0 is not connected"),
        ("FromDevice(in) -> Unqueue -> Discard;", "push output 0 of FromDevice@1 :: FromDevice connected to pull"),
        ("FromDevice(in) -> a :: Null -> Discard; a -> Discard;", "push output 0 of a :: Null connected twice"),
        ("FromDevice(in) -> Queue -> Discard; Idle -> ", "a connection without an element"),
        ("FromDevice(in -> Discard;", "1:11: a configuration string without an end"),
        ("FromDevice(in) -> c :: { input -> Null -> output; input[1] -> Discard } -> Discard;", "1 input"),
        ("a, b :: Idle; a[0,1] -> [0,1]b;", "2 outputs -> 2 inputs"),
        ("define($a 1, $a 2); Idle -> Discard;", "define($a)"),
        ("Idle -> 1/x :: Null -> Discard;", "1/x"),
        ("FromDevice(in) -> IPFilter(allow src foo) -> Discard;", "pattern 0"),
        ("FromDevice(in) -> IPClassifier(tcp prt 5) -> Discard;", "pattern 0"),
        ("FromDevice(in) -> Classifier(12/080) -> Discard;", "1:30: Classifier@2 :: Classifier: pattern 0"),
        ("AddressInfo(x 1.2.3); Idle -> Discard;", "1:13: AddressInfo@1 :: AddressInfo: x is '1.2.3'"),
        ("", "no element"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place(text: str, expected: str) -> None:
    found = mistakes(text)
    assert any(expected in m for m in found), found


def test_all_mistakes_at_once() -> None:
    found = mistakes("FromDevice(in) -> Nul -> Paint(300)\n -> Discard(BOGUS 1);\nx :: Counter; y :: Strip(a);")
    for part in ("Nul", "300", "BOGUS", "2:", "y :: Strip", "x :: Counter: 0 inputs connected"):
        assert any(part in m for m in found), (part, found)
    assert all(len(m.split(" | ")) == 3 for m in found)


def test_push_and_pull_travel_through_agnostic_elements() -> None:
    made = graph("FromDevice(in) -> a :: Null -> Queue -> b :: Null -> c :: Counter -> ToDevice(next);")
    assert [made.elements[n].output_modes for n in "abc"] == [["h"], ["l"], ["l"]]
    found = mistakes("FromDevice(in) -> n :: Null -> Shaper(5) -> Discard;")
    assert any("put a Queue" in m for m in found), found

"""The runner of package test cases, over a stand-in for `coven.run.run_captures` (the real one has its own
tests): it reads the captures, drops what goes to the blocked ports, and counts like a VNF."""

from __future__ import annotations

import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from coven.cases import runner as cases
from coven.cases.packets import Packet, generate, read_capture, write_captures
from coven.cases.report import difference, junit
from itf.mistakes import Refused

VNF = """\
name: firewall
version: "1.0.0"
vnfcs:
  filter:
    source: filter.c
    config: {block: [23]}
chain: in -> filter -> out
"""
TWO = VNF.replace("filter:", "other:").replace("-> filter", "-> other")


FRAME = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2")


def tcp(port: int, more: bytes = b"") -> Any:
    return FRAME / TCP(dport=port) / more


class Firewall:
    """Drops TCP to blocked ports, eats UDP, lets the rest out by the other port. `made`: packets it says it made."""

    def __init__(self, hurt: dict[str, Any] | None = None, rewrite: bool = False, made: int = 0):
        self.runs: list[dict[str, Any]] = []
        self.hurt, self.rewrite, self.made = hurt or {}, rewrite, made

    def __call__(
        self, descriptor: Path, ports: dict[str, dict[str, Any]], set: dict[str, Any], seed: int,
        say: Callable[[str], None] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        assert seed == 1 and descriptor.is_absolute()
        self.runs.append({"descriptor": descriptor.name, "set": set})
        (vnfc,) = re.findall(r"^  (\w+):$", descriptor.read_text(), re.M)
        block = set.get(vnfc, {}).get("block", [23])
        names = list(ports)
        read = [p for n in names if "read" in ports[n] for p in read_capture(Path(ports[n]["read"]), n)]
        left: dict[str, list[Packet]] = {name: [] for name in names}
        dropped = consumed = 0
        ends: dict[int, str] = {}
        for number, packet in enumerate(sorted(read, key=lambda p: p.time_ns), 1):
            frame = Ether(packet.data) if packet.link == 1 else IP(packet.data)
            if UDP in frame:
                consumed += 1
                ends[number] = "consume"
            elif frame[TCP].dport in block:
                dropped += 1
                ends[number] = f"drop {vnfc}.blocked"
            else:
                data = packet.data[:-1] + b"!" if self.rewrite else packet.data
                left[other := "out" if packet.port == "in" else "in"].append(packet._replace(data=data))
                ends[number] = f"forward {other}"
        for name, packets in left.items():
            wrote = write_captures(
                [p._replace(port=name) for p in packets], Path(ports[name]["write"]).parent, ""
            )
            if name in wrote:
                wrote[name].rename(ports[name]["write"])
        document = {
            "received": len(read), "originated": self.made, "cloned": 0, "consumed": consumed,
            "forwarded": sum(map(len, left.values())), "in_flight": 0, "unaccounted": 0,
            "dropped": {f"{vnfc}.blocked": dropped} if dropped else {},
            "ports": {name: {"sent": len(each)} for name, each in left.items()},
        }  # fmt: skip
        for number, end in ends.items() if say else ():
            say(f"{number} {end}")
        return {**document, "ends": ends if say else {}, **self.hurt}


class Author:
    """Writes a package."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "filter.c").write_text("int x;\n")
        self.write("vnf.yaml", VNF)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def case(self, name: str, expect: str, packets: list[Any] | None = None, **files: str) -> None:
        folder = self.write(f"tests/{name}/expect.yaml", expect).parent
        for file, text in files.items():
            self.write(f"tests/{name}/{file.replace('_', '.')}", text)
        if packets is not None:
            self.capture(folder / "in.pcap", packets)

    def capture(self, path: Path, packets: list[Any]) -> None:
        for i, packet in enumerate(packets):
            packet.time = 1000 + i
        wrpcap(str(path), packets)

    def results(self, run: Firewall | None = None) -> list[cases.Result]:
        run = run or Firewall()
        found = cases.find_cases(self.folder)
        return [cases.run_case(c, d, run) for c in found for d in cases.descriptors_of(self.folder)]


@pytest.fixture
def author(tmp_path: Path) -> Author:
    return Author(tmp_path)


def refusal(author: Author) -> str:
    with pytest.raises(Refused) as caught:
        cases._plan(cases.find_cases(author.folder), author.folder, ())
    return str(caught.value)


def test_counts_hold(author: Author) -> None:
    packets = [tcp(80), tcp(23), tcp(81), FRAME / UDP(dport=53)]
    author.case("one", "forwarded: 2\ndropped: {filter.blocked: 1}\nconsumed: 1\nreceived: 4\n", packets)
    author.case("two", "forwarded: {out: 2, in: 0}\n", packets)
    assert [r.failures for r in author.results()] == [[], []]


def test_counts_that_differ(author: Author) -> None:
    author.case("one", "forwarded: 1\ndropped: {filter.other: 1}\nconsumed: 2\n", [tcp(80), tcp(23), tcp(81)])
    (result,) = author.results()
    assert result.failures == [
        "forwarded: expected 1, got 2",
        "consumed: expected 2, got 0",
        "dropped filter.blocked: expected 0, got 1",
        "dropped filter.other: expected 1, got 0",
    ]


@pytest.mark.parametrize("what", ["unaccounted", "in_flight"])
def test_what_is_unaccounted_for_always_fails(author: Author, what: str) -> None:
    author.case("one", "forwarded: 1\n", [tcp(80)])
    (result,) = author.results(Firewall({what: 1, "logs": [{"time": 0.0, "vnfc": "filter", "line": "hello"}]}))
    assert "expected 0, got 1" in result.failures[0] and "filter: hello" in result.failures[-1]


def test_set_yaml_reaches_the_run_and_is_checked(author: Author) -> None:
    author.case("one", "forwarded: 1\n", [tcp(23), tcp(80)], set_yaml="filter:\n  block: [80]\n")
    run = Firewall()
    (result,) = author.results(run)
    assert result.ok and run.runs[0]["set"] == {"filter": {"block": [80]}}
    author.write("tests/one/set.yaml", "filter:\n  block: [80]\n  blok: 1\n")
    (result,) = author.results()
    assert result.error and "tests/one/set.yaml:3:3: filter.blok: found an unknown key" in result.failures[0]
    author.write("tests/one/set.yaml", "filter:\n  block: 80\n")
    (result,) = author.results()
    assert result.error and "tests/one/set.yaml:2:" in result.failures[0]


def test_out_pcap_byte_for_byte_and_dissected_both_ways(author: Author) -> None:
    author.case("one", "{}\n", [tcp(80), tcp(81)])
    out = author.folder / "tests" / "one" / "out.pcap"
    author.capture(out, [tcp(80), tcp(81)])
    assert author.results()[0].ok
    author.capture(out, [tcp(80), tcp(82)])
    (text,) = author.results()[0].failures
    assert "out.pcap: what left by out: packet 2 differs from byte 37 on:" in text
    assert re.search(r"dport *= 82 +\| +dport *= 81", text)
    author.capture(out, [tcp(80)])
    assert "packet 2 was not expected" in author.results()[0].failures[0]
    author.capture(out, [tcp(80), tcp(81), tcp(82)])
    assert "packet 3 did not come, expected" in author.results()[0].failures[0]


def test_captures_by_port(author: Author) -> None:
    author.case("one", "forwarded: {in: 1, out: 1}\nverdicts: [forward in, forward out]\n")
    folder = author.folder / "tests" / "one"
    first, second = tcp(80), tcp(81)
    first.time, second.time = 2000, 1000
    wrpcap(str(folder / "in.in.pcap"), first)
    wrpcap(str(folder / "in.out.pcap"), second)
    wrpcap(str(folder / "out.in.pcap"), second)
    wrpcap(str(folder / "out.out.pcap"), first)
    assert author.results()[0].failures == []


# ---- verdicts --------------------------------------------------------------------------------------


def test_verdicts_proven_by_one_run(author: Author) -> None:
    verdicts = "verdicts: [forward, drop filter.blocked, consume, drop filter.blocked]\n"
    author.case("one", verdicts, [tcp(80), tcp(23), FRAME / UDP(), tcp(23, b"x")])
    run = Firewall(rewrite=True)
    assert author.results(run)[0].failures == [] and len(run.runs) == 1


def test_verdicts_that_need_more_runs(author: Author) -> None:
    verdicts = "verdicts: [forward out, drop filter.blocked, consume]\n"
    author.case("one", verdicts, [tcp(80), tcp(23), FRAME / UDP()])
    run = Firewall(made=1)
    assert author.results(run)[0].failures == [] and len(run.runs) == 3


@pytest.mark.parametrize("made", [0, 1])
def test_the_first_packet_with_another_verdict_is_shown(author: Author, made: int) -> None:
    verdicts = "verdicts: [forward, forward, drop filter.blocked]\n"
    author.case("one", verdicts, [tcp(80), tcp(23), tcp(81)])
    (text,) = author.results(Firewall(made=made))[0].failures
    assert text.startswith("packet 2: expected forward, got drop filter.blocked:\n")
    assert re.search(r"dport *= 23", text)


def test_equal_packets_with_different_verdicts_are_told_apart(author: Author) -> None:
    author.case("one", "verdicts: [forward, drop filter.blocked]\n", [tcp(80), tcp(80)])
    assert "packet 2: expected drop filter.blocked, got forward out" in author.results()[0].failures[0]


def test_verdicts_for_another_number_of_packets(author: Author) -> None:
    author.case("one", "forwarded: 1\nverdicts: [forward, forward]\n", [tcp(80)])
    (text,) = author.results()[0].failures
    assert text.endswith("expect.yaml:2: verdicts: found 2, expected one for each of 1 packets")


# ---- in.py -----------------------------------------------------------------------------------------

PACKETS = """\
import random
from scapy.all import Ether, IP, TCP
def packets():
    yield Ether() / IP() / TCP(dport=80)
    yield "out", Ether() / IP() / TCP(dport=random.randrange(1000, 60000))
    yield bytes(Ether() / IP() / TCP(dport=23))
    late = Ether() / IP() / TCP(dport=81)
    late.time = 7.5
    yield "in", late
"""


def test_in_py(author: Author) -> None:
    verdicts = "verdicts: [forward out, forward in, drop filter.blocked, forward out]\n"
    author.case("one", verdicts, in_py=PACKETS)
    assert author.results()[0].failures == []
    (case,) = cases.find_cases(author.folder)
    packets = case.packets()
    assert [p.port for p in packets] == [None, "out", None, "in"]
    assert [p.time_ns for p in packets] == [10**9, 10**9 + 10**6, 10**9 + 2 * 10**6, 7_500_000_000]
    again = author.folder / "tests" / "one" / "in.py"
    assert packets == generate(again).packets, "random numbers are fixed"
    assert packets != generate(again, 2).packets


DRAWN = """\
import random
from scapy.all import Ether, IP, TCP
blocked = random.sample(range(1, 60000), 3)
def settings():
    return {"filter": {"block": blocked}}
def packets():
    for port in (*blocked, 60001):
        yield "in", Ether() / IP() / TCP(dport=port), "drop filter.blocked" if port in blocked else "forward out"
"""


def test_an_in_py_that_says_what_is_expected(author: Author, capsys: pytest.CaptureFixture[str]) -> None:
    author.case("one", "verdicts: in.py\n", in_py=DRAWN)
    run = Firewall()
    assert author.results(run)[0].failures == [] and len(run.runs[0]["set"]["filter"]["block"]) == 3
    author.case("one", "verdicts: in.py\n", in_py=DRAWN.replace("forward out", "consume"))
    assert cases.main_test(author.folder, None, [], Firewall()) == 1
    said = capsys.readouterr().out
    assert "packet 4: expected consume, got forward out:" in said
    assert re.search(r"configuration: filter\.block=\[\d+, \d+, \d+\]", said)
    assert f"again: coven test {author.folder} one --explain" in said
    assert cases.main_test(author.folder, None, ["one"], Firewall(), explain=True) == 1
    said = capsys.readouterr().out
    assert "       4 forward out\n" in said and "again:" not in said


@pytest.mark.parametrize(
    ("expect", "text", "words"),
    [
        ("forwarded: 4", DRAWN, "in.py: found verdicts, expected verdicts: in.py in expect.yaml"),
        ("verdicts: in.py", PACKETS, "in.py: found no verdicts, expected (port, packet, verdict)"),
        ("verdicts: in.py", "packets = [('in', b'x', 'drop')]", "in.py: found drop, expected forward, forward PORT"),
        ("verdicts: in.py", "packets = [('in', b'x', 'forward'), b'y']", "found 1 verdicts for 2 packets"),
        ("verdicts: in.py", "packets = [('in', b'x', 3)]", "packet 1: the verdict 3"),
        ("verdicts: in.py", "packets = [('in', b'x', 'forward')] * 65", "found 65 verdicts, expected at most 64"),
        ("forwarded: 1", "settings = {'filter': 3}\npackets = [b'x']", "found settings: {'filter': 3}, expected a map"),
        ("forwarded: 1", "settings = {'filter': {'x': b''}}\npackets = [b'x']", "expected a map such as"),
    ],
)
def test_in_py_that_says_something_odd(author: Author, expect: str, text: str, words: str) -> None:
    author.case("one", f"{expect}\n", in_py=text)
    assert words in refusal(author)


def test_settings_of_in_py_are_checked(author: Author) -> None:
    author.case("one", "verdicts: in.py\n", in_py=DRAWN.replace('"block"', '"blok"'))
    (result,) = author.results()
    assert result.error and "in.py: filter.blok: found an unknown key" in result.failures[0]
    author.case("one", "verdicts: in.py\n", in_py=DRAWN, set_yaml="filter: {block: [1]}\n")
    assert "found settings beside set.yaml" in refusal(author)
    author.case("two", "verdicts: in.py\n", [tcp(80)])
    with pytest.raises(Refused, match=r"two/expect\.yaml:1: verdicts: found in\.py, expected an in\.py"):
        cases.find_cases(author.folder)


def test_in_py_by_a_relative_path(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    author.case("one", "forwarded: 1\n", in_py="packets = [b'x']\n")
    author.case("two", "forwarded: 1\n", in_py="x\n")
    monkeypatch.chdir(author.folder)
    one, two = cases.find_cases(Path("."))
    assert [p.data for p in one.packets()] == [b"x"]
    with pytest.raises(Refused, match=r"(?m)^tests/two/in\.py:1: found NameError"):
        two.packets()


def test_addresses_that_in_py_leaves_open_are_the_same_everywhere(author: Author) -> None:
    text = "from scapy.all import Ether, IP, IPv6, UDP\npackets = [\n"
    text += "Ether() / IP(dst='198.51.100.1') / UDP(), Ether() / IPv6(dst='2001:db8::1') / UDP()]\n"
    author.case("one", "forwarded: 1\n", in_py=text)
    ip4, ip6 = (p.data for p in cases.find_cases(author.folder)[0].packets())
    assert ip4[:12] == ip6[:12] == b"\xff" * 6 + bytes(6)
    assert Ether(ip4)[IP].src == "0.0.0.0" and Ether(ip6).payload.src == "::"


def test_in_py_of_bare_ip(author: Author) -> None:
    text = "from scapy.all import IP, TCP\npackets = [IP() / TCP(dport=80), ('out', IP() / TCP(dport=80))]\n"
    author.case("one", "forwarded: 2\n", in_py=text)
    assert author.results()[0].failures == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def packets():\n    yield 1\n", "in.py: found packet 1 is a int, expected a Scapy packet"),
        ("def packets():\n    yield b'x'\n    1 / 0\n", "in.py:3: found ZeroDivisionError"),
        ("def packets(:\n", "in.py:1: found SyntaxError"),
        ("import nothing_like_this\n", "in.py:1: found ModuleNotFoundError"),
        ("x = 1\n", "in.py: found no `packets`"),
        ("def packets():\n    yield '../x', b'x'\n", "found packet 1: the port '../x'"),
        ("import os\nos._exit(3)\n", "in.py: found exit status 3"),
        (
            "from scapy.all import *\npackets = [IP(), Ether()]\n",
            "in.py: found packet 2 is of another link type than those before it",
        ),
    ],
)
def test_in_py_that_fails(author: Author, text: str, words: str) -> None:
    author.case("one", "forwarded: 1\n", in_py=text)
    with pytest.raises(Refused) as caught:
        generate(author.folder / "tests" / "one" / "in.py")
    assert words in str(caught.value)
    assert words in refusal(author)


def test_an_endless_in_py(author: Author, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coven.cases.packets.GENERATE_SECONDS", 0.2)
    author.case("one", "forwarded: 1\n", in_py="def packets():\n    while True:\n        pass\n")
    assert "in.py: found nothing after" in refusal(author)


# ---- mistakes --------------------------------------------------------------------------------------


def test_every_mistake_with_its_place(author: Author) -> None:
    author.case("a", "forwrded: 1\ndropped:\n  nodot: 1\n  filter.x: -1\nverdicts: [allow]\n", [tcp(80)])
    author.case("b", "forwarded: yes\nconsumed: 1.5\ndropped: 3\n", [tcp(80)])
    author.case("c", "forwarded: 1\n")
    author.case("d", "forwarded: 1\n", [tcp(80)], in_py="")
    author.case("e", "", [tcp(80)])
    author.case("f", "descriptors: [vnf.yaml]\n", [tcp(80)])
    author.case("g", "forwarded: [\n", [tcp(80)])
    author.case("h", f"verdicts: [{', '.join(['forward'] * 65)}]\n", [tcp(80)])
    author.case("j", "forwarded: 1\n", [tcp(80)], set_yaml="filter: 3\n")
    (author.folder / "tests" / "i").mkdir()
    with pytest.raises(Refused) as caught:
        cases.find_cases(author.folder)
    text = str(caught.value)
    for words in (
        "a/expect.yaml:1:1: forwrded: found an unknown field\n    did you mean forwarded?",
        'a/expect.yaml:3:3: dropped.nodot: found "nodot", expected PLACE.REASON',
        "a/expect.yaml:4:13: dropped.filter.x: found -1",
        'a/expect.yaml:5:12: verdicts[0]: found "allow", expected forward, forward PORT, drop',
        "b/expect.yaml:1:12: forwarded: found a string",
        "b/expect.yaml:2:11: consumed: found a number",
        "b/expect.yaml:3:10: dropped: found an integer: 3, expected a map",
        "c: found neither in.pcap nor in.py",
        "d: found both in.py and captures",
        "e/expect.yaml:1:1: found an empty file",
        "f/expect.yaml: found nothing expected",
        "g/expect.yaml:2:1: found a syntax error",
        "h/expect.yaml:1:11: verdicts: found 65 verdicts, expected at most 64",
        "i/expect.yaml: found no such file",
        "j/set.yaml:1:9: filter: found an integer: 3, expected a map",
    ):
        assert words in text, f"{words}\n---\n{text}"


def test_no_cases_and_no_package(author: Author, tmp_path: Path) -> None:
    assert "found no test case" in refusal(author)
    with pytest.raises(Refused, match="no such folder"):
        cases.find_cases(tmp_path / "missing")


def test_every_suitable_descriptor_runs(author: Author) -> None:
    author.write("two.yaml", TWO)
    author.case("both", "forwarded: 1\n", [tcp(80)])
    author.case("named", "dropped: {filter.blocked: 1}\n", [tcp(23)])
    author.case("narrowed", "descriptors: [two.yaml]\nforwarded: 1\n", [tcp(80)])
    author.case("port", "dropped: {in.truncated: 0, classifier.no_rule: 0}\n", [tcp(80)])
    author.case("set", "forwarded: 1\n", [tcp(80)], set_yaml="other: {block: [1]}\n")
    plan = cases._plan(cases.find_cases(author.folder), author.folder, ())
    assert [(case.name, Path(d.file).name) for case, d in plan] == [
        ("both", "two.yaml"), ("both", "vnf.yaml"), ("named", "vnf.yaml"), ("narrowed", "two.yaml"),
        ("port", "two.yaml"), ("port", "vnf.yaml"), ("set", "two.yaml"),
    ]  # fmt: skip
    one = cases._plan(cases.find_cases(author.folder), author.folder / "two.yaml", ())
    assert [case.name for case, _ in one] == ["both", "narrowed", "port", "set"]


def test_what_no_descriptor_has(author: Author) -> None:
    author.case("a", "dropped: {fitler.blocked: 1}\n", [tcp(80)])
    author.case("b", "descriptors: [vfn.yaml]\nforwarded: 1\n", [tcp(80)])
    author.case("c", "descriptors:\n  - vnf.yaml\ndropped: {other.blocked: 1}\n", [tcp(80)])
    text = refusal(author)
    assert "a/expect.yaml: found the case names fitler" in text and "did you mean filter?" in text
    assert "b/expect.yaml:1: descriptors: found vfn.yaml" in text and "did you mean vnf.yaml?" in text
    assert "c/expect.yaml:2: descriptors: found the case names other" in text


def test_wrong_capture(author: Author) -> None:
    author.case("one", "forwarded: 1\nverdicts: [forward]\n")
    (author.folder / "tests" / "one" / "in.pcap").write_bytes(b"no capture")
    (result,) = author.results()
    assert result.error and "in.pcap" in result.failures[0]


# ---- the whole of it -------------------------------------------------------------------------------


def test_main(author: Author, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    author.case("good", "forwarded: 1\n", [tcp(80)])
    author.case("wrong", "forwarded: 2\n", [tcp(80, b"\x00\x01")])
    report = tmp_path / "report.xml"
    assert cases.main_test(author.folder, report, [], Firewall()) == 1
    text = capsys.readouterr().out
    assert "ok     good (vnf.yaml)" in text and "FAILED wrong (vnf.yaml)" in text
    assert "forwarded: expected 2, got 1" in text and text.endswith("2 runs, 1 failed\n")
    suite = ElementTree.parse(report).getroot()[0]
    assert suite.attrib["tests"] == "2" and suite.attrib["failures"] == "1" and suite.attrib["errors"] == "0"
    assert suite[1].attrib["name"] == "wrong" and suite[1][0].tag == "failure"
    assert cases.main_test(author.folder, None, ["good"], Firewall()) == 0
    assert cases.main_test(author.folder / "vnf.yaml", None, ["good"], Firewall()) == 0
    assert cases.main_test(author.folder, None, ["goood"], Firewall()) == 1
    assert "did you mean good?" in capsys.readouterr().out
    author.write("vnf.yaml", VNF.replace("chain: in", "chain: im"))
    assert cases.main_test(author.folder, None, [], Firewall()) == 1
    assert "vnf.yaml:7" in capsys.readouterr().out


def test_a_zip_is_tested_like_its_folder(author: Author, tmp_path: Path) -> None:
    from coven.package.archive import pack

    author.case("good", "forwarded: 1\n", [tcp(80)])
    file = tmp_path / "x.zip"
    file.write_bytes(pack(author.folder))
    assert cases.main_test(file, None, [], Firewall()) == 0


def test_a_run_that_is_refused_is_an_error(author: Author, tmp_path: Path) -> None:
    def run(*_: Any, **__: Any) -> dict[str, Any]:
        raise Refused([], title="it does not compile\x07")

    author.case("good", "forwarded: 1\n", [tcp(80)])
    (case,) = cases.find_cases(author.folder)
    result = cases.run_case(case, author.folder / "vnf.yaml", run)
    assert result.error and result.failures == ["it does not compile\x07"]
    junit([result], tmp_path / "j.xml")
    assert "it does not compile?" in (tmp_path / "j.xml").read_text()


def test_captures_keep_lengths_times_and_link_types(tmp_path: Path) -> None:
    packets = [Packet("a", 1_000_000_001, 101, b"\x45abc", 4), Packet("a", 2_000_000_002, 101, b"x", 900)]
    files = write_captures(packets, tmp_path, "a")
    assert read_capture(files["a"], "a") == packets
    null = [Packet("b", 5, 0, b"\2\0\0\0\x45", 5)]
    assert read_capture(write_captures(null, tmp_path, "a")["b"], "b") == null
    data = files["a"].read_bytes()
    assert struct.unpack_from("=I", data)[0] == 0xA1B23C4D


def test_differences_of_odd_packets() -> None:
    odd = Packet(None, 0, 101, b"", 0)
    assert difference([odd], [odd], "x") is None
    assert "packet 1 differs from byte 0" in (difference([odd], [odd._replace(data=b"\xff")], "x") or "")
    assert "packet 1 differs" in (difference([odd], [odd._replace(link=1)], "x") or "")

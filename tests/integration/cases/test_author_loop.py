"""An author's loop: `coven new`, `check`, `test`, `run --explain`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

from coven.package.scaffold import languages
from pps.frameworks import FRAMEWORKS
from tests.rigs.packages import capture, package

ROOT = Path(__file__).resolve().parents[3]
WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def coven(folder: Path, *words: str, expect: int = 0) -> str:
    environment = {**os.environ, "COVEN_STATE": str(folder / ".state"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "coven", *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert done.returncode == expect, said
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize("language", sorted(languages()))
def test_a_new_package_runs_at_once(tmp_path: Path, language: str) -> None:
    said = coven(tmp_path, "new", "my-firewall", "--language", language)
    assert "my-firewall/vnf.yaml" in said and "coven test my-firewall" in said
    assert "valid, compiled and loaded; 1 test case" in coven(tmp_path, "check", "my-firewall")
    assert "1 run, all as expected" in coven(tmp_path, "test", "my-firewall")
    source = (tmp_path / "my-firewall" / languages()[language].name).read_text()
    comments = ("/*", " *", "//", '"""')
    code = [line for line in source.splitlines() if line.strip() and not line.startswith(comments)]
    most = 32 if language == "exec" else 12
    assert len(code) <= most, "ten lines, or a little more where the language wants a class; exec has no SDK"
    descriptor = (tmp_path / "my-firewall" / "vnf.yaml").read_text()
    assert "match: arp, then: bypass" in descriptor and "ARP: a filter that" in descriptor, "and it says why"


def test_every_language_can_be_begun_with(tmp_path: Path) -> None:
    assert {*FRAMEWORKS, "c++"} == set(languages())
    assert "cpp-one/filter.cc" in coven(tmp_path, "new", "cpp-one", "--language", "cpp")
    said = " ".join(coven(tmp_path, "new", "--help").split())
    assert all(language in said.partition("--language")[2] for language in languages())


def test_new_makes_nothing_that_it_should_not(tmp_path: Path) -> None:
    said = coven(tmp_path, "new", "My Firewall", "--language", "pyton", expect=1)
    assert "for example my-firewall" in said and "did you mean python?" in said
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.txt").write_text("mine")
    assert "it is there already" in coven(tmp_path, "new", "there", expect=1)
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["mine.txt"]
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_check_says_everything_at_once(tmp_path: Path) -> None:
    folder = package(
        tmp_path / "p",
        "vnfcs:\n  a: {source: a.c}\n  b: {source: b.py}\n"
        "chain: in -> a -> b -> out\nclassifier: [{match: arpp, then: main}]\n",
        a_c="#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWRD; }\n",
        b_py="from vnfc import forwad\ndef handle(packet):\n    return forwad()\n",
    )
    (folder / "tests" / "one").mkdir(parents=True)
    (folder / "tests" / "one" / "expect.yaml").write_text("forwarded: many\n")
    said = coven(tmp_path, "check", "p", expect=1)
    assert "vnf.yaml:7:" in said and "arpp" in said, said  # a descriptor that is wrong is built no further
    (folder / "vnf.yaml").write_text((folder / "vnf.yaml").read_text().replace("arpp", "arp"))
    said = coven(tmp_path, "check", "p", expect=1)
    for part in ("a.c:2:", "VNFC_FORWARD", "b.py:1:", "did you mean 'forward'?", "expect.yaml:1:", "many"):
        assert part in said, said
    found = json.loads(coven(tmp_path, "check", "p", "--json", expect=1))
    assert not found["ok"] and {"a.c", "b.py"} <= {error["file"] for error in found["errors"]}


def test_check_hands_no_packet_and_notes_arp(tmp_path: Path) -> None:
    folder = package(
        tmp_path / "p", "vnfcs: {one: {source: one.py}}\nchain: in -> one -> out\n",
        one_py="from vnfc import every\n@every(1e-6)\ndef handle(packet=None):\n    raise SystemExit('run')\n",
    )  # fmt: skip
    assert "note: vnf.yaml: ARP enters the chain" in coven(tmp_path, "check", "p")
    with (folder / "vnf.yaml").open("a") as file:
        file.write("classifier: [{match: arp, port: in, then: bypass}, {match: arp, then: drop}, {then: main}]\n")
    assert "ARP" not in coven(tmp_path, "check", "p")


def test_check_of_a_zip_and_of_what_is_not_there(tmp_path: Path) -> None:
    coven(tmp_path, "new", "fw")
    coven(tmp_path, "pack", "fw", "-o", "fw.zip")
    assert "valid, compiled and loaded" in coven(tmp_path, "check", "fw.zip")
    assert "nowhere" in coven(tmp_path, "check", "nowhere", expect=1)


def test_the_first_packet_that_differs_is_dissected_both_ways(tmp_path: Path) -> None:
    coven(tmp_path, "new", "fw")
    case = tmp_path / "fw" / "tests" / "telnet"
    web = WIRE / IP(src="192.0.2.1", dst="198.51.100.2") / TCP(sport=40001, dport=8080, flags="S")
    capture(case / "out.pcap", [web])
    said = coven(tmp_path, "test", "fw", "--junit", "report.xml", expect=1)
    assert "out.pcap: what left by out: packet 1 differs from byte" in said
    line = next(line for line in said.splitlines() if "dport" in line)
    assert [side.split() for side in line.split("|")] == [["dport", "=", "8080"], ["dport", "=", "80"]], line
    suite = ElementTree.parse(tmp_path / "report.xml").getroot()[0]
    assert suite.get("failures") == "1" and "differs from byte" in str(suite[0][0].get("message"))
    (case / "out.pcap").unlink()
    (case / "expect.yaml").write_text("verdicts: [forward out, forward out, forward out]\n")
    said = coven(tmp_path, "test", "fw", expect=1)
    assert "packet 1: expected forward out, got drop filter.telnet:" in said and "dport" in said


DROPS_ALL_BUT_WEB = (
    "from vnfc import drop, forward, reason\n"
    'not_web = reason("not_web", "only the web is open")\n'
    "def handle(packet):\n"
    "    return forward() if packet.tcp and packet.tcp.dport == 80 else drop(not_web)\n"
)


def test_explained_packet_by_packet(tmp_path: Path) -> None:
    folder = package(tmp_path / "p", "vnfcs: {filter: {source: filter.py}}\nchain: in -> filter -> out\n",
                     filter_py=DROPS_ALL_BUT_WEB)  # fmt: skip
    packets = [
        WIRE / IP(src="192.0.2.1", dst="198.51.100.2") / TCP(sport=40000, dport=80, flags="S"),
        WIRE / ARP(psrc="192.0.2.1", pdst="198.51.100.2"),
    ]
    source = capture(tmp_path / "in.pcap", packets)
    words = ("run", str(folder), "--in", str(source), "--out", "out.pcap")
    lines = coven(tmp_path, *words).splitlines()
    said = "1 TCP S 192.0.2.1:40000 > 198.51.100.2:80, 54 B in: filter forward -> out"
    assert " ".join(lines[0].split()) == said
    assert lines[1].endswith("in: drop filter.not_web (only the web is open)")
    assert "ARP who has 198.51.100.2, tell 192.0.2.1" in lines[1]
    assert lines[2].startswith("hint: filter dropped 1 ARP packet: without ARP hosts do not find each other")
    assert "match: arp, then: bypass" in lines[2]
    assert "ARP who has" not in coven(tmp_path, *words, "--no-explain")
    many = capture(tmp_path / "many.pcap", packets * 30)
    words = ("run", str(folder), "--in", str(many), "--out", "out.pcap")
    assert "ARP who has" not in coven(tmp_path, *words), "too many to be told unless asked for"
    said = coven(tmp_path, *words, "--explain")
    assert said.count("ARP who has") == said.count("TCP S") == 30
    assert "filter dropped 30 ARP packets" in said

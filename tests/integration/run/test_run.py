"""`coven run` over captures: real hosts, a real forwarder, and every packet accounted for."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scapy.utils import rdpcap

from coven.keeper.hosts import build
from coven.run.foreground import many_runs, run_captures
from itf.mistakes import Refused
from tests.rigs.keeper import wait_for
from tests.rigs.packages import FORWARD_C, capture, datagram, package, two_languages

ROOT = Path(__file__).resolve().parents[3]
PACKETS = 400


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def run(*arguments: object, **more: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coven.run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False, **more)


def sample(folder: Path) -> Path:
    return capture(folder / "in.pcap", [datagram(i + 1, i % 100) for i in range(PACKETS)])


def test_a_capture_through_python_and_c(tmp_path: Path, places: Path) -> None:
    pkg, source, out, figures = (
        two_languages(tmp_path / "p"),
        sample(tmp_path),
        tmp_path / "o.pcap",
        tmp_path / "f",
    )
    done = run(pkg, "--in", source, "--out", out, "--json", figures)
    assert done.returncode == 0, done.stderr
    status = json.loads(figures.read_text())
    left = rdpcap(str(out))
    expected = [i for i in range(PACKETS) if (i + 1) % 2 == 0 and 42 + i % 100 >= 60]
    assert [packet.sport for packet in left] == [i + 1 for i in expected]
    assert left[0].time == pytest.approx(1000 + expected[0] * 0.001)
    assert status["received"] == PACKETS and status["forwarded"] == len(expected)
    assert status["dropped"] == {"analyzer.odd": PACKETS // 2, "filter.small": PACKETS // 2 - len(expected)}
    assert status["in_flight"] == status["unaccounted"] == 0 and not status["estimated"]
    assert status["vnfcs"]["analyzer"]["metrics"] == {"seen": PACKETS}
    assert "too small a packet" in done.stdout and "the whole VNF" in done.stdout
    assert not list(places.glob("run/run-*")), "nothing is left of the run"


def test_settings_reach_the_vnfc(tmp_path: Path) -> None:
    pkg, source, figures = two_languages(tmp_path / "p"), sample(tmp_path), tmp_path / "f"
    done = run(pkg, "--in", source, "--json", figures, "--set", "analyzer.modulus=4")
    assert done.returncode == 0, done.stderr
    assert json.loads(figures.read_text())["dropped"]["analyzer.odd"] == PACKETS * 3 // 4


def test_both_directions(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=FORWARD_C)
    there, back = sample(tmp_path), capture(tmp_path / "b.pcap", [datagram(9000 + i, 50) for i in range(30)])
    out, returned = tmp_path / "o.pcap", tmp_path / "r.pcap"
    done = run(pkg, "--in", there, "--port", f"out={back},{out}", "--back", returned)
    assert done.returncode == 0, done.stderr
    assert len(rdpcap(str(out))) == PACKETS
    assert [packet.sport for packet in rdpcap(str(returned))] == [9000 + i for i in range(30)]


def test_a_run_is_the_same_each_time(tmp_path: Path) -> None:
    noisy = (
        "from vnfc import drop, forward, random, reason\n"
        'unlucky = reason("unlucky", "chance")\n'
        "def handle(packet):\n    return drop(unlucky) if random.random() < 0.3 else forward()\n"
    )
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.py}}\nchain: in -> one -> out\n", one_py=noisy)
    source = sample(tmp_path)
    seen = []
    for number in range(2):
        out = tmp_path / f"{number}.pcap"
        ports = {"in": {"read": str(source)}, "out": {"write": str(out)}}
        status = run_captures(pkg / "vnf.yaml", ports, {}, seed=7)
        assert status["unaccounted"] == 0
        seen.append((status["dropped"], out.read_bytes()))
    assert seen[0] == seen[1] and 0 < seen[0][0]["one.unlucky"] < PACKETS


def test_all_mistakes_at_once(tmp_path: Path, places: Path) -> None:
    pkg = package(
        tmp_path / "p",
        'vnfcs:\n  a: {source: a.c, config: {limit: 3}}\n  b: {source: b.py}\nchain: in -> a -> b -> out\n',
        a_c="#include <coven/vnfc.h>\nVNFC_HANDLE { return nothing; }\n",
        b_py="def handle(packet)\n    return 1\n",
    )  # fmt: skip
    ports = {"in": {"read": str(tmp_path / "missing.pcap")}, "out": {}}
    with pytest.raises(Refused) as refused:
        run_captures(pkg / "vnf.yaml", ports, {"a": {"limit": "many"}}, seed=1)
    said = str(refused.value)
    for part in ("a.c:2:", "b.py:1:", "config.a.limit"):
        assert part in said, said
    assert not list(places.glob("run/run-*"))


HANDLE = "def handle(packet): pass\n"


@pytest.mark.parametrize(
    ("source", "text", "said"),
    [
        ("bad_py", f"raise RuntimeError('not today')\n{HANDLE}", "bad.py:1: "),
        ("bad_c", f"{FORWARD_C}#include <stdlib.h>\nVNFC_INIT {{ abort(); }}\n",
         "SIGABRT"),
        ("bad_py", f"import os\nos._exit(3)\n{HANDLE}", "exit status 3"),
    ],
)  # fmt: skip
def test_a_vnfc_that_cannot_begin_fails_the_deployment(
    tmp_path: Path, source: str, text: str, said: str
) -> None:
    file = ".".join(source.rsplit("_", 1))
    pkg = package(
        tmp_path / "p", f"vnfcs: {{bad: {{source: {file}}}}}\nchain: in -> bad -> out\n", **{source: text}
    )
    done = run(pkg, "--in", sample(tmp_path))
    assert done.returncode == 1
    assert (
        said in done.stderr
        and "Traceback (most recent call last)" not in done.stderr.split("not instantiated")[-1]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--in", "x.pcap", "--backend", "af_xdp"),
        ("--port", "sideways=x.pcap"),
        ("--port", "in"),
        ("--in", "x.pcap", "--set", "analyzer"),
        ("--in", "x.pcap", "--debug", "nobody"),
        ("--in", "x.pcap", "--port", "in=y.pcap"),
        ("--in", "x.pcap", "--json", "/dev/null/no/file"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(two_languages(tmp_path / "p"), *arguments)
    # without any port it is not the arguments that are wrong, but what they lack
    assert done.returncode == (2 if arguments else 1), done.stderr
    assert "Traceback" not in done.stderr


def test_it_ends_by_itself_and_by_signal(tmp_path: Path, places: Path) -> None:
    """A VNFC that holds everything and releases it later, in the capture's time."""
    holding = (
        "from vnfc import after, forward, hold, release\n"
        "def handle(packet):\n    after(30.0, lambda: release(packet, forward()))\n    return hold(packet)\n"
    )
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.py}}\nchain: in -> one -> out\n", one_py=holding)
    status = run_captures(
        pkg / "vnf.yaml",
        {"in": {"read": str(sample(tmp_path))}, "out": {"write": str(tmp_path / "o.pcap")}},
        {},
        1,
    )
    assert (status["forwarded"], status["in_flight"], status["unaccounted"]) == (PACKETS, 0, 0)
    left = rdpcap(str(tmp_path / "o.pcap"))
    assert left[0].time == pytest.approx(1030), "30 s later by the capture's clock"

    stuck = package(tmp_path / "s", "vnfcs: {one: {source: one.py}}\nchain: in -> one -> out\n",
                    one_py="import time\nfrom vnfc import forward\ndef handle(packet):\n    time.sleep(0.5)\n"
                    "    return forward()\n")  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "coven.run", str(stuck), "--in", str(tmp_path / "in.pcap"), "--json", "-"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ},
    )  # fmt: skip
    assert process.stdout is not None
    folder = places / "run"
    wait_for(lambda: '"started"' in "".join(j.read_text() for j in folder.glob("run-*/journal")))
    process.send_signal(signal.SIGINT)
    told, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    figures = json.loads(told)
    assert figures["unaccounted"] == figures["in_flight"] == 0
    assert not list(folder.glob("run-*"))


def test_many_runs_of_a_package_build_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    build_in = build._build_in

    def counted(folder: Path, vnfc: Any, *more: Any) -> build.Ready:
        built.append(vnfc.name)
        return build_in(folder, vnfc, *more)

    monkeypatch.setattr(build, "_build_in", counted)
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=FORWARD_C)
    ports = {"in": {"read": str(sample(tmp_path))}, "out": {"write": str(tmp_path / "o.pcap")}}
    with many_runs() as run:
        for _ in range(2):
            status = run(pkg / "vnf.yaml", ports, {}, 1)
            assert (status["forwarded"], status["unaccounted"]) == (PACKETS, 0)
    assert built == ["one"]


def test_pipes(tmp_path: Path, places: Path) -> None:
    """A capture out of a pipe, or standard input, into standard output: the report then goes to standard error."""
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=FORWARD_C)
    source, fifo = sample(tmp_path), tmp_path / "fifo"
    os.mkfifo(fifo)
    for where in "-", str(fifo):
        into = f" > {fifo}" if where != "-" else ""
        feeder = subprocess.Popen(["sh", "-c", f"cat {source}{into}"], stdout=subprocess.PIPE)
        command = [sys.executable, "-m", "coven.run", str(pkg), "--in", where, "--out", "-"]
        done = subprocess.run(command, stdin=feeder.stdout, capture_output=True, cwd=ROOT, timeout=300, check=False)
        assert feeder.wait(60) == 0 and done.returncode == 0, done.stderr
        (tmp_path / "out.pcap").write_bytes(done.stdout)
        assert len(rdpcap(str(tmp_path / "out.pcap"))) == PACKETS
        assert b"the whole VNF" in done.stderr
    assert not list(places.glob("run/run-*"))


def test_a_capture_into_an_interface_is_a_mistake(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=FORWARD_C)
    done = run(pkg, "--in", sample(tmp_path), "--out", "lo")
    assert done.returncode == 2 and "the interface lo, and captures to read" in done.stderr and "./lo" in done.stderr
    done = run(pkg, "--in", sample(tmp_path), "--out", "-", "--json", "-")
    assert done.returncode == 2 and "- beside a capture to -" in done.stderr

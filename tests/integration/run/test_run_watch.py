"""`coven run --watch` on real traffic: what is saved is swapped in without losing a packet; what is broken is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.lab.network import ADDRESS, IN, OUT, Lab
from coven.package.scaffold import new
from tests.rigs.keeper import ROOT
from tests.rigs.packages import capture, datagram

PINGS = 150


class Watched:
    """`coven run --watch` as a child, and what it says."""

    def __init__(self, process: subprocess.Popen[str]):
        self.process = process
        self.said: list[str] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._changed:
                self.said.append(line)
                self._changed.notify_all()
        with self._changed:
            self.said.append("")
            self._changed.notify_all()

    def until(self, word: str) -> str:
        """Everything said, up to the first line with that word, which is then forgotten; the rest is not."""
        with self._changed:
            found = lambda: any(word in line for line in self.said) or self.said[-1:] == [""]  # noqa: E731
            assert self._changed.wait_for(found, 120), f"no {word!r} in {self.said}"
            end = next((at for at, line in enumerate(self.said, 1) if word in line), len(self.said))
            said, self.said = "".join(self.said[:end]), self.said[end:]
            assert word in said, said
            return said

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(60)
        self._reader.join(60)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        return status


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def command(package: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "coven.run", str(package), "--watch", *more]


def edit(file: Path, old: str, new: str) -> None:
    """As editors do: another file, put in its place."""
    text = file.read_text()
    assert old in text
    beside = file.with_name(f".{file.name}.new")
    beside.write_text(text.replace(old, new))
    os.replace(beside, file)


@pytest.mark.root
def test_swapped_under_traffic(tmp_path: Path, lab: Lab) -> None:
    for language, file, keyword in (("python", "filter.py", "return forward()"), ("c", "filter.c", "VNFC_FORWARD;")):
        package, figures = tmp_path / f"fw-{language}", tmp_path / f"{language}.json"
        new(package, language)
        run = Watched(
            lab.appliance.spawn(
                *command(package, "--in", IN, "--out", OUT, "--json", str(figures)),
                cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
        try:
            run.until("forwarding; Ctrl-C ends")
            words = (sys.executable, "-m", "tests.rigs.port_traffic", "echoes", ADDRESS["server"], str(PINGS), "10")
            ping = lab.client.spawn(*words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            edit(package / file, "23", "80")
            run.until("filter swapped")
            edit(package / file, keyword, keyword[:-1])
            said = run.until(f"{file}:")
            assert "the version before keeps running" in said, said
            edit(package / file, keyword[:-1], keyword)
            run.until("filter swapped")
            told = ping.communicate(timeout=100)[0]
            assert told == f"{PINGS}\n"
        finally:
            status = run.end()
        assert status == 0
        document = json.loads(figures.read_text())
        assert document["unaccounted"] == document["in_flight"] == 0
        # what the kernel itself could not hand over while the port was being opened is not the swap's
        vnfc = document["vnfcs"]["filter"]
        assert vnfc["dropped"] == {} and vnfc["received"] >= 2 * PINGS and vnfc["restarts"] == 0


@pytest.mark.root
def test_a_crashing_version_is_replaced(tmp_path: Path, lab: Lab) -> None:
    package, figures = tmp_path / "fw", tmp_path / "figures.json"
    new(package, "c")
    crash = "\t__builtin_trap();\n\tstruct tcp_header"
    edit(package / "filter.c", "\tstruct tcp_header", crash)
    run = Watched(
        lab.appliance.spawn(
            *command(package, "--in", IN, "--out", OUT, "--json", str(figures)),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    try:
        run.until("forwarding; Ctrl-C ends")
        ping = ("ping", "-n", "-c", "1", ADDRESS["server"], "-W")
        lab.client.run(*ping, "1", check=False)
        run.until("starts again in")
        edit(package / "filter.c", crash, "\tstruct tcp_header")
        run.until("filter swapped")
        assert "1 received" in lab.client.run(*ping, "30", check=False).stdout
    finally:
        status = run.end()
    document = json.loads(figures.read_text())
    assert status == 0 and document["unaccounted"] == document["in_flight"] == 0
    assert document["dropped"]["filter.died"] > 0


@pytest.mark.root
def test_another_descriptor_starts_anew(tmp_path: Path, lab: Lab) -> None:
    package = tmp_path / "fw"
    new(package, "c")
    run = Watched(
        lab.appliance.spawn(
            *command(package, "--in", IN, "--out", OUT),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    try:
        run.until("forwarding; Ctrl-C ends")
        edit(package / "vnf.yaml", "then: bypass", "then: bypas")
        said = run.until("bypass | bypass:PORT")
        assert "vnf.yaml:" in said and "keeps running" in said, said
        edit(package / "vnf.yaml", "then: bypas", "then: drop")
        run.until("starts anew")
        run.until("forwarding; Ctrl-C ends")
        assert "0 received" in lab.client.run(
            "ping", "-n", "-c", "1", "-W", "1", ADDRESS["server"], check=False
        ).stdout, "ARP is dropped now"  # fmt: skip
    finally:
        assert run.end() == 0


def test_captures_run_again(tmp_path: Path) -> None:
    package, source = tmp_path / "fw", capture(tmp_path / "in.pcap", [datagram(n, 20) for n in range(1, 6)])
    new(package, "python")
    run = Watched(
        subprocess.Popen(
            command(package, "--in", str(source), "--out", str(tmp_path / "out.pcap"), "--json", "-"),
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
    )  # fmt: skip
    try:
        run.until("waiting for a change")
        edit(package / "filter.py", "return forward()", "return packet.tpc and forward()")
        said = run.until("waiting for a change")
        assert "AttributeError" in said and "'tpc'" in said and "did you mean 'tcp'?" in said, said
        edit(package / "filter.py", "packet.tpc and forward()", "drop(telnet)")
        run.until("waiting for a change")
    finally:
        run.process.send_signal(signal.SIGINT)
        told = run.process.stdout.read() if run.process.stdout else ""
        assert run.end() == 0
    documents = [json.loads("{" + part) for part in ("\n" + told).split("\n{")[1:]]
    ends = [(d["forwarded"], sum(d["dropped"].values()), d["unaccounted"]) for d in documents]
    assert ends == [(5, 0, 0), (0, 5, 0), (0, 5, 0)]

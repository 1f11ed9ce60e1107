"""The bridge to executables, engine coven-socket: components written as those of the COVEN prototype are."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q

from itf.segment import C
from tests.rigs.executables import command, free_ports, prototype
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import ETHER, tcp

FORWARD = "def handle(packet): return packet"
PADDED = bytes(ETHER / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / b"hi").ljust(60, b"\0")
MIXED = [
    tcp(),
    PADDED,
    bytes(ETHER / Dot1Q(vlan=7) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / b"tagged"),
    bytes(ETHER / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2) / b"six"),
    bytes(ETHER / ARP(psrc="10.0.0.1", pdst="10.0.0.2")).ljust(60, b"\0"),
    bytes(ETHER)[:12] + b"\x88\xcc" + bytes(range(1, 50)),
    tcp(payload=bytes(1400)),
]
#: what the prototype's C example does, with ports to fill in
IN_C = """
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>
static struct sockaddr_in at(int port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port) };
    return a;
}
int main(void)
{
    static char packet[1600];
    int server = socket(AF_INET, SOCK_STREAM, 0), out = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in own = at(%d), next = at(%d);
    if (bind(server, (struct sockaddr *)&own, sizeof(own)) || listen(server, 3))
        return 1;
    int in = accept(server, 0, 0);
    if (connect(out, (struct sockaddr *)&next, sizeof(next)))
        return 2;
    for (;;) {
        int n = read(in, packet, 1516);
        if (n <= 0)
            return 0;
        send(out, packet, n, 0);
    }
}
"""


def test_all_kinds_of_packets_come_back_as_they_were(tmp_path: Path) -> None:
    with prototype(tmp_path, FORWARD) as f:
        for _ in range(20):
            frames = f.send(*MIXED, mark=5, context=b"\7")
            back = f.collect(len(MIXED))
            assert [b.frame for b in back] == frames
            assert [b.data for b in back] == MIXED
            assert {(b.verdict, b.mark, b.context[0]) for b in back} == {(C.VERDICT_FORWARD, 5, 7)}
        f.settle()
        assert f.head.held == 0
        assert f.end() == 0


def test_each_recv_gives_one_packet_however_slow_it_is(tmp_path: Path) -> None:
    text = """
def handle(packet):
    time.sleep(0.005)
    return packet if len(packet) == 59 else None
"""
    assert len(tcp()) == 59
    with prototype(tmp_path, text, hold_max=64) as f:
        f.send(*[tcp()] * 40)
        assert {b.verdict for b in f.collect(40)} == {C.VERDICT_FORWARD}


def test_what_is_not_sent_on_is_dropped_by_name(tmp_path: Path) -> None:
    text = "def handle(packet): return None if packet[-1:] == b'x' else packet"
    with prototype(tmp_path, text, {"patience_ms": 200}) as f:
        f.send(tcp(), tcp(payload=b"drop x"), tcp(), tcp(payload=b"x"))
        back = f.collect(4)
        assert [b.verdict for b in back] == [C.VERDICT_FORWARD, C.VERDICT_DROP] * 2
        assert {f.reasons()[b.arg] for b in back if b.verdict == C.VERDICT_DROP} == {"not_sent_on"}
        assert f.process.poll() is None


def test_a_changed_packet_keeps_its_frame(tmp_path: Path) -> None:
    text = "def handle(packet): return packet[:26] + b'\\x0a\\x09\\x09\\x09' + packet[30:]"
    with prototype(tmp_path, text) as f:
        f.send(tcp(), mark=3)
        [back] = f.collect(1)
        assert back.data[26:30] == b"\x0a\x09\x09\x09" and back.mark == 3
        assert not back.flags & C.FRAME_ORIGINATED


def test_what_it_makes_is_originated(tmp_path: Path) -> None:
    text = """
def handle(packet): return packet + packet[:18] + b"\\x99\\x99" + packet[20:]
"""
    with prototype(tmp_path, text) as f:
        f.send(tcp(), port=1)
        old, new = f.collect(2)
        assert not old.flags & C.FRAME_ORIGINATED and new.flags & C.FRAME_ORIGINATED
        assert new.data[18:20] == b"\x99\x99" and new.port == 1


def test_capture_time(tmp_path: Path) -> None:
    text = "def handle(packet): return None if packet[-1:] == b'x' else packet"
    with prototype(tmp_path, text, {"patience_ms": 100}, clock_mode=C.CLOCK_CAPTURE) as f:
        for n, data in enumerate((tcp(), tcp(payload=b"x"), tcp())):
            f.send(data, time_ns=10**9 + n)
            assert f.collect(1)[0].verdict == (C.VERDICT_DROP if n == 1 else C.VERDICT_FORWARD)


def test_one_that_hangs(tmp_path: Path) -> None:
    with prototype(tmp_path, "def handle(packet): time.sleep(60)", {"patience_ms": 300}) as f:
        f.send(*[tcp()] * 3)
        names = [f.reasons()[b.arg] for b in f.collect(3)]
        assert names == ["not_sent_on", "unread", "unread"]
        assert f.process.wait(60) == 3
        assert "read nothing for 0.8 s" in f.close()


def test_one_that_ends(tmp_path: Path) -> None:
    with prototype(tmp_path, "def handle(packet): os._exit(7)") as f:
        f.send(tcp())
        assert f.process.wait(60) == 3
        assert "the component has ended: exit status 7" in f.close()


def test_nonsense_is_no_packet(tmp_path: Path) -> None:
    with prototype(tmp_path, "def handle(packet): return b'hello'", {"patience_ms": 100}) as f:
        f.send(tcp())
        [back] = f.collect(1)
        assert f.reasons()[back.arg] == "not_sent_on"


def test_its_own_agent_answers_requests(tmp_path: Path) -> None:
    agent, _ = free_ports()
    text = f"""
def answer():
    at = socket.socket(); at.bind(("localhost", {agent})); at.listen(1)
    while True:
        one, _ = at.accept()
        one.send(b"42" if one.recv(1500) == b"PP" else b"INVALID REQUEST!!")
        one.close()
threading.Thread(target=answer, daemon=True).start()
{FORWARD}
"""
    config = {"agent": agent, "requests": {"packets": "PP", "other": "??"}}
    with prototype(tmp_path, text, config) as f:
        assert f.ask("request", name="packets", args=[])["value"] == "42"
        assert f.ask("request", name="other", args=[])["value"] == "INVALID REQUEST!!"
        refused = f.ask("configure", config=config)
        assert not refused["ok"] and "no way to be told" in refused["errors"][0]["expected"]


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs a C compiler")
def test_a_component_in_c(tmp_path: Path) -> None:
    ports = free_ports()
    source, program = tmp_path / "forward.c", tmp_path / "forward"
    source.write_text(IN_C % ports)
    subprocess.run(["gcc", "-o", str(program), str(source)], check=True)
    with FakeForwarder(command(program, "coven-socket")) as f:
        assert f.init({"input": ports[0], "output": ports[1]})["op"] == "ready", f.close()
        f.send(*MIXED)
        assert [b.data for b in f.collect(len(MIXED))] == MIXED


def test_mistakes_in_the_configuration_come_together(tmp_path: Path) -> None:
    with FakeForwarder(command(Path("/bin/true"), "coven-socket")) as f:
        errors = f.init({"input": 0, "output": "x", "patience_ms": 99999})["errors"]
        assert [e["field"] for e in errors] == ["config.input", "config.output", "config.patience_ms"]
    ports = free_ports()
    with FakeForwarder(command(Path("/bin/true"), "coven-socket")) as f:
        [error] = f.init({"input": ports[0], "output": ports[1]})["errors"]
        assert "exit status 0" in error["found"] and "listens" in error["expected"]

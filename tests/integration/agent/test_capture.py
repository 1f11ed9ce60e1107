"""`coven capture` and its API: what is captured is what was counted, a file is whole, comments say why, and no reader
harms anybody."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agents.pcapng import Blocks
from coven.cli.client import find
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root

FILTER = """from vnfc import consume, drop, forward, reason
nine = reason("nine", "port 9 is not allowed")
def handle(packet):
    if packet.udp and packet.udp.dport == 9:
        return drop(nine, note=lambda: f"rule 7 for\\x1b[2J\\n{packet.udp.sport}")
    return consume() if packet.udp and packet.udp.dport == 10 else forward()
"""
SEND = """
import socket, sys, time
from scapy.all import Ether, IP, UDP
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("in1", 0))
start = Ether(dst="02:00:00:00:00:01") / IP(src="192.0.2.1", dst="192.0.2.2")
packets = [bytes(start / UDP(sport=7, dport=int(port)) / (b"x" * int(sys.argv[2]))) for port in sys.argv[3:]]
for n in range(int(sys.argv[1])):
    time.sleep(0.001 * (n % 64 == 0))  # the receiving end's ring is short
    for packet in packets:
        out.send(packet)
"""


@pytest.fixture
def fw(appliance: Appliance, tmp_path: Path) -> Appliance:
    (folder := tmp_path / "fw").mkdir()
    (folder / "vnf.yaml").write_text('name: fw\nversion: "1"\nvnfcs: {a: {source: filter.py}}\nchain: in -> a -> out\n')
    (folder / "filter.py").write_text(FILTER)
    status, said = appliance.coven("deploy", str(folder), "--in", "in0", "--out", "out0")
    assert status == 0, said
    return appliance


def send(appliance: Appliance, times: int, *ports: int, size: int = 20) -> None:
    subprocess.run(appliance.inside("-c", SEND, str(times), str(size), *map(str, ports)), check=True)


def captured(appliance: Appliance, meanwhile: Callable[[], None], *words: str) -> tuple[int, str]:
    """What a capture of some seconds says; `meanwhile` runs once it has begun."""
    result: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: result.append(appliance.coven("capture", "fw", *words)))
    thread.start()
    wait_for(lambda: capturing(appliance) or bool(result))
    meanwhile()
    thread.join()
    return result[0]


def capturing(appliance: Appliance) -> int:
    """Processes that write captures."""
    keeper = appliance.keeper()
    assert keeper is not None
    children = Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
    return sum("coven-capture" in Path(f"/proc/{child}/cmdline").read_text() for child in children)


def tshark(file: Path, *fields: str) -> list[list[str]]:
    words = [each for field in fields for each in ("-e", field)]
    command = ["tshark", "-r", str(file), "-T", "fields", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_everything_that_passes(fw: Appliance, tmp_path: Path) -> None:
    file = tmp_path / "all.pcapng"
    before = stats(fw)
    status, said = captured(fw, lambda: send(fw, 50, 8, 9, 10), "--at", "in,a:before,a:behind,out:leaving,a.nine",
                            "--count", "550", "--for", "60", "--filter", "udp", "-w", str(file))  # fmt: skip
    assert status == 0, said
    capinfos = subprocess.run(["capinfos", "-M", str(file)], capture_output=True, text=True, check=True).stdout
    assert "Number of packets:   550" in capinfos and "Number of interfaces in file: 5" in capinfos, capinfos
    rows = tshark(file, "frame.interface_name", "udp.dstport", "frame.comment", "frame.packet_id")
    count: dict[tuple[str, ...], int] = {}
    ways: dict[str, list[str]] = {}
    for interface, port, comment, number in rows:
        count[interface, port, comment] = count.get((interface, port, comment), 0) + 1
        ways.setdefault(number, []).append(interface)
    why = "drop a.nine (port 9 is not allowed): rule 7 for?[2J 7"
    assert count == {
        ("in", "8", ""): 50, ("in", "9", ""): 50, ("in", "10", ""): 50,
        ("a:before", "8", ""): 50, ("a:before", "9", ""): 50, ("a:before", "10", ""): 50,
        ("a:behind", "8", "a forward"): 50, ("a:behind", "9", why): 50, ("a:behind", "10", "a consume"): 50,
        ("out:leaving", "8", ""): 50, ("a.nine", "9", why): 50,
    }  # fmt: skip
    assert len(ways) == 150 and ["in", "a:before", "a:behind", "out:leaving"] in ways.values()
    after = wait_for_rest(fw)
    assert after["dropped"]["a.nine"] - before["dropped"].get("a.nine", 0) == 50
    assert "50 at out:leaving" in said and "missing" not in said


def stats(fw: Appliance) -> dict[str, Any]:
    found: dict[str, Any] = fw.get("/v1/vnfs/fw/stats")
    return found


def wait_for_rest(fw: Appliance) -> dict[str, Any]:
    """The figures when nothing is on its way."""
    wait_for(lambda: (found := stats(fw))["in_flight"] == 0 and found["unaccounted"] == 0)
    return stats(fw)


def test_only_what_is_dropped_and_bad_words(fw: Appliance, tmp_path: Path) -> None:
    file = tmp_path / "drops.pcapng"
    words = ("--drops", "--count", "10", "--snaplen", "42", "-w", str(file))
    status, said = captured(fw, lambda: send(fw, 20, 8, 9), *words)
    assert status == 0, said
    rows = tshark(file, "frame.interface_name", "frame.comment", "frame.cap_len", "frame.len")
    assert rows == [["drops", "drop a.nine (port 9 is not allowed): rule 7 for?[2J 7", "42", "62"]] * 10
    status, said = fw.coven("capture", "fw", "--at", "inn,a:behnd,a.nin,classifier", "--filter", "udp prot 9", "-w",
                            str(file))  # fmt: skip
    assert status == 1 and file.stat().st_size > 0, "what is refused empties no file"
    assert all(f"at: found {word}" in said for word in ("inn", "a:behnd", "a.nin", "classifier")), said
    assert "udp prot 9" in said and "a port or VNFC (in, out, a)" in said


def test_what_finds_no_room_is_counted(fw: Appliance) -> None:
    """A client that reads nothing: packets pass as before, others are answered, and the capture says what it lacks."""
    keeper = fw.state / "run" / "fw" / "keeper.sock"
    deaf = socket.socket(socket.AF_UNIX)
    deaf.settimeout(60)
    deaf.connect(str(keeper))
    deaf.sendall(b'{"id": 1, "op": "capture", "at": ["in:arriving", "a", "out:leaving"], "filter": "udp port 8"}\n')
    wait_for(lambda: capturing(fw))
    before = stats(fw)
    send(fw, 6000, 8, size=1300)
    after = wait_for_rest(fw)
    passed = after["vnfcs"]["a"]["received"] - before["vnfcs"]["a"]["received"]
    assert after["ports"]["out"]["sent"] - before["ports"]["out"]["sent"] == passed > 2500
    assert capturing(fw) == 1
    blocks = Blocks()  # it begins to read after all
    assert deaf.recv(len(b'{"id": 1, "ok": true}\n')) == b'{"id": 1, "ok": true}\n'

    def told() -> bool:
        piece = deaf.recv(1 << 20)
        assert piece, "given up"
        for _ in blocks.feed(piece):
            pass
        figures = [each.figures for each in blocks.interfaces]
        return bool(figures) and all(f and f["received"] >= passed - 20 for f in figures)

    while not told():
        pass
    for interface in blocks.interfaces:
        f, times = interface.figures, 2 if interface.name == "a" else 1
        assert f["missed"] + f["delivered"] == f["accepted"] and f["delivered"] == interface.captured
        assert f["missed"] > 0 and passed - 20 <= f["accepted"] / times <= passed, "hosts say a little by themselves"
    deaf.close()
    wait_for(lambda: not capturing(fw))
    # one that goes half-way, and others at once
    for number in range(6):
        gone = socket.socket(socket.AF_UNIX)
        gone.connect(str(keeper))
        gone.sendall(b'{"id": 1, "op": "capture", "at": ["in"]}\n' if number % 2 else b'{"id": 1, "op": "capt')
        gone.close()
    wait_for(lambda: not capturing(fw))
    assert stats(fw)["unaccounted"] == 0


DEAF = """
import pathlib, socket, sys, time
state = pathlib.Path(sys.argv[1])
host, port = sys.argv[2].rpartition("//")[2].rsplit(":", 1)
client = socket.create_connection((host, int(port)))
token = (state / "token").read_text().strip()
client.sendall(f"GET /v1/vnfs/fw/capture HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer {token}\\r\\n\\r\\n".encode())
time.sleep(600)
"""


def test_clients_of_the_api_that_read_nothing_or_leave(fw: Appliance) -> None:
    """Three at once and no more; everything else is answered; whoever leaves makes room."""
    url = find(str(fw.state)).url
    deaf = [subprocess.Popen(fw.inside("-c", DEAF, str(fw.state), url)) for _ in range(3)]
    try:
        wait_for(lambda: capturing(fw) == 3)
        status, said = fw.coven("capture", "fw", "--count", "1")
        assert status == 1 and "3 others that capture" in said, said
        send(fw, 3000, 8, size=1300)
        assert wait_for_rest(fw)["state"] == "STARTED"
    finally:
        for client in deaf:
            client.kill()
            client.wait()
    wait_for(lambda: not capturing(fw))
    status, said = captured(fw, lambda: send(fw, 1, 9), "--drops", "--count", "1")
    assert status == 0 and "drop a.nine" in said, said

"""The original prototype's interface: every call and every code, and strangers. Keepers are played."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for
from tests.rigs.original import Ems, component, script, zipped

PLAIN = zipped({"one.py": component(8010, 8020), "Scripts/install.yaml": script(("one.py", 8010, 8020))})
GOOD = script(("one.py", 8010, 8020))


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "state")
    agent.original = (0, 0)
    try:
        yield agent.start()
    finally:
        agent.clean()


@pytest.fixture
def ems(agent: Agent) -> Ems:
    assert agent.original is not None
    return Ems(*agent.original)


def test_a_life_by_http(agent: Agent, ems: Ems) -> None:
    assert ems.status() == "Off"
    assert ems.ask("GET", "/ma/list")[0] == ems.ask("POST", "/ma/check")[0] == 404
    assert ems.ask("GET", "/ma/request/one.py/Packets")[0] == 404
    assert [ems.post(f"/{call}/") for call in ("start", "stop", "reset")] == ["-2", "-1", "-2"]
    assert ems.post("/install/fw.zip/") == "-9"
    assert ems.post("/package/fw.zip/", PLAIN) == "0"
    assert ems.post("/configure/", GOOD) == "-4"  # it is not installed yet
    assert ems.post("/install/fw.zip/") == "0"
    assert ems.post("/setup/other/", PLAIN) == "0"
    assert ems.post("/configure/", script(("NFPackages/fw/one.py", 8010, 8020))) == "0"
    assert ems.status() == "Off"
    assert ems.post("/configure/", GOOD) == "-2"
    assert ems.post("/launch/", GOOD) == "-1"
    assert ems.post("/reset/") == "-2"  # it never started
    for method in ("GET", "POST"):
        for path in ("list", "check", "request/one.py/Packets"):
            assert ems.ask(method, f"/ma/{path}") == (200, "ERROR: THE MANAGEMENT AGENT IS NOT AVAILABLE")
    assert ems.post("/start/") == "0"
    assert ems.status() == "On"
    assert [ems.post(f"/{call}/", GOOD) for call in ("start", "configure", "launch", "reset", "off")] == ["-1"] * 5
    assert "-> one.py\n  - 8010: success\n  - 8011: success\n" in ems.ask("POST", "/ma/check")[1]
    listed = ems.ask("GET", "/ma/list")[1]
    assert " -> [file]: one.py\n  - [request]: hits\n" in listed
    assert ems.ask("POST", "/ma/request/one.py/hits", "args=1") == (200, "42")
    assert ems.ask("GET", "/ma/request/one.py/hits?args=1") == (200, "42")
    assert ems.ask("GET", "/ma/request/two.py/hits") == (200, "ERROR: INVALID FILE!!")
    assert ems.ask("GET", "/ma/request/one.py/hit") == (200, "ERROR: INVALID REQUEST!!")
    assert ems.ask("GET", "/ma/request/one.py/sleep") == (200, "ERROR: THE EXTEND AGENT DID NOT ANSWER!!")
    assert ems.post("/stop/") == "0"
    assert (ems.status(), ems.post("/stop/")) == ("Off", "-1")
    assert ems.post("/start/") == "0"
    assert ems.post("/stop/") == "0"
    assert ems.post("/reset/") == "0"
    assert ems.post("/reset/") == "-2"
    # nothing of it is left but what is on the shelf
    assert agent.ask("GET", "/v1/vnfs")[1]["vnfs"] == agent.ask("GET", "/v1/packages")[1]["packages"] == []
    assert ems.post("/launch/", GOOD) == "0"
    assert ems.status() == "On"


CONFIGURE = {
    "": "-3", "[": "-3", "just a text": "-3", "- a list": "-3", "a: &x 1\nb: *x\n": "-3",
    "PPS: 7\nVNS: 7\nNSHP: 7\n": "-4", GOOD.replace("PPS:", "PP:"): "-4",
    GOOD.replace("Python3Framework", "Cobol"): "-4", GOOD.replace("File: one.py", "File: none.py"): "-4",
    GOOD.replace("File: one.py", "File: ../one.py"): "-4", GOOD.replace("File: one.py", "File: /etc/passwd"): "-4",
    GOOD.replace("Order: 1", "Order: 2"): "-4", GOOD.replace("Input: 8010", "Input: 80100"): "-4",
    GOOD.replace("VNS:", "VN:"): "-5", GOOD.replace("L2Socket", "L3Socket"): "-5",
    GOOD.replace("    - in0\n", "    []\n"): "-5", GOOD.replace("NSHP: False", "NSHP: 7"): "-6",
    GOOD.replace("NSHP: False\n", ""): "-6", GOOD.replace("Port: 8020", "Prt: 8020"): "-7",
    GOOD.replace("Packets: PP", "Packets: 7"): "-7",
    GOOD[: GOOD.index("  - Frame")] + "  []\n" + GOOD[GOOD.index("VNS") :]: "-7",
    # several: the first in the prototype's order
    GOOD.replace("L2Socket", "L3Socket").replace("NSHP: False", "NSHP: 7").replace("8020", "0"): "-5",
}  # fmt: skip


def test_each_part_of_a_script_has_its_code(agent: Agent, ems: Ems) -> None:
    assert ems.post("/setup/fw/", PLAIN) == "0"
    answers = {text: ems.post("/configure/", text) for text in CONFIGURE}
    assert answers == CONFIGURE
    assert ems.post("/launch/", "") == "-1"
    assert agent.ask("GET", "/v1/packages")[1]["packages"] == []
    assert "expected Python3Framework" in agent.log()  # the reasons are in the log


def test_an_interface_that_another_vnf_has_is_a_bad_vns(agent: Agent, ems: Ems) -> None:
    agent.stop()
    agent.vnf = "mine"
    agent.start()
    assert agent.original is not None
    ems = Ems(*agent.original)
    archive = zipped({"vnf.yaml": 'name: p\nversion: "1"\nvnfcs: {a: {source: a.py}}\nchain: in -> a -> out\n',
                      "a.py": "def handle(packet): pass\n"})  # fmt: skip
    assert agent.ask("POST", "/v1/packages", data=archive)[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "other", "package": "p"})[0] == 201
    agent.operate("other", "instantiate", {"ports": {"in": "in0", "out": "eth9"}})
    assert ems.post("/setup/fw/", PLAIN) == "0"
    assert ems.post("/configure/", GOOD) == "-5"
    assert ems.post("/configure/", script(("one.py", 8010, 8020), into="in5")) == "0"
    assert [vnf["name"] for vnf in agent.ask("GET", "/v1/vnfs")[1]["vnfs"]] == ["mine", "other"]


def test_a_vnf_that_came_otherwise_is_driven_and_not_replaced(agent: Agent, ems: Ems) -> None:
    archive = zipped({"vnf.yaml": 'name: p\nversion: "1"\nvnfcs: {a: {source: a.py}}\nchain: in -> a -> out\n',
                      "a.py": "def handle(packet): pass\n"})  # fmt: skip
    assert agent.ask("POST", "/v1/packages", data=archive)[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "theirs", "package": "p"})[0] == 201
    assert ems.post("/setup/fw/", PLAIN) == "0"
    assert (ems.post("/start/"), ems.post("/configure/", GOOD)) == ("-2", "-2")
    agent.operate("theirs", "instantiate", {"ports": {"in": "in0", "out": "out0"}})
    assert (ems.post("/start/"), ems.status()) == ("0", "On")
    assert ems.ask("GET", "/ma/request/a/hits") == (200, "42")
    assert "-> a\n  - process: success\n" in ems.ask("GET", "/ma/check")[1]
    assert (ems.post("/stop/"), ems.post("/reset/")) == ("0", "0")
    assert agent.ask("GET", "/v1/vnfs/theirs")[1]["instantiation_state"] == "NOT_INSTANTIATED"
    # two, and nobody says which
    assert agent.ask("POST", "/v1/vnfs", {"name": "second", "package": "p"})[0] == 201
    assert (ems.post("/configure/", GOOD), ems.post("/start/"), ems.status()) == ("-2", "-2", "Off")


def test_a_life_by_tcp(agent: Agent, ems: Ems) -> None:
    assert ems.say("status") == "200|Off"
    assert ems.say("list").startswith("404|") and ems.say("check").startswith("404|")
    assert ems.say("install|fw.zip") == "400|AN ERROR OCCURRED DURING THE INSTALL OPERATION (Ivalid package)"
    assert ems.send("package", "fw.zip", PLAIN) == "200|SUCCESFULLY EXECUTED THE PACKAGE OPERATION"
    assert ems.say("configure|fw.zip") == "400|AN ERROR OCCURRED DURING THE CONFIGURE OPERATION (Ivalid package)"
    assert ems.say("install|fw.zip") == "200|SUCCESFULLY EXECUTED THE INSTALL OPERATION"
    assert ems.send("setup", "fw.zip", PLAIN) == "200|SUCCESFULLY EXECUTED THE INSTALL OPERATION"
    assert ems.say("start") == "200|-2"
    assert ems.say("configure|fw.zip") == "200|0"
    assert ems.say("configure|fw") == "200|-2"
    assert ems.say("list") == "200|ERROR: THE MANAGEMENT AGENT IS NOT AVAILABLE"
    assert ems.say("launch|fw.zip") == "200|0"  # configured already: it starts all the same
    assert ems.say("launch|fw.zip") == "200|-1"
    assert ems.say("status") == "200|On"
    assert ems.say("list").startswith("200|\n---- AVAILABLE OPERATIONS ----\n")
    assert "one.py" in ems.say("check")
    assert ems.say("request|one.py|hits|") == "200|42"
    assert ems.say("request|one.py|hits") == "400|AN ERROR OCCURRED DURING THE REQUEST OPERATION (Invalid arguments)"
    assert ems.say("request|x|hits|y") == "200|ERROR: INVALID FILE!!"
    assert ems.say("off") == "200|-1"
    assert (ems.say("stop"), ems.say("stop"), ems.say("reset")) == ("200|0", "200|-1", "200|0")
    assert ems.say("close") == "200|SUCCESFULLY EXECUTED THE CLOSING OPERATION"
    assert ems.say(b"status".ljust(50, b"\0")) == "200|Off"


def test_requests_that_are_none(ems: Ems) -> None:
    for text in ("hello", "START", "starting", "start|now", "stop ", "|", "GET /status/ HTTP/1.1\r\n\r\n"):
        assert ems.say(text) == "", text
    for word in ("package", "setup"):
        refused = f"400|AN ERROR OCCURRED DURING THE {word.upper()} OPERATION"
        assert ems.say(f"{word}|fw".encode().ljust(50, b"\0")) == f"{refused} (Invalid arguments)"
        assert ems.say(f"{word}|fw|-1".encode().ljust(50, b"\0")) == f"{refused} (Ivalid digit)"
        assert ems.say(f"{word}|fw|9{'9' * 20}".encode().ljust(50, b"\0")).startswith(f"{refused} (more than ")
    assert ems.say("install|a|b") == "400|AN ERROR OCCURRED DURING THE INSTALL OPERATION (Invalid arguments)"
    assert ems.say(b"\xff\xfe".ljust(50, b"\0")).startswith("400|AN ERROR OCCURRED DURING THE REQUEST (")
    assert ems.send("package", "../x", PLAIN) == "400|AN ERROR OCCURRED DURING THE PACKAGE OPERATION (-8)"
    assert ems.send("setup", "fw", b"no zip") == "400|AN ERROR OCCURRED DURING THE INSTALL OPERATION (-9)"
    assert ems.send("setup", "bare", zipped({"x": ""})) == "200|SUCCESFULLY EXECUTED THE INSTALL OPERATION"
    assert ems.say("configure|bare").startswith("400|AN ERROR OCCURRED DURING THE CONFIGURE OPERATION (No such file")
    assert ems.say("status") == "200|Off"


def test_a_request_in_pieces_is_one(ems: Ems) -> None:
    with ems.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"sta", b"tus"):
            connection.sendall(piece)
            time.sleep(0.01)
        assert connection.recv(1024) == b"200|Off"
    with ems.connect() as connection:
        head = f"setup|fw|{len(PLAIN)}".encode().ljust(50, b"\0")
        for at in range(0, 50, 10):
            connection.sendall(head[at : at + 10])
            time.sleep(0.01)
        connection.sendall(PLAIN)
        assert connection.recv(1024) == b"200|SUCCESFULLY EXECUTED THE INSTALL OPERATION"


def hostile() -> dict[str, bytes]:
    link = zipped({"a": "b"})
    huge = bytearray(PLAIN)
    huge[-10:-6] = struct.pack("<I", 0xFFFFFFF0)  # where its directory is said to begin
    return {
        "nothing": b"", "text": b"no zip at all", "cut": PLAIN[: len(PLAIN) // 2], "out": zipped({"../../x": "y"}),
        "absolute": zipped({"/etc/x": "y"}), "bomb": zipped({f"{n}": bytes(0) for n in range(5000)}),
        "size": bytes(huge), "twice": link[:-1],
    }  # fmt: skip


def test_hostile_packages_are_refused_as_packages_are(agent: Agent, ems: Ems) -> None:
    for name, data in hostile().items():
        assert ems.post(f"/setup/{name}/", data) == "-9", name
        assert ems.post(f"/package/{name}/", data) == "0"
    assert not list((agent.state / "original" / "installed").iterdir())
    assert not list((agent.state / "original").glob("new-*"))
    assert ems.post("/setup/fw/", PLAIN) == "0"
    assert ems.post("/setup/fw/", b"broken") == "-9"
    assert ems.post("/configure/", GOOD) == "0"  # what was installed is there still


def test_names_and_methods_that_are_not_there(ems: Ems) -> None:
    assert ems.ask("POST", "/package/a/b/", PLAIN)[0] == ems.ask("POST", "/package/a%2Fb/", PLAIN)[0] == 404
    assert ems.ask("POST", "/start")[0] == ems.ask("GET", "/v1/vnfs")[0] == 404
    assert ems.ask("GET", "/start/")[0] == ems.ask("POST", "/status/")[0] == 405
    assert ems.post("/setup/../", PLAIN) == ems.post("/package/%00/", PLAIN) == "-8"
    assert ems.post("/package/" + "x" * 300 + "/", PLAIN) == "-8"
    assert ems.ask("POST", "/configure/", b"x" * (1 << 21))[0] == 413
    for header in ({"Origin": "http://evil.example"}, {"Host": "evil.example"},
                   {"Sec-Fetch-Site": "cross-site"}, {"Host": "127.0.0.1.evil.example"}):  # fmt: skip
        assert ems.ask("POST", "/start/", b"", **header)[0] == 403


def test_the_shelf_does_not_grow_without_end(ems: Ems) -> None:
    answers = [ems.post(f"/package/p{n}/", b"x") for n in range(40)]
    assert answers == ["0"] * 32 + ["-8"] * 8
    assert ems.post("/package/p3/", PLAIN) == "0"


def test_the_silent_and_the_slow_hold_nobody_up(ems: Ems) -> None:
    silent = [ems.connect() for _ in range(30)]
    half = [ems.connect() for _ in range(8)]
    try:
        for connection in half:
            connection.sendall(b"package|x|100")
        assert ems.say("status") == "200|Off"
        asked = ems.connect()
        asked.sendall(b"setup|slow|1000".ljust(50, b"\0") + b"x" * 10)
        assert ems.say("status") == "200|Off" and ems.status() == "Off"
        asked.shutdown(socket.SHUT_WR)  # the rest does not come
        said = asked.recv(1024).decode()
        asked.close()
        assert said == "400|AN ERROR OCCURRED DURING THE PACKAGE OPERATION (990 bytes of the package did not come)"
    finally:
        for connection in (*silent, *half):
            connection.close()
    assert ems.say("status") == "200|Off"


def audited(agent: Agent) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (agent.state / "audit.log").read_text().splitlines()]
    return [line for line in lines if line["who"] == "the prototype's interface"]


def test_changes_are_in_the_audit_log(agent: Agent, ems: Ems) -> None:
    ems.post("/setup/fw/", PLAIN)
    ems.status()
    ems.post("/stop/")
    ems.say("configure|fw")
    ems.say("list")
    ems.say("nonsense")
    wait_for(lambda: len(audited(agent)) >= 3)  # a line may be written after its answer
    assert [(line["from"], line["what"], line["result"]) for line in audited(agent)] == [
        ("127.0.0.1", "POST /setup/fw/", "0"), ("127.0.0.1", "POST /stop/", "-1"),
        ("127.0.0.1", "TCP configure|fw", "200|0"),
    ]  # fmt: skip


@pytest.mark.parametrize("wire", ["http", "tcp"])
def test_off_answers_and_ends_the_agent(agent: Agent, ems: Ems, wire: str) -> None:
    assert ems.post("/setup/fw/", PLAIN) == "0"
    assert ems.post("/configure/", GOOD) == "0"
    assert ems.post("/off/") == "0" if wire == "http" else ems.say("off") == "200|0"
    assert agent.process is not None
    assert agent.process.wait(60) == 0
    agent.start()  # what was configured is so still
    assert agent.original is not None
    ems = Ems(*agent.original)
    assert ems.post("/configure/", GOOD) == "-2"
    assert ems.post("/start/") == "0"


def test_a_full_disk(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "state", file_limit=1 << 20)
    agent.original = (0, 0)
    try:
        agent.start()
        ems = Ems(*agent.original)
        assert ems.post("/package/fw/", bytes(2 << 20)) == "-8"
        assert ems.send("package", "fw", bytes(2 << 20)) == "400|AN ERROR OCCURRED DURING THE PACKAGE OPERATION (-8)"
        assert ems.post("/setup/fw/", PLAIN) == "0"
        assert not list((agent.state / "original").glob("new-*"))
    finally:
        agent.clean()


def test_beyond_loopback_it_says_what_that_means(tmp_path: Path) -> None:
    """And a taken port is told like any other."""
    command = [sys.executable, "-m", "coven", "serve", "--state", str(tmp_path / "s"), "--listen", "127.0.0.1:0"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([*command, "--coven-compat", f"127.0.0.1:0,{port}"], capture_output=True, text=True)
        assert done.returncode == 1 and "--coven-compat" in done.stderr and "Traceback" not in done.stderr
    with subprocess.Popen([*command, "--coven-compat", "0.0.0.0:0,0"], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.terminate()
        assert line.startswith("coven: warning: whoever reaches 0.0.0.0 may run programs here"), line


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "plain")
    try:
        agent.start()
        assert agent.process is not None
        listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
        assert len([line for line in listening.splitlines() if f"pid={agent.process.pid}," in line]) == 1
    finally:
        agent.clean()

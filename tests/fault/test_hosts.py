"""VNFCs that die, hang, raise and talk nonsense, and a forwarder and a keeper that are killed: the rest goes
on, every packet is accounted for, and everything comes back."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.keeper.client import connect
from coven.keeper.journal import Busy
from coven.keeper.recovery import recover
from coven.lab.network import ADDRESS, IN, OUT
from itf.mistakes import Kind, Refused
from tests.rigs.keeper import KeeperRig, run_datagrams, wait_for
from tests.rigs.packages import FORWARD_C, package

PACKETS = 200
ONE = "vnfcs: {{one: {{source: one.{suffix}{more}}}}}\nchain: in -> one -> out\n"
FLAKY_PY = """import os, time
from vnfc import config, forward, log, request, state
config_seen = []
def configure(new):
    if new["limit"] < 0:
        raise ValueError("limit may not be negative")
@request("starts", "how often it began", "starts")
def starts() -> int:
    return state["starts"]
@request("limit", "the limit in force", "packets")
def limit() -> int:
    return config["limit"]
@request("nap", "sleeps", "s")
def nap(seconds: float) -> int:
    time.sleep(seconds)
    return 1
state["starts"] = state.get("starts", 0) + 1
def handle(packet):
    return forward()
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def run(folder: Path, suffix: str, source: str, count: int = PACKETS, more: str = "") -> dict[str, Any]:
    """The figures of a capture through one VNFC; accounted for, whatever it did."""
    descriptor = ONE.format(suffix=suffix, more=more)
    pkg = package(folder / "p", descriptor, **{f"one_{suffix}": source})
    return run_datagrams(folder, pkg, count)


# over captures


def test_bypass_goes_on_without_the_vnfc(tmp_path: Path) -> None:
    source = "import os\ndef handle(packet):\n    os._exit(1)\n"
    count = 3000  # more than it can have at once
    status = run(tmp_path, "py", source, count, more=", on_failure: bypass")
    assert status["forwarded"] + status["dropped"]["one.died"] == count and status["forwarded"] > 0


def test_exceptions_cost_their_packet_only(tmp_path: Path) -> None:
    source = "import vnfc\ndef handle(packet):\n    return vnfc.forward(0 // (packet.udp.sport % 2))\n"
    status = run(tmp_path, "py", source)
    assert status["dropped"] == {"one.exception": PACKETS // 2}
    assert status["vnfcs"]["one"]["exceptions"] == PACKETS // 2


def c_handler(statement: str) -> str:
    return f"#include <coven/vnfc.h>\nVNFC_HANDLE {{ {statement} }}\n"


@pytest.mark.parametrize(
    ("suffix", "source", "reason"),
    [
        ("py", "def handle(packet):\n    pass\n", "one.no_verdict"),
        ("py", "def handle(packet):\n    return 'yes'\n", "one.bad_verdict"),
        ("c", c_handler("return (vnfc_verdict)0xdeadbe7f;"), "one.bad_verdict"),
        ("c", c_handler("return VNFC_FORWARD_TO(9);"), "one.bad_verdict"),
        ("c", c_handler("return (vnfc_verdict)VERDICT_DROP | 77u << 16;"), "one.bad_verdict"),
        ("c", c_handler("p->len = 0x7fffffff; return VNFC_FORWARD;"), "one.bad_verdict"),
    ],
)
def test_nonsense_is_a_named_drop(tmp_path: Path, suffix: str, source: str, reason: str) -> None:
    assert run(tmp_path, suffix, source)["dropped"] == {reason: PACKETS}


# live


@pytest.fixture(scope="module")
def flaky(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KeeperRig]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("flaky")
    pkg = package(
        folder / "p",
        "vnfcs:\n  native: {source: native.c}\n  flaky: {source: flaky.py, config: {limit: 3}}\n"
        "chain: in -> native -> flaky -> out\n",
        native_c=FORWARD_C, flaky_py=FLAKY_PY,
    )  # fmt: skip
    with KeeperRig(folder / "k", pkg) as rig:
        assert rig.said == {"ok": True}
        assert rig.ping() == 0, "nothing is forwarded before start"
        rig.call("start")
        rig.wait_ping()
        yield rig


@pytest.mark.parametrize("name", ["native", "flaky"])
def test_a_killed_host_comes_back(flaky: KeeperRig, name: str) -> None:
    before = flaky.vnfc(name)
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: (now := flaky.vnfc(name))["state"] == "running" and now["restarts"] > before["restarts"])
    flaky.wait_ping()


def test_the_back_off_grows_until_a_packet_comes_back(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", ONE.format(suffix="c", more=""), one_c=FORWARD_C)
    with KeeperRig(tmp_path / "k", pkg) as rig:

        def kill(after: int) -> None:
            wait_for(lambda: (now := rig.vnfc("one"))["state"] == "running" and now["restarts"] == after)
            os.kill(rig.vnfc("one")["pid"], signal.SIGKILL)

        def waits() -> list[str]:
            lines = [line["line"] for line in rig.call("logs", vnfc="one", lines=100)["lines"]]
            return [line for line in lines if line.startswith("starts again")]

        for restarts in range(5):  # ports are closed: no packet comes
            kill(restarts)
        down = wait_for(lambda: (now := rig.vnfc("one"))["state"] == "down" and now)
        assert down["backoff_seconds"] == 1.6
        assert waits() == [f"starts again in {seconds} s" for seconds in ("0.1", "0.2", "0.4", "0.8", "1.6")]
        rig.call("start")
        rig.wait_ping()
        assert rig.vnfc("one")["backoff_seconds"] is None
        kill(5)
        wait_for(lambda: len(waits()) == 6)
        assert waits()[-1] == "starts again in 0.1 s"
        rig.wait_ping()


def test_state_survives_a_crash(flaky: KeeperRig) -> None:
    def starts() -> int:
        found: int = flaky.call("request", vnfc="flaky", name="starts", args=[])["value"]
        return found

    before = starts()
    for soon in 1.5, 5.0, 20.0:  # a change of state is kept soon, not at once; later where the machine is busy
        time.sleep(soon)
        restarts = flaky.vnfc("flaky")["restarts"]
        os.kill(flaky.vnfc("flaky")["pid"], signal.SIGKILL)
        wait_for(lambda: (now := flaky.vnfc("flaky"))["state"] == "running" and now["restarts"] > restarts)  # noqa: B023
        if starts() > before:
            break
    assert starts() == before + 1


def test_a_hang_in_a_request_is_a_timeout_and_then_a_restart(flaky: KeeperRig) -> None:
    restarts = flaky.vnfc("flaky")["restarts"]
    with pytest.raises(Refused) as refused:
        flaky.call("request", vnfc="flaky", name="nap", args=[30])
    assert refused.value.kind == Kind.TIMEOUT
    listed = flaky.call("list", vnfc="flaky")["requests"]["flaky"]
    own = {entry["name"] for entry in listed if not entry["standard"]}
    assert own == {"starts", "limit", "nap"}, "listing needs no VNFC"
    flaky.wait_ping()
    assert flaky.vnfc("flaky")["restarts"] > restarts
    assert flaky.status()["dropped"]["flaky.hung"] >= 1


def test_requests_that_are_none(flaky: KeeperRig) -> None:
    for vnfc, name in (("nobody", "starts"), ("flaky", "stars"), ("native", "starts")):
        with pytest.raises(Refused):
            flaky.call("request", vnfc=vnfc, name=name, args=[])


def test_configuration_is_refused_or_changed_live(flaky: KeeperRig) -> None:
    for wrong, said in (({"limit": -1}, "negative"), ({"limit": "x"}, "limit"), ({"limt": 1}, "limit")):
        with pytest.raises(Refused, match=said):
            flaky.call("configure", configs={"flaky": wrong})
        assert flaky.call("request", vnfc="flaky", name="limit", args=[])["value"] == 3
    flaky.call("configure", configs={"flaky": {"limit": 5}})
    assert flaky.call("request", vnfc="flaky", name="limit", args=[])["value"] == 5
    restarts = flaky.vnfc("flaky")["restarts"]
    os.kill(flaky.vnfc("flaky")["pid"], signal.SIGKILL)
    wait_for(lambda: (now := flaky.vnfc("flaky"))["state"] == "running" and now["restarts"] > restarts)
    assert flaky.call("request", vnfc="flaky", name="limit", args=[])["value"] == 5, "kept over a restart"
    flaky.call("configure", configs={"flaky": {"limit": 3}})


def test_stop_and_start_again(flaky: KeeperRig) -> None:
    flaky.call("stop")
    assert flaky.ping() == 0
    assert flaky.status()["in_flight"] == 0 and flaky.status()["state"] == "STOPPED"
    flaky.call("start")
    flaky.wait_ping()


def test_a_killed_forwarder_is_replaced(flaky: KeeperRig) -> None:
    pid = flaky.status()["forwarder"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: flaky.call("status")["forwarder"]["pid"] not in (None, pid))
    flaky.wait_ping()
    assert flaky.status()["estimated"]


def test_nonsense_on_the_socket(flaky: KeeperRig) -> None:
    for line, number, field, found in (
        (b"\n", None, None, "no JSON object"),
        (b"[1]\n", None, None, "no JSON object"),
        (b"\xff\n", None, None, "no JSON object"),
        (b'{"id": 1, "op": "fly"}\n', 1, "op", "fly"),
        (b'{"id": [2], "op": ["status"]}\n', [2], "op", "['status']"),
        (b'{"id": "3", "op": "logs", "lines": -1}\n', "3", "lines", "-1"),
    ):
        with connect(flaky.folder, 60) as connection:
            connection.sendall(line)
            said = json.loads(connection.makefile("rb").readline())
            assert (said["id"], said["ok"]) == (number, False)
            assert [(e["field"], e["found"]) for e in said["errors"]] == [(field, found)]
    with connect(flaky.folder, 60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
    assert flaky.ping(patience=30) == 1


def test_recovery_leaves_the_living_alone(flaky: KeeperRig) -> None:
    with pytest.raises(Busy):
        recover(flaky.folder)


@pytest.mark.root
def test_a_killed_keeper_takes_everything_along(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", ONE.format(suffix="c", more=""), one_c=FORWARD_C)
    with KeeperRig(tmp_path / "k", pkg) as rig:
        ipv6 = "/proc/sys/net/ipv6/conf/{}/disable_ipv6"
        rig.call("start")
        rig.wait_ping()
        status = rig.status()
        pids = [status["forwarder"]["pid"], status["vnfcs"]["one"]["pid"]]
        os.kill(rig.keeper.pid() or 0, signal.SIGKILL)
        rig.process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))
        left = rig.lab.appliance.run("sh", "-c", f"cat {ipv6.format(IN)} {ipv6.format(OUT)}").stdout.split()
        assert left == ["1", "1"], "what the dead keeper changed is still there"
        script = (
            "import sys; from pathlib import Path; from coven.keeper.recovery import recover\n"
            "left = recover(Path(sys.argv[1])); print(left.started, len(left.failed))\n"
        )
        said = rig.lab.appliance.run(sys.executable, "-c", script, str(rig.folder)).stdout
        assert said.split() == ["True", "0"]
        left = rig.lab.appliance.run("sh", "-c", f"cat {ipv6.format(IN)} {ipv6.format(OUT)}").stdout.split()
        assert left == ["0", "0"]
        wait_for(lambda: "xdp" not in rig.lab.appliance.run("ip", "link").stdout)
        rig.start()
        assert rig.said == {"ok": True}
        rig.call("start")
        rig.wait_ping()


@pytest.mark.root
def test_on_failure_stop(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", ONE.format(suffix="c", more=", on_failure: stop"), one_c=FORWARD_C)
    with KeeperRig(tmp_path / "k", pkg) as rig:
        rig.call("start")
        rig.wait_ping()
        os.kill(rig.vnfc("one")["pid"], signal.SIGKILL)
        wait_for(lambda: rig.status()["state"] == "STOPPED")
        assert rig.vnfc("one")["state"] == "failed" and rig.ping() == 0
        rig.call("start")
        rig.wait_ping()


@pytest.mark.root
def test_a_storm_of_exceptions_is_a_failure(tmp_path: Path) -> None:
    source = "def handle(packet):\n    raise RuntimeError('again')\n"
    pkg = package(tmp_path / "p", ONE.format(suffix="py", more=""), one_py=source)
    with KeeperRig(tmp_path / "k", pkg) as rig:
        rig.call("start")
        flood = ("ping", "-n", "-q", "-l", "60000", "-c", "60000", "-W", "1", ADDRESS["server"])
        neighbour = ("neigh", "replace", ADDRESS["server"], "lladdr", "02:00:00:00:00:99", "dev", "eth0")
        rig.lab.client.run("ip", *neighbour)
        process = rig.lab.client.spawn(*flood)
        wait_for(lambda: rig.vnfc("one")["restarts"] > 0)
        process.wait()
        lines = rig.call("logs", vnfc="one", lines=1000)["lines"]
        assert any("1000 exceptions" in entry["line"] for entry in lines)


@pytest.mark.root
def test_a_deployment_that_fails_leaves_nothing(tmp_path: Path) -> None:
    pkg = package(tmp_path / "p", ONE.format(suffix="py", more=""), one_py="raise SystemExit('no')\n")
    with KeeperRig(tmp_path / "k", pkg) as rig:
        assert rig.said["ok"] is False and rig.said["errors"]
        assert rig.process.wait(timeout=60) == 1
        assert not (rig.folder / "journal").exists()
        wait_for(lambda: "xdp" not in rig.lab.appliance.run("ip", "link").stdout)

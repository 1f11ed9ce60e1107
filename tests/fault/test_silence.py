"""Forwarders and keepers that hang, as a stopped process does: noticed, told, ended and replaced."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coven.agent.health import reasons
from coven.keeper.client import Keeper
from coven.keeper.forwarder.watch import HUNG_SECONDS
from coven.lab.network import IN, OUT
from coven.rest.api import ROUTES
from coven.rest.openapi import document
from itf.mistakes import Kind, Refused
from pps.c.framework import build_folder
from tests.rigs.keeper import ROOT, KeeperRig, run_datagrams, wait_for
from tests.rigs.packages import FORWARD_C, package, two_languages

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FORWARD = "vnfcs:\n  one: {source: one.c}\nchain: in -> one -> out\n"
BACKENDS = ["af_xdp", "af_packet"]


@contextmanager
def running(folder: Path, backend: str = "auto", chain: str = FORWARD) -> Iterator[KeeperRig]:
    pkg = package(folder / "p", chain, one_c=FORWARD_C)
    ports = {"in": {"interface": IN, "backend": backend}, "out": {"interface": OUT, "backend": backend}}
    with KeeperRig(folder / "k", pkg, ports=ports) as rig:
        assert rig.said == {"ok": True}
        rig.call("start")
        rig.wait_ping()
        yield rig


def forwarder(rig: KeeperRig) -> dict[str, Any]:
    found: dict[str, Any] = rig.call("status")["forwarder"]
    return found


def freeze(rig: KeeperRig) -> int:
    pid: int = forwarder(rig)["pid"]
    os.kill(pid, signal.SIGSTOP)
    return pid


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_forwarder_that_hangs_is_told_and_replaced(tmp_path: Path, backend: str) -> None:
    with running(tmp_path, backend) as rig:
        pid = freeze(rig)

        def told() -> dict[str, Any] | None:
            now = rig.call("status")
            known = now["forwarder"]["state"] != "running" or now["forwarder"]["pid"] != pid
            return now if known else None

        found = wait_for(told)
        assert found["forwarder"]["pid"] != pid or "the forwarder hangs" in reasons(found)[0]
        wait_for(lambda: forwarder(rig)["pid"] not in (None, pid))
        assert not Path(f"/proc/{pid}").exists()
        rig.wait_ping()
        assert rig.ping(20, patience=30) == 20
        now = rig.status()
        assert now["forwarder"]["restarts"] == 1 and "it hung" in now["forwarder"]["why"]
        assert now["estimated"] and reasons(now) == []


def test_a_forwarder_at_rest_does_not_hang(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        pid = forwarder(rig)["pid"]
        wait_for(lambda: rig.keeper.call("logs", lines=0)["ok"])
        threading.Event().wait(5)
        found = forwarder(rig)
        assert 0 <= found.pop("silent_seconds") < HUNG_SECONDS
        assert found == {"pid": pid, "state": "running", "restarts": 0, "why": None}


def test_a_stop_that_meets_a_hanging_forwarder_is_carried_out(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        freeze(rig)
        assert rig.call("stop")["ok"]
        assert rig.status()["state"] == "STOPPED" and rig.ping(10) == 0
        freeze(rig)
        assert rig.call("start")["ok"]
        assert rig.status()["state"] == "STARTED"
        rig.wait_ping()
        assert rig.ping(20, patience=30) == 20


def test_starts_and_stops_are_done_in_turn(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        freeze(rig)  # the first of them takes its time
        answers: list[dict[str, Any]] = []
        asked = [threading.Thread(target=lambda op=op: answers.append(rig.call(op))) for op in ("stop", "start")]
        asked[0].start()
        wait_for(lambda: rig.call("status")["operation"] == "stop")
        asked[1].start()
        for each in asked:
            each.join()
        assert answers == [{"id": 1, "ok": True}] * 2
        assert rig.status()["state"] == "STARTED" and rig.status()["operation"] is None
        rig.wait_ping()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_last_bursts_drops_are_in_the_figures_at_once(tmp_path: Path, backend: str) -> None:
    with running(tmp_path, backend, "chain: in -> out\n") as rig:
        rig.lab.client.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        rig.lab.client.run("ip", "link", "set", "eth0", "arp", "off")
        before = rig.status()["ports"]["in"]["received"]
        pid = freeze(rig)
        os.kill(rig.process.pid, signal.SIGSTOP)  # nor does the keeper find that it hangs, however long they take
        words = (sys.executable, "-m", "tests.rigs.port_traffic", "frames", "eth0", "100", "10000")
        assert rig.lab.client.run(*words, cwd=ROOT).stdout.strip() == "10000"
        os.kill(pid, signal.SIGCONT)
        os.kill(rig.process.pid, signal.SIGCONT)
        # what the ring held comes in by itself; what it did not hold nobody but the kernel knows, and no packet follows
        wait_for(lambda: forwarder(rig)["state"] == "running")
        wait_for(lambda: (now := rig.status())["in_flight"] == 0 and now["ports"]["in"]["received"] >= before + 10000)
        now = rig.status()["ports"]["in"]
        name = "rx_dropped" if backend == "af_xdp" else "rx_ring_full"
        assert now["received"] - before == 10000
        assert now["dropped"][name] >= 10000 - 4096


def test_status_documents_are_what_the_api_publishes(tmp_path: Path) -> None:
    validator = Draft202012Validator({**document(ROUTES, "", False), "$ref": "#/components/schemas/Stats"})
    captured = run_datagrams(tmp_path, two_languages(tmp_path / "two"), 20)
    del captured["logs"], captured["ends"]  # of the run, not of the VNF
    with running(tmp_path / "live") as rig:
        for status in (captured, rig.status()):
            status = {key: value for key, value in status.items() if key not in ("id", "ok")}
            assert [error.message for error in validator.iter_errors(status)] == []
            unknown = {**status, "surprise": 1}
            assert not validator.is_valid(unknown), "what the document does not know is refused"


def test_a_keeper_that_dies_while_it_hangs_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path) as rig:
        pids = [rig.status()["forwarder"]["pid"], rig.status()["vnfcs"]["one"]["pid"]]
        os.kill(rig.process.pid, signal.SIGSTOP)
        Keeper(rig.folder).end(ask=False)
        rig.process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in pids))


def test_a_forwarder_that_cannot_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build = tmp_path / "build"
    build.mkdir()
    for product in build_folder().iterdir():
        if product.is_file():
            shutil.copy2(product, build)
    program = build / "coven-forwarder"
    real = build_folder() / "coven-forwarder"
    monkeypatch.setenv("COVEN_BUILD", str(build))
    with running(tmp_path) as rig:
        pid = forwarder(rig)["pid"]
        replace_program(program, "#!/bin/sh\necho broken >&2\nexit 3\n")
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: forwarder(rig)["state"] == "failed")
        [why] = reasons(rig.call("status"))
        assert "cannot start" in why and "broken" in why
        assert rig.call("stop")["ok"] and rig.call("status")["state"] == "STOPPED"
        with pytest.raises(Refused, match="broken"):
            rig.call("start")
        assert rig.call("status")["state"] == "STOPPED" and rig.ping() == 0
        program.unlink()
        shutil.copy2(real, program)
        wait_for(lambda: forwarder(rig)["state"] == "running")
        assert rig.ping() == 0, "the start that was refused is not carried out afterwards"
        rig.call("start")
        rig.wait_ping()
        assert rig.ping(20, patience=30) == 20 and reasons(rig.status()) == []


def replace_program(program: Path, text: str) -> None:
    program.unlink()
    program.write_text(text)
    program.chmod(0o755)


def test_asking_a_vnfc_that_is_down_is_worth_trying_again(tmp_path: Path) -> None:
    source = FORWARD_C + 'VNFC_REQUEST(number, "a number", "")\n{\n\tvnfc_answer_int(request, 7);\n}\n'
    pkg = package(tmp_path / "p", FORWARD, one_c=source)
    with KeeperRig(tmp_path / "k", pkg) as rig:

        def running_again(restarts: int) -> int | None:
            now = rig.vnfc("one")
            return now["pid"] if now["state"] == "running" and now["restarts"] == restarts else None

        def down() -> dict[str, Any] | None:
            now = rig.vnfc("one")
            return now if now["state"] == "down" else None

        def answer(op: str, **arguments: Any) -> Refused | None:
            try:
                rig.call(op, **arguments)
            except Refused as refused:
                return refused
            return None

        restarts, outlasted = 0, False
        while not outlasted:  # its back-off grows
            os.kill(wait_for(partial(running_again, restarts)), signal.SIGKILL)
            since = wait_for(down)["restarts"]
            told = answer("configure", configs={"one": {}}), answer("request", vnfc="one", name="number", args=[])
            outlasted = restarts >= 3 and (now := down()) is not None and now["restarts"] == since
            restarts += 1
        assert [refused and refused.kind for refused in told] == [Kind.UNAVAILABLE] * 2
        assert "the VNFC is down" in str(told[1])
        wait_for(lambda: rig.vnfc("one")["state"] == "running")
        rig.call("configure", configs={"one": {}})
        assert rig.call("request", vnfc="one", name="number", args=[])["value"] == 7

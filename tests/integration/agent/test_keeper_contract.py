"""What the agent relies on of a keeper, over its socket: the same of the real one and of the one in tests/rigs. So a
test of the agent over the fake says something about the agent over the real.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from coven.rest.openapi import SCHEMAS
from itf.mistakes import Kind, Refused
from tests.rigs.agent import FAKE, ROOT
from tests.rigs.keeper import Keeper
from tests.rigs.packages import capture, datagram, package

DESCRIPTOR = """
vnfcs:
  a: {source: a.py, config: {mode: "", limit: 5}}
  b: {source: b.py, config: {mode: ""}}
chain: in -> a -> b -> out
"""
#: offers what the fake offers
SOURCE = """
import threading
from vnfc import forward, request

def configure(config):
    print("configured with", repr(config["mode"]), flush=True)
    if config["mode"] == "refuse-configure":
        raise ValueError("not that")

@request("hits", "packets seen", "packets")
def hits():
    return 42

@request("add", "a sum")
def add(x: int, y: int = 1):
    return x + y

@request("reset", "begin anew", changes=True)
def reset():
    return None

@request("sleep")
def sleep():
    threading.Event().wait(3)

def handle(packet):
    return forward()
"""
ENVELOPE = {"id", "ok"}
REQUESTS = ["hits", "add", "sleep", "reset"]
STANDARD = ["list", "health", "metrics"]


class Asked:
    """A keeper of either kind in a folder, started as the agent starts it."""

    def __init__(self, folder: Path, words: list[str]):
        folder.mkdir()
        pkg = package(folder / "p", DESCRIPTOR, a_py=SOURCE, b_py=SOURCE)
        read = capture(folder / "in.pcap", [datagram(number + 1, 60) for number in range(3)])
        ports = {
            "in": {"backend": "pcap", "read": str(read)}, "out": {"backend": "pcap", "write": str(folder / "out.pcap")},
        }  # fmt: skip
        config = {"a": {"mode": "", "limit": 5}, "b": {"mode": ""}}
        plan = {
            "name": "fw", "instance": "i-1", "package": str(pkg), "descriptor": "vnf.yaml",
            "build": str(folder / "build"), "ports": ports, "config": config, "latency": "normal", "frames": 8192,
            "debug": None, "seed": None, "paths": None, "missing": False,
        }  # fmt: skip
        (folder / "plan.json").write_text(json.dumps(plan))
        self.keeper = Keeper(folder)
        command = [sys.executable, *words, "--directory", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(json.loads(line))
            if "ok" in self.said[-1]:
                return
        raise AssertionError(f"it ended with {self.process.wait()}: {self.said}")

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        return self.keeper.call(op, **arguments)

    def refused(self, op: str, **arguments: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            self.call(op, **arguments)
        assert all(mistake.found or mistake.expected for mistake in caught.value.mistakes)
        return caught.value

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture(scope="module", params=["fake", "real"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    words = [str(FAKE)] if request.param == "fake" else ["-m", "coven.keeper"]
    made = Asked(tmp_path_factory.mktemp(request.param) / "fw", words)
    try:
        yield made
    finally:
        made.close()


def breaks(schema: str, value: Any) -> list[str]:
    root = {"$ref": f"#/components/schemas/{schema}", "components": {"schemas": SCHEMAS}}
    return [f"{list(error.path)}: {error.message}" for error in Draft202012Validator(root).iter_errors(value)]


def without(answer: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key not in ENVELOPE.union(keys)}


def test_it_says_what_it_does_and_then_that_it_is_there(asked: Asked) -> None:
    assert asked.said[-1] == {"ok": True}
    assert all(set(line) == {"progress"} and line["progress"] for line in asked.said[:-1])
    assert asked.keeper.pid() == asked.process.pid


@pytest.mark.parametrize("op", ["status", "stats"])
def test_figures_are_as_the_document_says(asked: Asked, op: str) -> None:
    answer = asked.call(op)
    assert breaks("Stats", without(answer)) == []
    assert answer["unaccounted"] == 0 and list(answer["vnfcs"]) == ["a", "b"] and list(answer["ports"]) == ["in", "out"]
    assert all(each["state"] == "running" and each["pid"] for each in answer["vnfcs"].values())


def test_requests_are_listed(asked: Asked) -> None:
    offered = asked.call("list")["requests"]
    assert breaks("Requests", offered) == []
    assert offered["a"] == offered["b"]
    by_name = {each["name"]: each for each in offered["a"]}
    assert set(by_name) == {*REQUESTS, *STANDARD}
    assert by_name["add"] == {
        "name": "add", "why": "a sum", "unit": "", "changes": False, "standard": False,
        "args": [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 1}],
    }  # fmt: skip
    assert [name for name, each in by_name.items() if each["changes"]] == ["reset"]
    assert [name for name, each in by_name.items() if each["standard"]] == STANDARD
    assert asked.call("request", vnfc="a", name="list", args=[])["value"] == offered["a"]


def test_requests_are_answered(asked: Asked) -> None:
    assert without(asked.call("request", vnfc="a", name="hits", args=[])) == {"value": 42}
    assert without(asked.call("request", vnfc="b", name="add", args=[2, 3])) == {"value": 5}


def test_a_request_that_takes_too_long(asked: Asked) -> None:
    assert asked.refused("request", vnfc="b", name="sleep", args=[]).kind == Kind.TIMEOUT


def test_configuration(asked: Asked) -> None:
    assert without(asked.call("configure", configs={"a": {"mode": "x", "limit": 7}})) == {}
    told = asked.refused("configure", configs={"a": {"mode": "refuse-configure", "limit": 9}})
    assert told.kind == Kind.INVALID and "not that" in str(told)
    assert without(asked.call("configure", configs={"a": {"mode": "", "limit": 5}})) == {}


def test_a_configuration_of_several_is_taken_by_all_or_by_none(asked: Asked) -> None:
    before = asked.call("list")["config"]
    wanted = {"a": {"mode": "x", "limit": 1}, "b": {"mode": "refuse-configure"}}
    assert "not that" in str(asked.refused("configure", configs=wanted))
    assert asked.call("list")["config"] == before
    assert without(asked.call("configure", configs={**wanted, "b": {"mode": "y"}})) == {}
    assert asked.call("list")["config"] == {**wanted, "b": {"mode": "y"}}
    assert without(asked.call("configure", configs=before)) == {}


def test_logs(asked: Asked) -> None:
    for arguments in ({"lines": 2}, {"lines": 1, "vnfc": "a"}, {"lines": 0}):
        answer = asked.call("logs", **arguments)
        assert breaks("Logs", without(answer)) == []
        assert len(answer["lines"]) == arguments["lines"]
        assert all(line["vnfc"] == arguments.get("vnfc", line["vnfc"]) for line in answer["lines"])


def test_logs_after_an_answer(asked: Asked) -> None:
    answer = asked.call("logs", lines=1)
    assert without(asked.call("logs", after=answer["next"], wait=0.05)) == {
        "lines": [], "missed": False, "next": answer["next"]
    }  # fmt: skip
    answer = asked.call("logs", after="1.2.3")  # of another keeper
    assert breaks("Logs", without(answer)) == [] and answer["missed"] is True


def test_what_nobody_knows_is_refused(asked: Asked) -> None:
    assert asked.refused("fly").kind == Kind.INVALID


def test_answers_bear_the_number_of_their_question(asked: Asked) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(asked.keeper.directory / "keeper.sock"))
        lines = connection.makefile("rb")
        for number in (7, 8):
            connection.sendall(json.dumps({"id": number, "op": "status"}).encode() + b"\n")
            assert json.loads(lines.readline())["id"] == number


def test_start_and_end(asked: Asked) -> None:
    """The last of the suite: afterwards there is no keeper."""
    assert without(asked.call("start")) == {}
    assert breaks("Stats", without(asked.call("status"))) == []
    assert without(asked.call("end")) == {}
    assert asked.process.wait(60) == 0
    assert not (asked.keeper.directory / "keeper.sock").exists() and asked.keeper.pid() is None

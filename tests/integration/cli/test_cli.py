"""The command line against an agent in a process of its own; keepers are `fake_keeper.py`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.cli import commands, deploying
from coven.cli.client import Address, Client
from coven.package.archive import pack
from itf.mistakes import Refused
from tests.integration.agent.test_agent import DESCRIPTOR, SCHEMA
from tests.rigs.agent import ROOT, Agent


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "state").start()
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "vnf.yaml").write_text(DESCRIPTOR)
    (folder / "a.py").write_text("from vnfc import forward\n")
    (folder / "a.json").write_text(json.dumps(SCHEMA))
    try:
        yield agent
    finally:
        agent.clean()


def coven(agent: Agent, *words: str) -> tuple[int, str, str]:
    environment = {**os.environ, "COVEN_STATE": str(agent.state), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "coven", *words],
        cwd=agent.state.parent, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


PORTS = ("--in", "eth1", "--port", "out=eth2")


def test_whole_life(agent: Agent) -> None:
    status, out, err = coven(agent, "deploy", "package", *PORTS, "--set", "a.limit=7")
    assert (status, out) == (0, "fw is STARTED (fw:1.0)\n"), err
    assert json.loads(coven(agent, "config", "--json")[1])["a"]["limit"] == 7
    assert coven(agent, "config", "fw", "a.limit=8")[0] == 0
    listed = json.loads(coven(agent, "list", "--json")[1])
    assert listed["vnfs"][0]["ports"]["out"]["interface"] == "eth2"
    assert [p["id"] for p in listed["packages"]] == ["fw:1.0"]
    assert "fw   STARTED" in coven(agent, "list")[1]
    figures = json.loads(coven(agent, "status", "--json")[1])
    assert {
        "received",
        "originated",
        "cloned",
        "forwarded",
        "consumed",
        "dropped",
        "in_flight",
        "unaccounted",
    } <= set(figures)
    logs = coven(agent, "logs", "--lines", "2", "--vnfc", "a")[1].splitlines()
    assert [line.split(" ", 2)[2] for line in logs] == ["a: 0", "a: 1"]
    assert "hits" in coven(agent, "ask")[1] and "add x:int [y=1]" in coven(agent, "ask", "a")[1]
    assert coven(agent, "ask", "a", "hits")[1] == "42 packets\n"
    assert coven(agent, "ask", "a", "add", "2", "3")[1] == "5\n"
    status, _, err = coven(agent, "ask", "a", "hist")
    assert status == 1 and "did you mean hits?" in err
    for word, says in (("stop", "STOPPED"), ("start", "STARTED"), ("terminate", "NOT_INSTANTIATED")):
        assert coven(agent, word) == (0, f"fw is {says}\n", "")
    assert coven(agent, "status")[1].startswith("fw (fw:1.0) is NOT_INSTANTIATED")
    assert coven(agent, "instantiate", *PORTS)[1] == "fw is INSTANTIATED, STOPPED\n"
    assert coven(agent, "terminate", "fw")[0] == 0
    assert coven(agent, "delete")[0] == 0
    assert coven(agent, "delete", "--package", "fw")[0] == 0
    assert coven(agent, "list")[1] == "no VNF\n\nno package\n"


class Following:
    """`coven logs --follow` in a process of its own."""

    def __init__(self, agent: Agent, *words: str):
        environment = {**os.environ, "COVEN_STATE": str(agent.state), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coven", "logs", "--follow", "--lines", "1", *words], env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, restore_signals=True,
        )  # fmt: skip
        assert self.process.stdout and self.process.stderr
        self.out, self.err = self.process.stdout, self.process.stderr

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def line(self) -> str:
        return self.out.readline().rstrip("\n").split(" ", 2)[-1]

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        assert "Traceback" not in err
        return self.process.returncode, out, err


def test_logs_are_followed_over_deaths_of_agent_and_keeper(agent: Agent) -> None:
    assert coven(agent, "deploy", "package", *PORTS)[0] == 0
    said = agent.state / "run" / "said"
    with Following(agent) as following:
        assert following.line() == "a: 0"
        said.write_text("one\n")
        assert following.line() == "a: one"
        agent.kill()
        assert following.err.readline().startswith("coven: waiting: no agent at ")
        said.write_text("one\ntwo\n")
        agent.start()  # on another port
        assert following.line() == "a: two"
        agent.kill_keeper("fw")  # the next one has lines of its own
        assert [following.line() for _ in range(2)] == ["a: one", "a: two"]
        assert coven(agent, "terminate")[0] == 0
        status, out, err = following.end()
    assert (status, out) == (0, "") and err.endswith("coven: fw is NOT_INSTANTIATED: that was all\n"), err
    assert "coven: what was said before this is not kept\n" in err


def test_following_ends_with_ctrl_c(agent: Agent) -> None:
    assert coven(agent, "deploy", "package", *PORTS)[0] == 0
    with Following(agent, "fw", "--json", "--vnfc", "b") as following:
        assert json.loads(following.out.readline()) == {"number": 1, "time": 1.5, "vnfc": "b", "line": "0"}
        (agent.state / "run" / "said").write_text("x\n")
        assert json.loads(following.out.readline())["line"] == "x"
        assert following.end(signal.SIGINT) == (130, "", "")


def test_an_agent_ends_while_it_is_followed(agent: Agent) -> None:
    assert coven(agent, "deploy", "package", *PORTS)[0] == 0
    with Following(agent) as following:
        assert following.line() == "a: 0"
        assert agent.stop() == 0
        assert following.err.readline().startswith("coven: waiting: no agent at ")
        assert following.end(signal.SIGINT)[0] == 130


def test_failed_deployment_leaves_nothing(agent: Agent) -> None:
    status, _, err = coven(agent, "deploy", "package", *PORTS, "--set", "a.mode=refuse")
    assert status == 1 and "a syntax error" in err and "a.py:3" in err
    assert coven(agent, "list")[1] == "no VNF\n\nno package\n"


def test_a_deployment_that_a_power_cut_ended_goes_on(agent: Agent) -> None:
    """As an appliance's boot does it: whatever there is of it by then, it runs in the end, once."""
    client = Client(Address(agent.url, agent.token))
    folder = agent.state.parent / "package"
    given = argparse.Namespace(package=str(folder), name=None, upgrade=False)
    request = {"ports": {"in": {"interface": "eth1"}, "out": {"interface": "eth2"}}, "start": True}
    package = client.push(pack(folder))
    client.ask("POST", "/v1/vnfs", {"name": "fw", "package": package["id"]})
    with pytest.raises(Refused, match="fw"):
        deploying.deploy(client, given, request)
    for _ in range(2):
        assert deploying.deploy(client, given, request, resume=True) == "fw"
        vnf = client.get("/v1/vnfs/fw")
        assert (vnf["operational_state"], vnf["package"]) == ("STARTED", package["id"])
    kinds = [each["operation"] for each in client.get("/v1/operations")["operations"]]
    assert kinds.count("INSTANTIATE") == 1


def test_interrupted_deployment_leaves_nothing(agent: Agent) -> None:
    gate = agent.state / "run" / "gate"
    os.mkfifo(gate)
    words = ("deploy", str(agent.state.parent / "package"), "--name", "fw", *PORTS, "--set", "a.mode=slow")
    with subprocess.Popen(
        [sys.executable, "-m", "coven", *words], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "COVEN_STATE": str(agent.state), "PYTHONPATH": str(ROOT)},
    ) as deploying:  # fmt: skip
        assert deploying.stderr
        while not (agent.state / "run" / "spawned").exists():
            assert deploying.poll() is None, deploying.stderr.read()
            time.sleep(0.01)
        # the keeper is not past the gate before we are: so the operation still goes on
        deploying.send_signal(signal.SIGINT)
        said = ""
        while "undone as soon as the operation is over" not in said:
            said += (line := deploying.stderr.readline())
            assert line, said
        os.close(os.open(gate, os.O_WRONLY))
        said += deploying.communicate(timeout=60)[1]
        assert deploying.returncode == 130 and "Traceback" not in said, said
    assert json.loads(coven(agent, "list", "--json")[1]) == {"vnfs": [], "packages": []}


def test_mistakes(agent: Agent) -> None:
    for words, expected, says in (
        (("deploy",), 2, "PACKAGE"),
        (("nonsense",), 2, "coven: no command nonsense: known: "),
        (("instanciate",), 2, "coven: no command instanciate: did you mean instantiate?"),
        (("lab", "staus"), 2, "coven lab: no act staus: did you mean status?"),
        ((), 2, "COMMAND"),
        (("deploy", "none", *PORTS), 1, "no such file"),
        (("start",), 1, "no VNF"),
        (("start", "x"), 1, "no VNF called x"),
        (("deploy", "package", "--in", "eth1"), 1, "ports.out.interface"),
        (("deploy", "package", *PORTS, "--set", "a.limt=1"), 1, "did you mean limit?"),
        (("delete", "--package", "x"), 1, "no package x"),
        (("run", "package", "--for", "-1"), 2, "--for"),
        (("list", "--agent", "loopback"), 2, "a URL such as"),
    ):
        status, _, err = coven(agent, *words)
        assert (status, says in err) == (expected, True), (words, err)
    agent.kill()
    status, _, err = coven(agent, "list")
    assert status == 1 and "coven serve" in err


def test_shells_complete_what_there_is() -> None:
    script = subprocess.run([sys.executable, "-m", "coven", "completion", "bash"], cwd=ROOT, capture_output=True,
                            text=True, check=True).stdout  # fmt: skip
    for line, last, wanted in (
        ("coven inst", "inst", {"instantiate"}),
        ("coven stats --wa", "--wa", {"--watch"}),
        ("coven lab me", "me", {"measure"}),
    ):
        words = line.split()
        ask = (
            f"COMP_LINE={line!r}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}\n"
            f"_shtab_coven coven {last} {words[-2]}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        said = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
        assert {word.strip() for word in said.stdout.splitlines()} == wanted, (line, said.stderr)


def test_pack_and_push(agent: Agent) -> None:
    assert coven(agent, "pack", "package", "--zip")[1].startswith("fw-1.0.zip: ")
    status, _, err = coven(agent, "pack", "package")
    assert status == 1 and "vnf.yaml: license" in err and "provider" not in err
    assert coven(agent, "push", "fw-1.0.zip", "--json")[0] == 0
    assert coven(agent, "push", "package")[0] == 0  # the same content


@pytest.mark.parametrize("command", sorted(commands.COMMANDS))
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coven", command, "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0 and f"example:\n  coven {command}" in done.stdout

"""The agent and its keepers when one of them hangs, dies or cannot write; keepers are `fake_keeper.py`."""

from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.agent.keepers import watch as keeper_watch
from coven.agent.keepers.line import LINE, Lines
from coven.agent.keepers.watch import KeeperWatch
from coven.keeper.client import Keeper
from coven.package.zips import full_disk
from itf.mistakes import Kind, Refused
from tests.integration.agent.test_agent import PORTS, awaited, created, running, states
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

ROOM = 1 << 40  #: bytes that a file may have while the disk is not full


def keeper(agent: Agent, name: str = "fw") -> Keeper:
    return Keeper(agent.state / "run" / name)


def freeze(agent: Agent, name: str = "fw") -> int:
    pid = agent.keeper(name)
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def health(agent: Agent, name: str = "fw") -> Any:
    status, found = agent.ask("GET", f"/v1/vnfs/{name}/health")
    assert status == 200, found
    return found


def test_a_keeper_that_hangs_is_called_so(agent: Agent) -> None:
    running(agent)
    pid = freeze(agent)
    for path in ("stats", "logs", "requests"):
        status, problem = agent.ask("GET", f"/v1/vnfs/fw/{path}")
        assert status == 503
        found = problem["errors"][0]
        assert f"process {pid}, hangs" in found["found"] and "a signal stopped" in found["found"]
        assert "after 30 s of silence" in found["remedy"]
    assert health(agent)["status"] == "degraded" and "hangs" in health(agent)["why"][0]
    for kind in ("start", "stop"):
        assert agent.ask("POST", f"/v1/vnfs/fw/{kind}")[0] == 503
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"limit": 4}})[0] == 503
    os.kill(pid, signal.SIGCONT)
    assert wait_for(lambda: health(agent)["status"] == "healthy")
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"]["limit"] == 5


def test_a_keeper_that_hangs_for_long_is_ended_and_healed(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_watch, "HUNG_SECONDS", 3.0)
    running(agent)
    pid = freeze(agent)
    watch = KeeperWatch(lambda: {"fw": ""}, lambda name: keeper(agent, name), Lines(), pytest.fail, pytest.fail)
    wait_for(lambda: watch.look() or not Path(f"/proc/{pid}").exists() or keeper(agent).pid() != pid)
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED") and agent.keeper("fw") != pid


def test_a_hanging_keeper_can_be_terminated(agent: Agent) -> None:
    running(agent)
    pid = freeze(agent)
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    assert states(agent) == ("NOT_INSTANTIATED", None) and agent.keeper("fw") is None
    assert not Path(f"/proc/{pid}").exists()


def test_the_keeper_is_right_about_its_state(agent: Agent) -> None:
    running(agent)
    keeper(agent).call("stop")  # behind the agent's back, as an operation that it gave up on
    assert health(agent)["status"] == "stopped"
    assert states(agent) == ("INSTANTIATED", "STOPPED")
    keeper(agent).call("start")
    assert agent.ask("POST", "/v1/vnfs/fw/start")[0] == 409, "it is asked before it is refused"
    assert states(agent) == ("INSTANTIATED", "STARTED")
    keeper(agent).call("stop")
    assert agent.operate("fw", "start")["state"] == "COMPLETED"
    assert keeper(agent).call("ping")["state"] == "STARTED"
    keeper(agent).call("stop")
    wait_for(lambda: states(agent) == ("INSTANTIATED", "STOPPED"))  # without anybody asking


def test_an_operation_that_is_given_up_is_taken_back(agent: Agent) -> None:
    """One keeper carries a start out after the agent has stopped waiting for it, one hangs in the middle."""
    ports = {"in": {"interface": "eth3"}, "out": {"interface": "eth4"}}
    for name, mode, bound in (("fw", "slow-start", PORTS), ("other", "freeze-start", ports)):
        created(agent, name)
        body = {"ports": bound, "config": {"a": {"mode": mode}}}
        assert agent.operate(name, "instantiate", body)["state"] == "COMPLETED"
    frozen = agent.keeper("other")
    begun = [agent.ask("POST", f"/v1/vnfs/{name}/start")[1] for name in ("fw", "other")]
    for operation in begun:
        ended = agent.over(operation)
        assert ended["state"] == "ROLLED_BACK" and "no answer" in str(ended["errors"]), ended
    assert states(agent) == ("INSTANTIATED", "STOPPED") and keeper(agent).call("ping")["state"] == "STOPPED"

    def healings() -> list[dict[str, Any]]:
        rows = agent.ask("GET", "/v1/operations?vnf=other")[1]["operations"]
        return [each for each in rows if each["operation"] == "HEAL"]

    [healing] = wait_for(healings)
    assert agent.over(healing)["state"] == "COMPLETED"
    assert agent.keeper("other") not in (None, frozen)
    assert states(agent, "other") == ("INSTANTIATED", "STOPPED")
    assert keeper(agent, "other").call("ping")["state"] == "STOPPED"


def test_an_agent_that_comes_takes_over_what_the_keeper_says(agent: Agent) -> None:
    running(agent)
    agent.kill()
    keeper(agent).call("stop")
    config = keeper(agent).call("list")["config"]["a"]
    keeper(agent).call("configure", configs={"a": {**config, "limit": 9}})
    paths = [{"spi": 9, "si": 255, "chain": "main"}]
    keeper(agent).call("paths", paths=paths)
    agent.start()
    assert states(agent) == ("INSTANTIATED", "STOPPED")
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"]["limit"] == 9
    agent.kill_keeper("fw")  # the next one has what was taken over
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert agent.ask("GET", "/v1/vnfs/fw/paths")[1] == {"paths": paths}


def test_a_start_makes_a_vnf_anew_whose_forwarder_cannot_start(agent: Agent) -> None:
    running(agent, config={"a": {"mode": "stuck"}})
    pid = agent.keeper("fw")
    assert agent.operate("fw", "start")["state"] == "COMPLETED", "though it is STARTED"
    assert agent.keeper("fw") not in (None, pid)
    assert keeper(agent).call("ping")["state"] == "STARTED" and states(agent) == ("INSTANTIATED", "STARTED")


def test_few_wait_on_one_keeper() -> None:
    lines = Lines()
    entered, leave = threading.Barrier(LINE + 1), threading.Event()

    def wait() -> None:
        with lines.place("slow"):
            entered.wait()
            leave.wait()

    waiting = [threading.Thread(target=wait) for _ in range(LINE)]
    for each in waiting:
        each.start()
    entered.wait()
    with pytest.raises(Refused) as refused, lines.place("slow"):
        pass
    assert refused.value.kind == Kind.UNAVAILABLE
    with lines.place("other"):  # nobody waits for another's keeper
        pass
    leave.set()
    for each in waiting:
        each.join()
    with lines.place("slow"):
        pass


def test_one_hung_keeper_holds_nobody_else_up(agent: Agent) -> None:
    running(agent)
    created(agent, "other")
    ports = {"in": {"interface": "eth3"}, "out": {"interface": "eth4"}}
    assert agent.operate("other", "instantiate", {"ports": ports})["state"] == "COMPLETED"
    freeze(agent)
    answers: list[int] = []

    def call() -> None:
        answers.append(agent.ask("GET", "/v1/vnfs/fw/stats")[0])

    callers = [threading.Thread(target=call) for _ in range(40)]
    for each in callers:
        each.start()
    others = [agent.ask("GET", "/v1/vnfs/other/stats")[0] for _ in range(5)]
    for each in callers:
        each.join()
    assert others == [200] * 5 and answers == [503] * 40


def test_a_heal_tells_why_it_fails(agent: Agent) -> None:
    running(agent)
    paths = [{"spi": 7, "si": 255, "chain": "main"}]
    assert agent.ask("PUT", "/v1/vnfs/fw/paths", {"paths": paths})[0] == 200
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"mode": "die"}})[0] == 200
    agent.kill_keeper("fw")
    healing = awaited(agent, "HEAL")

    def told() -> Any:
        found = agent.ask("GET", f"/v1/operations/{healing['id']}")[1]
        assert found["state"] in ("STARTING", "PROCESSING"), found
        return "Segmentation fault" in str(found["errors"]) and "tries more" in found["progress"]

    wait_for(told)
    assert "Segmentation fault" in str(health(agent)["why"])
    ended = agent.over(healing)
    assert ended["state"] == "ROLLED_BACK" and "Segmentation fault" in str(ended["errors"])
    assert states(agent) == ("NOT_INSTANTIATED", None)
    assert "Segmentation fault" in str(health(agent)["why"])
    # the next life begins with the descriptor's paths
    operation = agent.operate("fw", "instantiate", {"ports": PORTS, "config": {"a": {"mode": ""}}})
    assert operation["state"] == "COMPLETED"
    assert agent.ask("GET", "/v1/vnfs/fw/paths")[1] == {"paths": []}


def fill(agent: Agent) -> None:
    """From now on no file of the agent grows."""
    assert agent.process is not None
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (1, ROOM))


def free(agent: Agent) -> None:
    assert agent.process is not None
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (ROOM, ROOM))


@pytest.fixture
def filling(tmp_path: Path) -> Iterator[Agent]:
    """An agent whose files can be kept from growing (it ignores SIGXFSZ)."""
    agent = Agent(tmp_path / "state", file_limit=ROOM).start()
    try:
        yield agent
    finally:
        agent.clean()


def test_a_full_disk_changes_nothing_or_all(filling: Agent) -> None:
    agent = filling
    running(agent)
    paths = [{"spi": 7, "si": 255, "chain": "main"}]
    assert agent.ask("PUT", "/v1/vnfs/fw/paths", {"paths": paths})[0] == 200
    fill(agent)
    for method in ("PATCH", "PUT"):
        status, problem = agent.ask(method, "/v1/vnfs/fw/config", {"a": {"limit": 9}})
        assert status == 507 and len(problem["errors"]) == 1
    other = [{"spi": 8, "si": 255, "chain": "main"}]
    assert agent.ask("PUT", "/v1/vnfs/fw/paths", {"paths": other})[0] == 507
    assert keeper(agent).call("list")["config"]["a"]["limit"] == 5
    assert keeper(agent).call("paths")["paths"] == paths
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"]["limit"] == 5
    assert agent.ask("POST", "/v1/vnfs/fw/stop")[0] == 507
    assert keeper(agent).call("ping")["state"] == "STARTED"
    free(agent)
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"limit": 9}})[0] == 200
    assert keeper(agent).call("list")["config"]["a"]["limit"] == 9


def test_a_keeper_that_died_while_the_disk_was_full_is_healed_afterwards(filling: Agent) -> None:
    agent = filling
    running(agent)
    fill(agent)
    agent.kill_keeper("fw")
    wait_for(lambda: "no keeper" in str(health(agent)["why"]))
    assert [o["operation"] for o in agent.ask("GET", "/v1/operations?vnf=fw")[1]["operations"]] == ["INSTANTIATE"]
    free(agent)
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED") and health(agent)["status"] == "healthy"


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_state_folder_that_cannot_be_written(error: int) -> None:
    refused = full_disk(OSError(error, os.strerror(error), "upload.zip"), "package")
    assert refused.kind == Kind.NO_SPACE and os.strerror(error) in str(refused)


def test_no_raw_error_leaves_the_store(tmp_path: Path) -> None:
    from coven.agent.store import Store

    store = Store(tmp_path / "agent.db")
    with sqlite3.connect(tmp_path / "agent.db") as other:
        other.execute("DROP TABLE vnfs")
    with pytest.raises(Refused) as refused:
        store.vnfs()
    assert refused.value.kind == Kind.FAULT
    with pytest.raises(Refused) as refused:
        store.set_vnf("fw", errors=[])
    assert refused.value.kind == Kind.NO_SPACE
    store.close()
    (tmp_path / "broken.db").write_bytes(b"no database" * 1000)
    with pytest.raises(Refused) as refused:
        Store(tmp_path / "broken.db")
    assert refused.value.kind == Kind.FAULT
    with pytest.raises(Refused):
        store.vnfs()

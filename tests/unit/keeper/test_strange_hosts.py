"""What a host may say: judged where it enters, and whatever it says, it is that VNFC's affair alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.base.plain import NotPlain, faults, parse
from coven.keeper.hosts.process import HostPlan, HostProcess
from coven.keeper.hosts.says import Nonsense, declared_requests, message
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.package.descriptor import Vnfc, load
from itf.mistakes import Mistake
from itf.segment import Pool
from tests.rigs.packages import package

DEEP = '{"op": "answer", "id": 1, "ok": true, "value": ' + "[" * 980 + "]" * 980 + "}"
#: says what it is told on its command line, a message each; `END` ends it
HOST = """
import socket, sys, time
fds = [int(n) for n in sys.argv[1].split(",")]
control = socket.socket(fileno=fds[3])
control.send(b'{"op": "hello", "abi": ABI, "language": "c"}')
control.recv(65536)
for line in sys.argv[2:]:
    control.send(line.encode("utf-8", "surrogatepass"))
while control.recv(65536):
    control.send(ANSWER)
"""


class Launched:
    def __init__(self, words: list[str], fds: tuple[int, ...]):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(words, pass_fds=fds, stdout=pipe, stderr=pipe, start_new_session=True)

    def inner_pid(self) -> int:
        return self.process.pid

    def oom_kills(self) -> int:
        return 0

    def close(self) -> None:
        pass


class Watching:
    """The observer of one host, in a loop of its own."""

    def __init__(self, tmp_path: Path, *says: str, answer: str = "{}"):
        folder = package(tmp_path / "p", "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n", f_py="")
        vnfc: Vnfc = load(folder / "vnf.yaml").vnfcs["f"]
        self.loop, self.logs = Loop(), Logs()
        self.ready = self.lost = 0
        self.refused: list[Mistake] = []
        from itf.segment import C

        text = HOST.replace("ABI", str(C.SEG_ABI_MAJOR)).replace("ANSWER", repr(answer.encode()))

        def launch(fds: tuple[int, int, int, int]) -> Launched:
            return Launched([sys.executable, "-c", text, ",".join(map(str, fds)), *says], fds)

        self.pool = Pool.make(1024, 4096)
        self.journal = Journal(tmp_path / "journal")
        plan = HostPlan(vnfc, 512, launch, {}, {}, debug=False)
        self.host = HostProcess(plan, self.pool, self.loop, self.journal, self.logs, self)
        self.host.start()

    def host_ready(self, host: HostProcess) -> None:
        self.ready += 1

    def host_lost(self, host: HostProcess, reason: int) -> None:
        self.lost += 1
        host.wanted = False

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self.refused += mistakes

    def until(self, done: Callable[[], bool]) -> None:
        assert self.loop.run_until(done, 60), self.logs.tail(None, 50)

    def close(self) -> None:
        self.host.stop()
        self.until(lambda: self.host.finished)
        self.host.close()
        self.pool.close()
        self.journal.finish()
        self.loop.close()


READY = '{"op": "ready", "requests": []}'


@pytest.mark.parametrize(
    "said, found",
    [
        ('{"op": "ready", "requests": [{"name": "\\ud800"}]}', "half of a surrogate pair"),
        ('{"op": "ready", "requests": [{"name": {"a": 1}}]}', "requests[0].name"),
        ('{"op": "ready", "requests": [{"name": "a", "args": {"b": 1}}]}', "requests[0].args"),
        ('{"op": "ready", "requests": [{"name": "a", "args": [7]}]}', "requests[0].args[0]"),
        ('{"op": "ready", "requests": [{"name": "a"}, {"name": "a"}]}', "declared twice"),
        ('{"op": "ready", "requests": [{"name": "a", "args": [{"name": "x", "default": NaN}]}]}', "that is none"),
        ('{"op": "ready", "requests": ' + "[" * 980 + "]" * 980 + "}", "nested"),
        ("[1, 2]", "no JSON object"),
        ('{"op": 1}', "no JSON object"),
    ],
)  # fmt: skip
def test_a_host_that_says_nonsense_does_not_come_up(tmp_path: Path, said: str, found: str) -> None:
    watching = Watching(tmp_path, said)
    watching.until(lambda: bool(watching.refused))
    assert found in str(watching.refused[0]) and watching.host.state == "failed" and watching.ready == 0
    watching.close()


@pytest.mark.parametrize(
    "value, found",
    [("NaN", "a number that is none"), ("[Infinity]", "a number that is none"), ('"\\ud800"', "half of a surrogate"),
     ("1" + "0" * 400, "more than 64 bits"), ("[" * 40 + "]" * 40, "nested"), ("[" * 980 + "]" * 980, "nested")],
)  # fmt: skip
def test_an_answer_that_cannot_be_passed_on_says_so(tmp_path: Path, value: str, found: str) -> None:
    watching = Watching(tmp_path, READY, answer=f'{{"op":"answer","id":1,"ok":true,"value":{value}}}')
    watching.until(lambda: watching.ready == 1)
    answers: list[dict[str, Any] | None] = []
    watching.host.ask({"op": "request", "name": "x", "args": []}, 10, answers.append)
    watching.until(lambda: bool(answers))
    assert answers[0] is not None and answers[0]["ok"] is False and found in answers[0]["error"]
    assert watching.host.state == "running"
    watching.close()


def test_a_fault_of_ours_over_one_host_is_its_affair(tmp_path: Path) -> None:
    """Whatever goes wrong in a callback for one VNFC ends that VNFC's process, not the loop."""
    watching = Watching(tmp_path, READY, '{"op": "never heard of"}')

    def fails(message: dict[str, Any]) -> None:
        raise TypeError("an int is not a map")

    assert watching.host._talk is not None
    watching.host._talk.on_message = fails
    watching.until(lambda: bool(watching.refused) or watching.lost > 0)
    assert any("the keeper failed over it: TypeError" in line["line"] for line in watching.logs.tail("f", 50))
    watching.close()


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_nonsense(raw: bytes) -> None:
    try:
        said = message(raw)
    except Nonsense:
        return
    assert isinstance(said["op"], str) and not list(faults(said, nul=True))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["name", "why", "unit", "args", "type", "default"]), inner, max_size=4),
)  # fmt: skip


@given(JSON_VALUES)
def test_any_declaration_is_taken_clean_or_nonsense(listed: Any) -> None:
    try:
        found = declared_requests(listed)
    except Nonsense:
        return
    for each in found:
        assert isinstance(each["name"], str) and isinstance(each["why"], str) and isinstance(each["unit"], str)
        assert all(isinstance(arg["name"], str) and isinstance(arg["type"], str) for arg in each["args"])


def test_plain_data() -> None:
    assert [str(each.path) for each in faults({"a": ["\0", {"b": float("nan")}], "c": 2**64})] == [
        "('a', 0)", "('a', 1, 'b')", "('c',)"
    ]  # fmt: skip
    assert list(faults({"a": [1, None, "text \N{GRINNING FACE}", 2**64 - 1, -(2**63)]})) == []
    with pytest.raises(NotPlain):
        parse(b'{"a": 1e999}')

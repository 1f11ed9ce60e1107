"""A keeper's traces: whoever asks again where an answer ended misses nothing that passed in between."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from coven.lab.network import ADDRESS
from tests.rigs.keeper import KeeperRig, wait_for
from tests.rigs.packages import FORWARD_C, package

pytestmark = pytest.mark.root

ASKED: dict[str, Any] = {"filter": "icmp[icmptype] = icmp-echo", "rate": 1000, "wait": 10}
SEQUENCE = slice(40, 42)  #: of an echo request, in its frame


def numbers(answer: dict[str, Any]) -> list[int]:
    """The sequence numbers of the pings that it tells of."""
    return [int.from_bytes(bytes.fromhex(packet["bytes"])[SEQUENCE], "big") for packet in answer["packets"]]


def test_questions_go_on_where_answers_end(tmp_path: Path) -> None:
    pkg = package(tmp_path / "pkg", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=FORWARD_C)
    with KeeperRig(tmp_path / "fw", pkg) as rig:
        assert rig.call("start")["ok"]
        rig.wait_ping()
        words = ("ping", "-q", "-n", "-i", "0.02", ADDRESS["server"])
        ping: Any = rig.lab.client.spawn(*words, stdout=subprocess.DEVNULL)
        try:
            answer = rig.call("trace", count=1, **ASKED)
            told = numbers(answer)
            for count in (1, 4, 2):
                received = rig.status()["received"]
                wait_for(lambda received=received: rig.status()["received"] >= received + 8)
                answer = rig.call("trace", count=count, after=answer["next"], **ASKED)
                told += numbers(answer)
                assert (answer["lost"], answer["passed"]) == (0, 0)
            assert told == [*range(told[0], told[0] + 8)], "without a gap"
            # another's answer, or none: from now on
            for after in ("", "0.0.0.0", "nonsense", "." * 9, answer["next"].replace(".", ".9", 1)):
                [now] = numbers(rig.call("trace", count=1, after=after, **ASKED))
                assert now > told[-1]
        finally:
            ping.kill()
            ping.wait()

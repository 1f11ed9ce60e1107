"""`coven why`: a packet's fate in words; one that is made counts where it came in, and leaves only if it may."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from tests.integration.agent.test_capture import FILTER, send, stats, wait_for_rest
from tests.rigs.appliance import Appliance

pytestmark = pytest.mark.root


@pytest.fixture
def fw(appliance: Appliance, tmp_path: Path) -> Appliance:
    (folder := tmp_path / "fw").mkdir()
    (folder / "vnf.yaml").write_text(
        'name: fw\nversion: "1"\nvnfcs: {a: {source: filter.py}, b: {source: filter.py}}\nchain: in -> a -> b -> out\n'
    )
    (folder / "filter.py").write_text(FILTER)
    status, said = appliance.coven("deploy", str(folder), "--in", "in0", "--out", "out0")
    assert status == 0, said
    return appliance


def test_one_that_is_made(fw: Appliance) -> None:
    before = wait_for_rest(fw)
    status, said = fw.coven("why", "fw", "--inject", "--proto", "udp", "--src", "192.0.2.1", "--sport", "7",
                            "--dst", "192.0.2.2", "--dport", "9")  # fmt: skip
    assert status == 0 and said == (
        "UDP 192.0.2.1:7 > 192.0.2.2:9, 42 B, was let in by the port in for this question, and was dropped by the VNFC "
        "a as a.nine: port 9 is not allowed. What led to it, as a says: rule 7 for?[2J 7.\n"
    ), said
    status, said = fw.coven("why", "--inject", "--proto", "udp", "--dport", "10", "--json")
    assert status == 0 and json.loads(said)["packet"]["end"] == "consume"
    for words in [], ["--send"], ["--src", "2001:db8::7"]:
        status, said = fw.coven("why", "--inject", "--proto", "udp", "--dport", "8", *words)
        assert status == 0 and "and left by the port out" in said and "a let it pass" in said and "b let" in said, said
        assert ("it was not sent" in said) == (words != ["--send"])
    after = wait_for_rest(fw)
    assert after["originated"] - before["originated"] == 5, "each counts as one that the port made"
    assert after["ports"]["out"]["sent"] - before["ports"]["out"]["sent"] == 1, "only one was to leave"
    assert after["consumed"] - before["consumed"] == 3 and after["dropped"]["a.nine"] == 1
    assert all(place["unaccounted"] == 0 for place in after["ports"].values())
    status, said = fw.coven("why", "--inject", "--src", "nobody", "--dst", "nowhere", "--dport", "70000")
    assert status == 1 and "dport: found 70000" in said
    status, said = fw.coven("why", "--inject", "--src", "nobody", "--dst", "nowhere", "--port", "inn")
    assert status == 1 and "src: found nobody" in said and "dst: found nowhere" in said, said
    status, said = fw.coven("why", "--inject", "--dport", "1", "--port", "inn")
    assert status == 1 and "port: found inn, expected one of in, out" in said, said


def test_the_next_one(fw: Appliance) -> None:
    over = threading.Event()

    def keep_sending() -> None:
        while not over.wait(0.2):
            send(fw, 1, 8, 9)

    sender = threading.Thread(target=keep_sending)
    sender.start()
    try:
        status, said = fw.coven("why", "--proto", "udp", "--dport", "9")
        assert status == 0 and "which came in by the port in, and was dropped by the VNFC a as a.nine" in said, said
        status, said = fw.coven("why", "--dst", "192.0.2.2", "--dport", "8")
        assert status == 0 and "and left by the port out. On its way a let it pass" in said, said
    finally:
        over.set()
        sender.join()
    status, said = fw.coven("why", "--proto", "tcp", "--dport", "4242", "--wait", "0.5")
    assert status == 1 and said.startswith(
        "No packet like that (proto tcp dport 4242) came to an end within 0.5 s."), said  # fmt: skip
    status, said = fw.coven("why", "--dport", "9", "--send")
    assert status == 2 and "--send: found no --inject" in said, said
    assert stats(fw)["unaccounted"] == 0

"""The same faults in every language: what raises, loops forever, exits or returns nonsense at one packet costs packets
of its own, each under a name. Run as a deployment is: confined, behind the real forwarder.

A Click configuration has no code of its author's that could raise or exit: a script's instruction can fail, connections
can go round, an element can ask for more room than there is; and its process can be killed.
"""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pps.frameworks import missing
from tests.rigs.executables import FRAMED, PROTOTYPE
from tests.rigs.keeper import KeeperRig, run_datagrams, wait_for
from tests.rigs.packages import package

FORWARD = Path(__file__).resolve().parents[2] / "packages" / "forward"
PACKETS = 40
BAD = 20  #: number, and source port, of the packet that something happens at
GONE = {"died", "down"}
HUNG = {"hung", "died", "down"}

#: sources, with FAULT where something happens at that packet
C = """#include <coven/vnfc.h>
#include <stdlib.h>
VNFC_HANDLE
{
	if (p->data[35] == 20) FAULT
	return VNFC_FORWARD;
}
"""
PYTHON = """import os, vnfc
def handle(packet):
    if packet.udp.sport == 20:
        FAULT
    return vnfc.forward()
"""
JAVA = """import coven.*;
class One extends Vnfc {
    public Verdict handle(Packet p) {
        if (p.udp().sport() == 20) FAULT
        return forward();
    }
}
"""
JAVASCRIPT = """const { forward } = require("vnfc");
exports.handle = (p) => {
  if (p.udp.sport === 20) FAULT
  return forward();
};
"""
AT = "int.from_bytes(data[34:36], 'big') == 20"
ASKED = FRAMED.format(text=f"def handle(id, _, data):\n if {AT}:\n  FAULT\n verdict(id, FORWARD)\n")
SOCKET = PROTOTYPE.format(
    text=f"def handle(data):\n if {AT}:\n  FAULT\n return data\n", input=8010, output=8011
)  # fmt: skip
CLICK = """FromDevice(in) -> k :: Classifier(34/0014, -);
k[0] -> FAULT
k[1] -> ToDevice(next);
"""


#: what happens, the reasons that packets may be dropped for, and a part of what the log then says
Fault = tuple[str, set[str], str]


@dataclass(frozen=True)
class Language:
    name: str  #: in the descriptor
    source: str  #: the file's name
    text: str
    raises: Fault
    loops: Fault
    exits: Fault | None
    nonsense: Fault
    more: str = ""  #: of the descriptor


LANGUAGES = {
    "c": Language("c", "one.c", C,
        raises=("*(volatile int *)8 = 1;", GONE, "SIGSEGV"),
        loops=("for (volatile int i = 0;; i++);", HUNG, "no progress"),
        exits=("exit(9);", GONE, "exit status 9"),
        nonsense=("return (vnfc_verdict)0xdeadbe7f;", {"bad_verdict"}, "verdict 127 does not exist")),
    "c++": Language("c", "one.cc", "#include <stdexcept>\n" + C,
        raises=('throw std::runtime_error("oh");', GONE, "SIGABRT"),
        loops=("for (volatile int i = 0;; i = i + 1);", HUNG, "no progress"),
        exits=("std::exit(9);", GONE, "exit status 9"),
        nonsense=("return VNFC_FORWARD_TO(9);", {"bad_verdict"}, "output 9, but the last one is 0")),
    "python": Language("python", "one.py", PYTHON,
        raises=("raise RuntimeError('oh')", {"exception"}, "RuntimeError: oh"),
        loops=("while True: pass", HUNG, "no progress"),
        exits=("os._exit(9)", GONE, "exit status 9"),
        nonsense=("return 'yes'", {"bad_verdict", "no_verdict", "exception"}, "one.py")),
    "java": Language("java", "One.java", JAVA,
        raises=('throw new RuntimeException("oh");', {"exception"}, "One.java:4 in handle"),
        loops=("while (p.len() > 0) { }", HUNG, "no progress"),
        exits=("System.exit(9);", GONE, "exit status 9"),
        nonsense=("return forward(9);", {"bad_verdict"}, "output 9, but the last one is 0")),
    "javascript": Language("javascript", "one.js", JAVASCRIPT,
        raises=('throw new Error("oh");', {"exception"}, "one.js:3"),
        loops=("for (;;);", HUNG, "no progress"),
        exits=("process.exit(9);", GONE, "exit status 9"),
        nonsense=('return "yes";', {"bad_verdict"}, "handle returned yes")),
    "exec framed": Language("exec", "one", ASKED, more="engine: framed",
        raises=("raise RuntimeError('oh')", GONE, "exit status 1"),
        loops=("while True: pass", HUNG | {"unanswered"}, "said nothing for 0.8 s"),
        exits=("os._exit(9)", GONE, "exit status 9"),
        nonsense=("return verdict(id, 99)", {"no_verdict"}, "verdict 99")),
    "exec coven-socket": Language("exec", "one", SOCKET,
        more="engine: coven-socket, config: {run: [python3, one], input: 8010, output: 8011, patience_ms: 50}",
        raises=("raise RuntimeError('oh')", GONE, "exit status 1"),
        loops=("while True: pass", HUNG | {"not_sent_on", "unread"}, "read nothing for 0.8 s"),
        exits=("os._exit(9)", GONE, "exit status 9"),
        nonsense=("return b'nonsense'", {"not_sent_on"}, "8 bytes that are no packet")),
    "click": Language("click", "one.click", CLICK,
        raises=("sw :: Switch(0) -> ToDevice(next); Script(wait 20ms, write sw.switch x);", set(), "sw.switch"),
        loops=("a :: Null -> b :: Null -> a;", HUNG, "no progress"),
        exits=None,
        nonsense=("Unstrip(100000) -> ToDevice(next);", {"cannot_unstrip"}, "")),
}  # fmt: skip


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def run(folder: Path, language: Language, what: str) -> dict[str, Any]:
    """The figures of a capture through one VNFC; accounted for, whatever it did."""
    if (lacking := missing(language.name)) is not None:
        pytest.skip(str(lacking.found))
    more = f", {language.more}" if language.more else ""
    one = f"{{source: {language.source}, language: {language.name}{more}}}"
    pkg = package(folder / "p", f"vnfcs: {{one: {one}}}\nchain: in -> one -> out\n")
    (pkg / language.source).write_text(language.text.replace("FAULT", what))
    return run_datagrams(folder, pkg, PACKETS)


FAULTS = ("raises", "loops", "exits", "nonsense")
CELLS = [(name, fault) for name in LANGUAGES for fault in FAULTS if getattr(LANGUAGES[name], fault) is not None]


@pytest.mark.parametrize(("name", "fault"), CELLS)
def test_a_fault_costs_packets_of_its_own(tmp_path: Path, name: str, fault: str) -> None:
    what, reasons, said = getattr(LANGUAGES[name], fault)
    status = run(tmp_path, LANGUAGES[name], what)
    assert set(status["dropped"]) <= {f"one.{reason}" for reason in reasons}, status["logs"]
    assert bool(status["dropped"]) == bool(reasons)
    if reasons.isdisjoint(GONE):
        assert sum(status["dropped"].values()) == len(reasons and [BAD]), "that packet, no other"
    assert not said or any(said in entry["line"] for entry in status["logs"]), status["logs"]


@pytest.mark.root
def test_a_killed_host_comes_back(tmp_path: Path) -> None:
    """In a chain of those that are not killed in `test_hosts.py` and `test_exec_faults.py`."""
    sources = {"click": "forward.click", "java": "Forward.java", "javascript": "forward.js"}
    here = [name for name in sources if missing(name) is None]
    vnfcs = "".join(f"  {name}: {{source: {sources[name]}}}\n" for name in here)
    pkg = package(tmp_path / "p", f"vnfcs:\n{vnfcs}chain: in -> {' -> '.join(here)} -> out\n")
    for name in here:
        shutil.copy(FORWARD / sources[name], pkg)
    with KeeperRig(tmp_path / "k", pkg) as rig:
        assert rig.said == {"ok": True}, rig.said
        rig.call("start")
        rig.wait_ping()
        for name in here:
            os.kill(rig.vnfc(name)["pid"], signal.SIGKILL)
            wait_for(partial(came_back, rig, name))
            rig.wait_ping()


def came_back(rig: KeeperRig, name: str) -> bool:
    now = rig.vnfc(name)
    return now["state"] == "running" and now["restarts"] > 0

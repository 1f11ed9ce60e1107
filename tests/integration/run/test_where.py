"""A VNFC that hangs or fails by itself is told with the line where it was, in each language."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from coven.keeper.hosts.where import place
from coven.run.foreground import run_captures
from tests.rigs.packages import capture, package

C = "#include <coven/vnfc.h>\nstatic volatile int go = 1;\nstatic int *volatile none;\n"
JS = 'const { forward } = require("vnfc");\n'
JAVA = "import coven.*;\nclass F extends Vnfc {\n  int n;\n  void spin() {\n    while (n >= 0)\n      n ^= 1;\n  }\n"

#: what ends it: source, its file, its reason, what is said; LINE may be any of the loop's
CASES: dict[str, tuple[str, str, str, str]] = {
    "c": (
        C + "static __attribute__((noinline)) void spin(void)\n{\n\twhile (go)\n\t\t;\n}\n"
        "VNFC_HANDLE { spin(); return VNFC_FORWARD; }\n", "f.c", "hung", r"f\.c:[67]: in spin: no progress",
    ),
    "cpp": (
        C + "namespace deep {\n__attribute__((noinline)) void spin(int)\n{\n\twhile (go)\n\t\t;\n}\n}\n"
        "VNFC_HANDLE { deep::spin(3); return VNFC_FORWARD; }\n", "f.cc", "hung",
        r"f\.cc:[78]: in deep::spin: no progress",
    ),
    "python": (
        "from vnfc import forward\ndef spin():\n    while True:\n        pass\ndef handle(p):\n    spin()\n", "f.py",
        "hung", r"f\.py:[34]: in spin: no progress",
    ),
    "javascript": (
        JS + "function spin() {\n  for (;;);\n}\nexports.handle = (p) => spin();\n", "f.js", "hung",
        r"f\.js:3: in spin: no progress",
    ),
    "javascript-pattern": (
        JS + 'exports.handle = (p) =>\n  /^(a+)+$/.test("a".repeat(60) + "!");\n', "f.js", "hung",
        r"f\.js:3: in exports\.handle: no progress",
    ),
    "java": (
        JAVA + "  @Override public Verdict handle(Packet p) { spin(); return forward(); }\n}\n", "F.java", "hung",
        r"F\.java:[56]: in spin: no progress",
    ),
    "segv": (
        C + "VNFC_HANDLE\n{\n\treturn none[5] ? VNFC_FORWARD : VNFC_BACK;\n}\n", "f.c", "died",
        r"f\.c:6: in VNFC_HANDLE: killed by SIGSEGV \(coven run --debug f keeps its core dump\)",
    ),
    "python-segv": (
        "import ctypes\ndef handle(p):\n    ctypes.string_at(0)\n", "f.py", "died",
        r"f\.py:3: in handle: killed by SIGSEGV",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_where_it_was(tmp_path: Path, name: str) -> None:
    source, file, reason, said = CASES[name]
    if file.startswith("f.c") and os.environ.get("COVEN_SANITIZE"):
        pytest.skip("a host with sanitizers leaves it to them")
    made = package(tmp_path / "p", f"vnfcs: {{f: {{source: {file}}}}}\nchain: in -> f -> out\n")
    (made / file).write_text(source)
    came = capture(tmp_path / "in.pcap", [Ether() / IP(dst="198.51.100.2") / TCP(dport=80)])
    status = run_captures(made / "vnf.yaml", {"in": {"read": str(came)}, "out": {}}, {}, 1)
    assert status["unaccounted"] == 0 and status["dropped"] == {f"f.{reason}": 1}
    lines = [line["line"] for line in status["logs"] if line["vnfc"] == "f"]
    [ended] = [line for line in lines if line.startswith("ended: ")]
    assert re.match(said, ended.removeprefix("ended: ")), lines
    assert not any("vnfc__" in line for line in lines), "names of the SDK's inside are nobody's business"


def test_the_innermost_frame_of_the_package() -> None:
    old = ["Stack (most recent call first):", "    at old.c:1 in spin"]
    of_python = ["Current thread 0x1 (most recent call first):", '  File "/usr/lib/re.py", line 9 in match',
                 '  File "a/f.py", line 4 in <lambda>', '  File "a/f.py", line 8 in handle']  # fmt: skip
    assert place(old) == ("old.c", 1, "spin")
    assert place(old + of_python) == ("a/f.py", 4, "<lambda>")
    assert place([*old, "Stack (most recent call first):"]) is None, "the last one counts"
    assert place(["    at f.js:3 in handle"]) is None, "an exception's stack is none of where it hangs"

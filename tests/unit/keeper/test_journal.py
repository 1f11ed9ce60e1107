"""The journal of a keeper on a disk that fills up."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from coven.keeper.journal import read
from tests.rigs.keeper import ROOT

_FILL = """
import resource, signal, sys
from pathlib import Path
from coven.keeper.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = Journal(Path(sys.argv[1]))
journal.write("first", fill="x" * 50)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
journal.note("second", fill="y" * 50)
try:
    journal.write("third", fill="z" * 50)
except OSError:
    print("told")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
journal.write("fourth")
"""


def test_half_a_line_spoils_no_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _FILL, str(tmp_path / "journal")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "told\n", done.stderr
    assert [entry["act"] for entry in read(tmp_path / "journal")] == ["first", "fourth"]
    assert all(json.loads(line) for line in (tmp_path / "journal").read_text().splitlines())

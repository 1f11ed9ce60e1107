"""Compiled configurations beside the Modular Router's own `click`, where there is one on PATH: the same packets come
out, byte for byte, the handlers say the same, and Print writes the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pps.click.router import find
from tests.rigs.click import mistakes
from tests.rigs.click_beside import ours, theirs
from tests.rigs.click_real_cases import CASES, PACKETS


@pytest.mark.skipif(find() is None, reason="no click of the Click Modular Router on PATH")
@pytest.mark.parametrize("name", CASES)
def test_the_same_as_click(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    packets = PACKETS[case.packets]()
    how = tmp_path, case.text, packets, case.spacing, case.handlers, case.rest
    expected, found = theirs(str(find()), *how), ours(*how)
    for output, made in expected.packets.items():
        assert [p.hex() for p in found.packets[output]] == [p.hex() for p in made], f"output {output}"
    # tables are listed in the order of Click's hashes there, the oldest first here
    tables = {handler: sorted(text.splitlines()) for handler, text in expected.figures.items()}
    assert {handler: sorted(text.splitlines()) for handler, text in found.figures.items()} == tables
    assert found.said == expected.said


def test_these_configurations_compile() -> None:
    for name, case in CASES.items():
        ends = "".join(f"to{n} :: ToDevice(out{n});" for n in range(5) if f"to{n}" in case.text)
        assert mistakes(ends + case.text.replace("FROM ", "FromDevice(in) ")) == [], name

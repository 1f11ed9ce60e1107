"""The exercises of docs/labs: every solution passes, every skeleton fails and says what is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from coven.cli import main as cli
from coven.lab.answers import judge
from coven.lab.check import LABS, digest, exercise, grade

EXERCISES = sorted(path for path in LABS.glob("[0-9]-*"))
each = pytest.mark.parametrize("folder", EXERCISES, ids=lambda path: path.name)
#: what a skeleton's first complaint speaks of
COMPLAINTS = {
    1: "answers.yaml:1: received: found no answer",
    2: "TCP to blocked and to open ports.\npacket 1: expected drop filter.blocked, got forward out",
    3: "packet 1: expected drop filter.marked, got forward out",
    4: "packet 3: expected drop act.guest, got forward out",
    5: "packet 2: expected drop guard.blocked, got forward",
}


def check(number: int, package: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(["lab", "check", str(number), "--package", str(package)])
    said = capsys.readouterr()
    assert "Traceback" not in said.err + said.out
    return status, said.out + said.err


def number_of(folder: Path) -> int:
    return int(folder.name[0])


def test_there_are_five() -> None:
    assert [number_of(folder) for folder in EXERCISES] == [1, 2, 3, 4, 5]
    for folder in EXERCISES:
        text = (folder / "README.md").read_text()
        assert text.index("**Question.**") < text.index("## Do") < text.index("## Hints")
        assert f"coven lab check {number_of(folder)} --package " in text


@each
def test_the_solution_passes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = check(number_of(folder), folder / "solution", capsys)
    assert status == 0, said
    assert "FAILED" not in said
    line = said.strip().splitlines()[-1]
    marks = re.fullmatch(
        rf"coven lab {number_of(folder)} \(.+\): PASSED, (\d+) of (\d+) points, "
        r"package [0-9a-f]{16}, coven [\d.]+, [\d-]+ [\d:]+ UTC", line
    )  # fmt: skip
    assert marks and marks[1] == marks[2]


@each
def test_the_skeleton_fails_with_what_is_missing(folder: Path) -> None:
    """As far as the first point that fails: a student mends that first, too."""
    number = number_of(folder)
    grades = grade(exercise(number), folder / "skeleton")
    failed = next(point for point in grades if point.failures)
    assert COMPLAINTS[number] in "\n".join(failed.failures)


def test_a_failure_is_shown_and_lines_up_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = check(1, EXERCISES[0] / "skeleton", capsys)
    assert status == 1
    assert "FAILED received in answers.yaml\n       answers.yaml:1: received: found no answer" in said
    assert re.search(r"coven lab 1 \(see packets\): FAILED, 1 of 10 points, package", said)


def test_captures_of_a_case_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "x.pcap"
    assert cli.main(["lab", "capture", "2", "--case", "d-ipv6-and-vlan", "-o", str(capture)]) == 0
    assert "4 packets" in capsys.readouterr().out and capture.stat().st_size > 24
    assert cli.main(["lab", "capture", "2", "--case", "d-ipv6", "-o", str(capture)]) == 1
    assert "did you mean d-ipv6-and-vlan?" in capsys.readouterr().err


def test_what_is_no_attempt_is_refused_with_how_to_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, said in (
        (["9"], "1, 2, 3, 4, 5"),
        (["2", "--package", str(tmp_path / "none")], "cp -r"),
        (["5", "--package", str(tmp_path)], "burst.yaml"),
    ):
        assert cli.main(["lab", "check", *words]) == 1
        assert said in capsys.readouterr().err


def attempt(number: int, tmp_path: Path) -> Path:
    source = next(folder for folder in EXERCISES if number_of(folder) == number) / "solution"
    return Path(shutil.copytree(source, tmp_path / "attempt"))


def test_another_name_for_the_vnfc_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = attempt(2, tmp_path)
    text = (package / "vnf.yaml").read_text()
    text = text.replace("  filter:", "  filters:").replace("filter ->", "filters ->")
    (package / "vnf.yaml").write_text(text)
    status, said = check(2, package, capsys)
    assert status == 1 and "did you mean filters?" in said and "exercise 2" in said


def test_what_does_not_build_is_said_once_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package = attempt(3, tmp_path)
    source = package / "filter.c"
    source.write_text(source.read_text().replace("VNFC_FORWARD;", "VNFC_FORWARD"))
    status, said = check(3, package, capsys)
    assert status == 1 and said.count("filter.c:") >= 1 and "coven-lab-check-" not in said
    assert said.count("FAILED a-login with c.yaml") == 1 and "b-probe with c.yaml" not in said


def judged(number: int, package: Path) -> str:
    return "\n".join(text for _, texts in judge(exercise(number).answers, package) for text in texts)


def test_a_ratio_that_cannot_be_is_refused(tmp_path: Path) -> None:
    package = attempt(5, tmp_path)
    (package / "measured.yaml").write_text("single: 1000000\nburst: 900000\nc: 9e12\n")
    said = judged(5, package)
    assert "measured.yaml:2: burst: found 0.90 times single" in said and "c: found 9" in said
    (package / "measured.yaml").write_text("single: 1000000\nburst: 4e6\nc: 6000000.5\n")
    assert judged(5, package) == ""
    (package / "measured.yaml").write_text("[1, 2]")
    assert "KEY: ANSWER" in judged(5, package)


def test_wrong_answers_are_not_given_away(tmp_path: Path) -> None:
    package = attempt(1, tmp_path)
    text = (package / "answers.yaml").read_text()
    text = text.replace("forwarded: 6", "forwarded: 7").replace("9: classifier.no_rule", "9: gate.rule")
    text = text.replace("classifier.no_rule: 1, ", "").replace("packet_3: gate.telnet", "packet_3: 7")
    (package / "answers.yaml").write_text(text)
    said = judged(1, package)
    assert "answers.yaml:2: forwarded: found 7" in said and "packet_9: found" in said
    assert "there are 5 drop names, you have 4" in said and "packet_3: found 7, expected some" in said
    assert "classifier.no_rule" not in said
    (package / "answers.yaml").unlink()
    assert "copy it from the skeleton" in judged(1, package)


def test_the_digest_tells_packages_apart(tmp_path: Path) -> None:
    package = attempt(1, tmp_path)
    before = digest(package)
    (package / "left.pcap").write_bytes(b"made while trying")
    assert digest(package) == before
    (package / "gate.py").write_text("x = 1\n")
    assert digest(package) != before


def test_measure_prints_a_row_for_each_descriptor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coven.lab.measure.ROUNDS", 1)
    package = LABS / "5-make-it-fast" / "solution"
    assert cli.main(["lab", "measure", str(package), "--packets", "16384"]) == 0
    rows = [row.split()[0] for row in capsys.readouterr().out.splitlines()]
    assert rows == ["descriptor", "single", "burst", "c"]
    assert cli.main(["lab", "measure", str(package), "--packets", "10"]) == 1
    assert "--packets" in capsys.readouterr().err

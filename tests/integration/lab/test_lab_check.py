"""The exercises of docs/labs: every solution passes, every skeleton fails and says what is missing."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from coven.cli import main as cli
from coven.lab.answers import judge, judge_figures
from coven.lab.check import Chosen, grade
from coven.lab.exercise import LABS, digest, exercise

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
        r"package [0-9a-f]{16}, check [0-9a-f]{8}, coven [\d.]+, [\d-]+ [\d:]+ UTC", line
    )  # fmt: skip
    assert marks and marks[1] == marks[2]


@each
def test_the_skeleton_fails_with_what_is_missing(folder: Path) -> None:
    """As far as the first point that fails: a student mends that first, too."""
    number = number_of(folder)
    grades = grade(exercise(number), folder / "skeleton")
    failed = next(point for point in grades if point.failures)
    assert COMPLAINTS[number] in "\n".join(failed.failures)


@each
def test_a_skeleton_is_begun_with(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number, mine = str(number_of(folder)), tmp_path / "mine"
    assert cli.main(["lab", "begin", number, str(mine)]) == 0
    assert f"coven lab check {number} --package {mine}" in capsys.readouterr().out
    assert digest(mine) == digest(folder / "skeleton")
    assert cli.main(["lab", "begin", number, str(mine)]) == 1
    assert "something there already" in capsys.readouterr().err
    assert f"coven lab begin {number} " in (folder / "README.md").read_text()


def test_a_failure_is_shown_and_lines_up_for_the_report(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = check(1, EXERCISES[0] / "skeleton", capsys)
    assert status == 1
    assert "FAILED received in answers.yaml\n       answers.yaml:1: received: found no answer" in said
    assert re.search(r"coven lab 1 \(see packets\): FAILED, 4 of 13 points, package", said)


def test_captures_of_a_case_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture = tmp_path / "x.pcap"
    assert cli.main(["lab", "capture", "2", "--case", "d-ipv6-and-vlan", "-o", str(capture)]) == 0
    assert "4 packets" in capsys.readouterr().out and capture.stat().st_size > 24
    assert cli.main(["lab", "capture", "2", "--case", "d-ipv6", "-o", str(capture)]) == 1
    assert "did you mean d-ipv6-and-vlan?" in capsys.readouterr().err


def test_what_is_no_attempt_is_refused_with_how_to_begin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solution = str(EXERCISES[1] / "solution")
    for words, said in (
        (["9"], "1, 2, 3, 4, 5"),
        (["2", "--package", str(tmp_path / "none")], "coven lab begin 2 mine"),
        (["2", "--package", solution, "--case", "a-tpc"], "did you mean a-tcp?"),
        (["2", "--package", solution, "--with", "c.yaml"], "--with: found c.yaml"),
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


def figures(package: Path, text: str, **here: float) -> str:
    """What is wrong with measured.yaml, where the grader measured other than 1, 4 and 5 million packets a second."""
    (package / "measured.yaml").write_text(text)
    measured = {"single": 1e6, "burst": 4e6, "c": 5e6, **here}
    told = judge_figures(exercise(5).measured, package, measured)
    return "\n".join(text for _, texts in told for text in texts)


def test_figures_are_those_of_some_machine(tmp_path: Path) -> None:
    package = attempt(5, tmp_path)
    for text in ("single: 1000000\nburst: 4e6\nc: 5000000.5\n", "single: 100000\nburst: 150000\nc: 2000000\n"):
        assert figures(package, text) == ""
    said = figures(package, "single: 1\nburst: 2\nc: 100\n")
    assert all(f"measured.yaml:{line}: {name}: found" in said for line, name in enumerate(("single", "burst", "c"), 1))
    said = figures(package, "single: 1000000\nburst: 4000000\nc: 100000000\n")
    assert said.startswith("measured.yaml:3: c: found 100.00 times single") and "burst" not in said
    assert "measured.yaml: c: found no figure" in figures(package, "single: 1000000\nburst: 3.9e6\n")
    assert "c: found 9" in figures(package, "single: 1000000\nburst: 4000000\nc: 9e12\n")
    assert "KEY: ANSWER" in figures(package, "[1, 2]")
    (package / "measured.yaml").unlink()
    assert "copy it from the skeleton" in "\n".join(
        text for _, texts in judge_figures(exercise(5).measured, package, {"single": 1.0, "burst": 4.0, "c": 5.0})
        for text in texts
    )  # fmt: skip


def test_a_burst_that_is_none_is_told(tmp_path: Path) -> None:
    said = figures(attempt(5, tmp_path), "single: 1000000\nburst: 1000000\nc: 5000000\n", burst=1.1e6)
    assert said.splitlines()[0] == (
        "burst.yaml: found 1.10 times single, measured just now, expected 1.2 times at least"
    )


def failed(number: int, package: Path, case: str | None = None, descriptor: str | None = None) -> dict[str, str]:
    """What of an attempt fails, and what is said of it."""
    points = grade(exercise(number), package, Chosen(case, descriptor))
    return {point.what: "\n".join(point.failures) for point in points if point.failures}


def test_another_language_than_the_one_asked_for(tmp_path: Path) -> None:
    package = attempt(3, tmp_path)
    text = (package / "c.yaml").read_text()
    (package / "c.yaml").write_text(text.replace("filter.c", "filter.py"))
    told = failed(3, package)
    assert list(told) == ["filter of c.yaml is in c"]
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "filter.c" in each)
    assert f"c.yaml:{line}: vnfcs.filter.source: found filter.py, in python, expected a VNFC in c" in told.popitem()[1]


def test_single_packets_where_bursts_are_asked_for(tmp_path: Path) -> None:
    package = attempt(5, tmp_path)
    (package / "burst.yaml").write_text((package / "burst.yaml").read_text().replace("burst.py", "single.py"))
    told = failed(5, package)
    assert list(told) == ["guard of burst.yaml is in python, with handle_burst", "speed"]
    assert "single.py: found no function handle_burst" in told["guard of burst.yaml is in python, with handle_burst"]


@pytest.mark.parametrize("number, name", [(1, "gate.py"), (1, "vnf.yaml"), (5, "single.py"), (5, "single.yaml")])
def test_files_to_be_left_alone(number: int, name: str, tmp_path: Path) -> None:
    package = attempt(number, tmp_path)
    (package / name).write_text((package / name).read_text() + "# slower\n")
    first = next(point for point in grade(exercise(number), package) if point.failures)
    assert first.what == f"{name} as it was given" and "expected the file of the skeleton" in first.failures[0]


def test_answers_to_the_known_packets_alone_do_not_do(tmp_path: Path) -> None:
    package = attempt(2, tmp_path)
    (package / "filter.py").write_text("""
from vnfc import config, drop, forward, reason
blocked = reason("blocked", "")
def handle(packet):
    ports = (80, 443) if 80 in config.block else (23, 8080)
    segment = packet.tcp or packet.udp
    return drop(blocked) if segment and segment.dport in ports else forward()
""")
    told = failed(2, package)
    assert list(told) == ["g-drawn with vnf.yaml"] and "got forward" in told["g-drawn with vnf.yaml"]


def test_each_part_does_its_own_part(tmp_path: Path) -> None:
    """An analyzer that looks at nothing, and a filter that looks at all."""
    package = attempt(3, tmp_path)
    all_ = (package / "analyzer.py").read_text().replace("import forward", "import drop, forward, reason")
    all_ = all_.replace("def handle", "marked = reason('marked', '')\n\n\ndef handle")
    all_ = re.sub(r"packet.context\[0\] = \w+", "return drop(marked)", all_)
    (package / "filter.py").write_text(all_)
    (package / "analyzer.py").write_text("from vnfc import forward\ndef handle(packet):\n    return forward()\n")
    told = failed(3, package)
    assert "d-acts-on-the-mark with stamped.yaml" in told and "a-login with witnessed.yaml" in told
    assert "a-login with vnf.yaml" not in told and "e-drawn with vnf.yaml" not in told


def test_a_failed_case_is_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = Path(shutil.copytree(EXERCISES[1] / "skeleton", tmp_path / "my firewall"))
    status, said = check(2, package, capsys)
    again = f"coven lab check 2 --package '{package}' --case a-tcp --with vnf.yaml --explain"
    assert status == 1 and f"       configuration: filter.block=[23, 8080]\n       again: {again}\n" in said
    status = cli.main(shlex.split(again)[1:])
    said = capsys.readouterr().out
    assert status == 1 and said.count("in: filter forward -> out") == 6 and "points" not in said
    # the same lot is drawn for the same package, and its packets can be had
    captures = [tmp_path / "1.pcap", tmp_path / "2.pcap"]
    for capture in captures:
        words = ["lab", "capture", "2", "--case", "g-drawn", "--package", str(package), "-o", str(capture)]
        assert cli.main(words) == 0
    said = capsys.readouterr().out
    assert captures[0].read_bytes() == captures[1].read_bytes()
    assert "packets by other ports are not in it" in said and "--set 'filter.block=[" in said


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
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("coven.lab.measure.ROUNDS", 1)
    package = attempt(5, tmp_path)
    assert cli.main(["lab", "measure", str(package), "--packets", "16384"]) == 0
    rows = [row.split()[0] for row in capsys.readouterr().out.splitlines()]
    assert rows == ["descriptor", "single", "burst", "c"]
    assert cli.main(["lab", "measure", str(package), "--packets", "10"]) == 1
    assert "--packets" in capsys.readouterr().err
    # what was measured stays, whatever becomes of another
    (package / "guard.c").write_text("int x\n")
    assert cli.main(["lab", "measure", str(package), "--packets", "16384"]) == 1
    said = capsys.readouterr()
    assert [row.split()[0] for row in said.out.splitlines()] == ["descriptor", "single", "burst"]
    assert "c.yaml: not measured:" in said.err and "guard.c:" in said.err


def test_an_interrupted_measurement_shows_what_it_has(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def rates(descriptor: Path, packets: int) -> float:
        if descriptor.name == "c.yaml":
            raise KeyboardInterrupt
        return 1e6

    monkeypatch.setattr("coven.lab.measure.rates", rates)
    assert cli.main(["lab", "measure", str(LABS / "5-make-it-fast" / "solution")]) == 130
    assert [row.split()[0] for row in capsys.readouterr().out.splitlines()] == ["descriptor", "single", "burst"]

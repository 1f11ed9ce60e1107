"""Languages that need more than Coven itself: what is said, and refused, where that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.cases.runner import main_test
from coven.cli.doctor import examine
from coven.package.descriptor import load
from coven.package.languages import unavailable
from pps.frameworks import FRAMEWORKS, missing

TEXT = 'name: x\nversion: "1.0.0"\nvnfcs:\n  one: {{source: one.{}}}\nchain: in -> one -> out\n'


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(("suffix", "found"), [("java", "no javac"), ("js", "no node"), ("py", None)])
def test_only_packages_that_need_it_are_refused(tmp_path: Path, suffix: str, found: str | None) -> None:
    (tmp_path / f"one.{suffix}").touch()
    (tmp_path / "vnf.yaml").write_text(TEXT.format(suffix))
    mistakes = unavailable(load(tmp_path / "vnf.yaml"))
    if found is None:
        assert mistakes == []
        return
    [mistake] = mistakes
    assert (mistake.line, mistake.field, mistake.found) == (4, "vnfcs.one.language", found)
    assert "apt install" in str(mistake.remedy)


@pytest.mark.usefixtures("nothing_installed")
def test_doctor_notes_it() -> None:
    notes = {each.what: each for each in examine() if each.what.startswith("VNFCs in")}
    for language in ("java", "javascript"):
        assert notes[f"VNFCs in {language}"].level == "note"


@pytest.mark.usefixtures("nothing_installed")
def test_cases_pass_over_such_a_descriptor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "one.js").touch()
    (tmp_path / "js.yaml").write_text(TEXT.format("js"))
    case = tmp_path / "tests" / "all"
    case.mkdir(parents=True)
    (case / "in.py").write_text("def packets():\n    return []\n")
    (case / "expect.yaml").write_text("received: 0\n")
    assert main_test(tmp_path) == 1
    assert "skip   js.yaml: no node" in capsys.readouterr().out


def test_languages_that_need_nothing() -> None:
    need_nothing = [language for language, framework in FRAMEWORKS.items() if not framework.needs]
    assert need_nothing == ["c", "python", "click", "exec"]
    assert all(missing(language) is None for language in need_nothing)

"""The Java host, a real process at a fake forwarder: what test_contract.py does not try, since it is Java's alone."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from itf.segment import C
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.java import FRAMEWORK, MISSING, WHY, build, component, host
from tests.rigs.python_host import tcp, verdicts

pytestmark = pytest.mark.skipif(MISSING is not None, reason=WHY)


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (component("public Verdict handle(Packet p) { return forward() }"), (4, 51), "';' expected"),
        (component("Verdict v = forwrd();"), (4, 13), "cannot find symbol"),
        ("import coven.*;\nclass Other { }\n", (None, None), "no class extends Vnfc"),
    ],
)
def test_mistakes_of_the_source(
    tmp_path: Path, text: str, place: tuple[int | None, int | None], found: str
) -> None:
    _, [error] = build(tmp_path, text)
    assert (error["file"], error["line"], error["column"]) == ("Component.java", *place)
    assert found in error["found"]


@pytest.mark.parametrize(
    ("body", "line", "found"),
    [
        ("", 0, "neither handle nor handleBurst"),
        ('Reason r = reason("Big", "why");', 4, "Big"),
        ("Object o = List.of().get(0);\npublic Verdict handle(Packet p) { return back(); }", 4, "IndexOutOf"),
        ("static Object o = null;\nstatic { o.toString(); }\npublic void handleBurst(Burst b) { }", 5, "Null"),
        ("public void handleBurst(Burst b) { }\n@Request Object x(List<?> y) { return 1; }", 0, "argument y is a"),
    ],
)
def test_mistakes_at_the_start(tmp_path: Path, body: str, line: int, found: str) -> None:
    artifact, errors = build(tmp_path, component(body))
    assert not errors
    with FakeForwarder(FRAMEWORK.host_command(artifact, "x")) as running:
        failed = running.init()
        assert failed["op"] == "failed"
        [error] = failed["errors"]
        assert found in error["found"] and error["file"] == "Component.java"
        assert error.get("line", 0) == line
        assert running.process.wait(60) == 1


def test_vendor_jars(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "Five.java").write_text("package five; public class Five { public static int five() { return 5; } }")
    (tmp_path / "vendor").mkdir()
    for command in (
        ["javac", "-d", str(library), str(library / "Five.java")],
        ["jar", "--create", "--file", str(tmp_path / "vendor" / "five.jar"), "-C", str(library), "five"],
    ):
        subprocess.run(command, check=True)
    body = "public Verdict handle(Packet p) { return forward(five.Five.five()); }"
    with host(tmp_path, body) as running:
        running.send(tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 5)]

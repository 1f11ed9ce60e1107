"""The firewall's filter in every language: one behaviour, tried on each at a played forwarder."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from itf.segment import C
from pps.frameworks import FRAMEWORKS, language_of
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.languages import here
from tests.rigs.python_host import tcp

FIREWALL = Path(__file__).resolve().parents[3] / "packages" / "l7-firewall"
SOURCES = ("filter.c", "filter.py", "filter.click", "Filter.java", "filter.js")
WEB = tcp()


def start(folder: Path, source: str) -> FakeForwarder:
    language = language_of(source)
    if language not in here():
        pytest.skip(f"{language} is not installed here")
    assert language is not None
    framework = FRAMEWORKS[language]()
    artifact = folder / framework.artifact_name("filter")
    command = framework.build_command([FIREWALL / source], FIREWALL, artifact, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return FakeForwarder(framework.host_command(artifact, "filter"), name="filter")


@pytest.mark.parametrize("source", SOURCES)
def test_it_drops_what_is_marked(tmp_path: Path, source: str) -> None:
    with start(tmp_path, source) as host:
        ready = host.init({"observe": False})
        assert ready["op"] == "ready", host.close()
        [marked] = [number for number, name in host.reasons().items() if name == "marked"]

        def verdict(rule: int) -> tuple[int, int]:
            host.send(WEB, context=bytes([rule]))
            [back] = host.collect(1)
            assert back.data == WEB and back.context[0] == rule
            return back.verdict, back.arg

        def ask(name: str, *args: Any) -> Any:
            return host.ask("request", name=name, args=list(args))

        assert verdict(0) == (C.VERDICT_FORWARD, 0)
        assert verdict(4) == verdict(255) == (C.VERDICT_DROP, marked)
        assert host.ask("configure", config={"observe": True})["ok"]
        assert verdict(4) == verdict(0) == (C.VERDICT_FORWARD, 0)
        assert host.ask("configure", config={"observe": False})["ok"]
        assert verdict(4) == (C.VERDICT_DROP, marked)
        if source == "filter.click":  # its handlers are its requests
            assert int(ask("hits.count")["value"]) == 4
        else:
            assert {request["name"] for request in ready["requests"]} == {"hits", "reset"}
            assert [ask("hits", *args)["value"] for args in ([], [4], [6])] == [4, 3, 0]
            assert not ask("hits", 256)["ok"]
            assert host.metrics()["marked_packets"].value == 4
            assert host.metrics()["marked_bytes"].value == 4 * len(WEB)
            assert ask("reset")["ok"] and ask("hits")["value"] == 0
        assert host.end() == 0

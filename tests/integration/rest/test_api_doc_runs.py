"""The lines of docs/api.md, every call, are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

from coven.rest.api import ROUTES
from tests.integration.agent.test_agent import DESCRIPTOR, package
from tests.integration.rest.test_notifications import Subscriber
from tests.rigs.agent import ROOT, Agent, declared
from tests.rigs.keeper import wait_for

BLOCK = re.search(r"```sh calls\n(.*?)```", (ROOT / "docs" / "api.md").read_text(), re.S)
_MARK = "\n%{method} %{response_code} %{url_effective} %header{location}"
#: what later lines name, by the path that answers with it
KEPT = {"/v1/vnfs": {"VNF": "id", "VNFD": "vnfd_id"}, "/v1/vnfs/fw/": {"OP": "id"},
        "/vnfind/v1/subscriptions": {"SUB": "id"}, "/v1/tokens": {"SECRET": "token"},
        "/lcmcoord/v1/coordinations": {"CO": "id"}, "/vnflcm/v2/vnf_instances": {"NEW": "id"},
        "/vnflcm/v2/subscriptions": {"LCM": "id"}, "/vnffm/v1/subscriptions": {"FM": "id"},
        "/vnfpm/v2/pm_jobs": {"JOB": "id"}, "/vnfpm/v2/thresholds": {"LIMIT": "id"}}  # fmt: skip


def test_every_call(agent: Agent, tmp_path: Path) -> None:
    assert BLOCK is not None
    agent.stop()
    agent.notify = ["127.0.0.1"]
    agent.start()
    (tmp_path / "fw.zip").write_bytes(package(DESCRIPTOR + "coordination: [a.hits]\n"))
    subscriber = Subscriber()
    known = {**os.environ, "A": agent.url, "T": f"Authorization: Bearer {agent.token}",
             "J": "Content-Type: application/json", "CALLBACK": subscriber.uri}  # fmt: skip
    called = set()
    try:
        (agent.state / "run" / "unwell").write_text('{"figures": {"unaccounted": 1}}')
        for line in filter(None, re.sub(r"\\?\n +", " ", BLOCK[1]).splitlines()):
            command, _, expected = line.rpartition("#")
            if "$ALARM" in command and "ALARM" not in known:
                known["ALARM"] = wait_for(lambda: agent.ask("GET", "/vnffm/v1/alarms")[1])[0]["id"]
            words = command.replace("curl ", f"curl -gsS -m 60 -w '{_MARK}' ", 1)
            done = subprocess.run(["bash", "-euc", words], cwd=tmp_path, env=known, capture_output=True, text=True)
            assert done.returncode == 0, (line, done.stderr)
            text, _, mark = done.stdout.rpartition("\n")
            method, status, url, place = mark.split(" ", 3)
            path = url.removeprefix(agent.url).partition("?")[0]
            assert status == expected.strip(), (line, text)
            declared(method, path, int(status))
            called |= {route.path + method for route in ROUTES if route.method == method and
                       re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route.path), path)}  # fmt: skip
            if method == "POST":
                for start, names in KEPT.items():
                    if path == start or (start.endswith("/") and path.startswith(start) and status == "202"):
                        known.update({name: json.loads(text)[key] for name, key in names.items()})
            if "/vnf_lcm_op_occs/" in place:
                known["OCC"] = place.rpartition("/")[2]
    finally:
        subscriber.close()
    assert [f"{route.method} {route.path}" for route in ROUTES if route.path + route.method not in called] == []

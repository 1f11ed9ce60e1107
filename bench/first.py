"""How long it takes from the start request to the first packet through; the device is an agent."""

from __future__ import annotations

import json
import time
from typing import Any

from bench.rig import INTERFACES, Dut, Rig, RigError, Sink, Traffic

URL = "http://127.0.0.1:8080/v1"
PACKAGE = "packages/l7-firewall"
LIMIT = 10.0  #: seconds


def first(at: Rig, dut: Dut, sink: Sink, traffic: Traffic) -> dict[str, Any]:
    """Deploy, stop, send, start: seconds between the start request and the first frame. After that the same
    from a terminated VNF, instantiation (of what is built) included, as `instantiated`."""
    token = _wait_for(lambda: (dut.state / "token").read_text().strip(), dut)
    header = dut.state / "header"
    header.write_text(f"Authorization: Bearer {token}\n")
    place = at.places["dut"]

    def ask(method: str, path: str, body: Any = None) -> Any:
        words = ["curl", "-sSf", "-X", method, "-H", f"@{header}", URL + path]
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        text = place.run(*words).stdout
        return json.loads(text) if text else None

    def operate(what: str, body: Any = None) -> None:
        operation = ask("POST", f"/vnfs/bench/{what}", body)
        while operation["state"] in ("STARTING", "PROCESSING", "ROLLING_BACK"):
            operation = ask("GET", f"/operations/{operation['id']}?wait=20")
        if operation["state"] != "COMPLETED":
            raise RigError(f"{what}: {operation['state']}: {operation.get('errors')}")

    ports = {"ports": {name: {"interface": interface} for name, interface in INTERFACES.items()}}
    archive = dut.state / "package.zip"
    place.run(".venv/bin/coven", "pack", PACKAGE, "-o", str(archive))
    words = ["curl", "-sSf", "-H", f"@{header}", "-H", "Content-Type: application/zip"]
    said = place.run(*words, "--data-binary", f"@{archive}", URL + "/packages").stdout
    ask("POST", "/vnfs", {"name": "bench", "package": json.loads(said)["id"]})
    operate("instantiate", ports)
    found = {}
    for name in ("value", "instantiated"):
        generator = at.send(traffic)
        time.sleep(0.2)
        before, start = sink.read()["frames"], time.monotonic()
        if name == "instantiated":
            operate("instantiate", ports)
        ask("POST", "/vnfs/bench/start")
        while sink.read()["frames"] == before:
            if time.monotonic() - start > LIMIT:
                raise RigError(f"no frame came through within {LIMIT:g} s of the start request")
            time.sleep(0.001)
        found[name] = time.monotonic() - start
        generator.terminate()
        generator.communicate()
        operate("stop")
        if ask("GET", "/vnfs/bench/stats")["unaccounted"]:
            raise RigError("packets are unaccounted for")
        operate("terminate")
    return found


def _wait_for(what: Any, dut: Dut) -> Any:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        dut.check()
        try:
            return what()
        except OSError:
            time.sleep(0.02)
    raise RigError(f"{dut.name} did not come up: see {dut.log}")

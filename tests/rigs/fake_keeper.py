"""A keeper without a VNF: speaks the socket protocol of docs/architecture.md, so that tests of the agent need
no forwarder. It misbehaves as the VNF's configuration asks: `{"a": {"mode": ...}}`.
"""

from __future__ import annotations

import json
import os
import signal
import socketserver
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

from coven.keeper.client import CALL_SECONDS, STATISTICS
from itf.statistics import Statistics

DIRECTORY = Path(sys.argv[sys.argv.index("--directory") + 1])
PLAN = json.loads((DIRECTORY / "plan.json").read_text())
figures = Statistics.make(PLAN["name"], 1)
(DIRECTORY / STATISTICS).unlink(missing_ok=True)
(DIRECTORY / STATISTICS).symlink_to(f"/proc/{os.getpid()}/fd/{figures.fd}")
started = False
turns = threading.Lock()  #: one start or stop after the other
config = PLAN["config"]
paths: list[dict[str, Any]] = PLAN["paths"] or []


def mode() -> str:
    """How it misbehaves; a file `mode` beside its folder says otherwise."""
    instead = DIRECTORY.parent / "mode"
    return instead.read_text() if instead.exists() else str(PLAN["config"].get("a", {}).get("mode", ""))


def unusable() -> list[str]:
    """Interfaces that cannot be opened: the file `unusable` names them."""
    named = DIRECTORY.parent / "unusable"
    bound = [port.get("interface") for port in PLAN["ports"].values()]
    return [each for each in (named.read_text().split() if named.exists() else []) if each in bound]


def say(record: dict[str, Any]) -> None:
    os.write(1, json.dumps(record).encode() + b"\n")


def mistake(found: str) -> dict[str, Any]:
    return {"ok": False, "errors": [{"file": "a.py", "line": 3, "field": "a", "found": found}]}


def state() -> str:
    return "STARTED" if started else "STOPPED"


def offered() -> list[dict[str, Any]]:
    def own(name: str, why: str = "", unit: str = "", args: Any = (), changes: bool = False) -> dict[str, Any]:
        return {"name": name, "why": why, "unit": unit, "args": list(args), "changes": changes}

    adding = [{"name": "x", "type": "int"}, {"name": "y", "type": "int", "default": 1}]
    requests = [own("hits", "packets seen", "packets"), own("add", "a sum", args=adding), own("sleep"),
                own("reset", "begin anew", changes=True)]  # fmt: skip
    standard = {"list": "what may be asked of it", "health": "how it is, since when and why",
                "metrics": "what its author counts"}  # fmt: skip
    return [*({**each, "standard": False} for each in requests),
            *({**own(name, why), "standard": True} for name, why in standard.items())]  # fmt: skip


def answer(request: dict[str, Any]) -> dict[str, Any]:
    global started, paths
    op = request["op"]
    if op in ("status", "stats"):
        counts = dict.fromkeys(("received", "originated", "cloned", "forwarded", "consumed"), 0)
        ends = {"dropped": {}, "in_flight": 0, "unaccounted": 0}
        figures = {**counts, **ends}
        health = {"state": "ready", "since": "2026-01-02T03:04:05Z", "why": None}
        vnfcs = {
            name: {
                **figures, "language": "python", "state": "running", "pid": os.getpid(), "restarts": 0, "bogus": 0,
                "backoff_seconds": None,
                "metrics": {}, "confinement": "full", "engine": None, "memory_limit": "rlimit", "held": 0,
                "exceptions": 0, "log_lines_suppressed": 0, "health": {**health, "says": None},
                "requests": {"asked": 0, "timed_out": 0, "seconds": 0.0},
            }
            for name in config
        }  # fmt: skip
        ports = {
            name: {**ends, "backend": "af_packet", "why": "fake", "interface": name, "link": "up", "link_since": None,
                   "mtu": 1500, "incomplete": False, "trouble": [], "received": 0, "sent": 0, "bytes_in": 0,
                   "bytes_out": 0, "health": health}
            for name in PLAN["ports"]
        }  # fmt: skip
        forwarder = {"pid": None, "state": "running", "restarts": 0, "silent_seconds": 0.0, "why": None}
        told = DIRECTORY.parent / "unwell"  # how parts are: {"vnfcs": {"a": {"state": "down", ...}}}
        unwell = json.loads(told.read_text()) if told.exists() else {}
        for name, parts in (("vnfcs", vnfcs), ("ports", ports)):
            for part, how in unwell.get(name, {}).items():
                parts[part]["health"] = {**parts[part]["health"], **how}
        figures = {**figures, **unwell.get("figures", {})}
        return {"ok": True, "name": PLAN["name"], "state": state(), "operation": None, "forwarder": forwarder,
                "statistics": None,
                **figures, "estimated": False, "time_ns": 0, "ports": ports, "vnfcs": vnfcs,
                "classifier": figures, "nsh": figures, "explanations": {}, "health": health}  # fmt: skip
    if op == "ping":
        return {"ok": True, "state": state(), "forwarder": "failed" if mode() == "stuck" else "running"}
    if op in ("start", "stop"):
        if f"exit-{op}" == mode():
            os._exit(1)
        if f"refuse-{op}" == mode():
            return mistake("no wish to")
        if f"freeze-{op}" == mode():
            os.kill(os.getpid(), signal.SIGSTOP)
            threading.Event().wait()  # this thread may run on for a moment
        with turns:
            if f"slow-{op}" == mode():
                time.sleep(CALL_SECONDS + 1)
            started = op == "start"
        return {"ok": True}
    if op == "configure":
        if any(each.get("mode") == "refuse-configure" for each in request["configs"].values()):
            return mistake("not that")
        config.update(request["configs"])
        return {"ok": True}
    if op == "paths":
        paths = request.get("paths") or paths
        return {"ok": True, "paths": paths}
    if op == "list":
        requests = offered()
        return {"ok": True, "requests": dict.fromkeys(config, requests), "config": config}
    if op == "request":
        if request["name"] == "sleep":
            return {"ok": False, "timeout": True}
        if request["name"] == "list":
            return {"ok": True, "value": offered()}
        return {"ok": True, "value": sum(request["args"]) if request["name"] == "add" else 42}
    if op == "logs":
        return logs(request)
    if op == "trace":
        return {"ok": True, "packets": [], "lost": 0, "passed": 0, "next": "ab.0.0.0"}
    if op == "capture":
        return {"ok": True}
    if op == "why":
        return {"ok": True, "packet": None}
    if op == "end":
        (DIRECTORY / "keeper.sock").unlink()
        threading.Timer(0.05, os._exit, (0,)).start()
        return {"ok": True}
    return mistake(op)


def logs(request: dict[str, Any]) -> dict[str, Any]:
    """As many lines as are asked for; after an answer's `next` those of the file `said`, which tests write."""
    who, said = request.get("vnfc") or "a", DIRECTORY.parent / "said"
    keeper, _, number = request.get("after", "").rpartition(".")
    if not keeper:
        lines = [{"number": n + 1, "time": 1.5, "vnfc": who, "line": str(n)} for n in range(request["lines"])]
        return {"ok": True, "lines": lines, "missed": False, "next": f"{os.getpid()}.1.0"}
    end = time.monotonic() + request.get("wait", 0)
    missed = keeper != f"{os.getpid()}.1"
    seen = 0 if missed else int(number)
    while True:
        texts = said.read_text().splitlines() if said.exists() else []
        if len(texts) > seen or time.monotonic() >= end:
            break
        time.sleep(0.01)
    lines = [{"number": n, "time": 1.5, "vnfc": who, "line": text} for n, text in enumerate(texts, 1) if n > seen]
    return {"ok": True, "lines": lines, "missed": missed, "next": f"{os.getpid()}.1.{max(seen, len(texts))}"}


SECTION = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)


class Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            request = json.loads(line)
            self.wfile.write(json.dumps({"id": request["id"], **answer(request)}).encode() + b"\n")
            if request["op"] == "capture":  # what follows is pcapng, until the connection ends
                self.wfile.write(SECTION)
                return


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


def main() -> None:
    with (DIRECTORY.parent / "spawned").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if mode() == "die":
        print("Segmentation fault", file=sys.stderr)
        sys.exit(1)
    if mode() == "refuse":
        say(mistake("a syntax error"))
        sys.exit(1)
    for interface in unusable():
        say(mistake(f"{interface} cannot be opened"))
        sys.exit(1)
    say({"progress": "building a"})
    if mode() == "slow":
        gate = os.open(DIRECTORY.parent / "gate", os.O_RDONLY)  # a FIFO: opens when the test does
        os.close(gate)
    folder = os.open(DIRECTORY, os.O_PATH)
    with Server(f"/proc/self/fd/{folder}/keeper.sock", Handler) as server:
        say({"ok": True})
        server.serve_forever()


main()

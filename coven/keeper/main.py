"""The keeper: the process that holds one running VNF. `python -m coven.keeper --directory DIR`.

It comes up with its VNF instantiated, or says why it could not be and undoes everything. Then it serves
`DIR/keeper.sock`, one JSON object a line each way (docs/architecture.md), until `end` or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from agents.explain import RATE
from coven.base.folder_lock import hold
from coven.base.plain import parse
from coven.keeper import journal
from coven.keeper.events import Events
from coven.keeper.hosts.asked import REQUEST_SECONDS, fitted
from coven.keeper.hosts.asked import request as ask
from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.state import State
from coven.keeper.journal import JOURNAL
from coven.keeper.life import hosting
from coven.keeper.life.reconfigure import Reconfiguring
from coven.keeper.life.standard import STANDARD, offered
from coven.keeper.life.upgrade import Upgrade
from coven.keeper.life.vnf import Vnf
from coven.keeper.logs import PLATFORM, Answers, Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import PLAN, Plan
from coven.keeper.watching.captures import Captures
from coven.keeper.watching.tracing import Traces
from coven.keeper.watching.why import Why
from coven.package.zips import NO_SPACE
from itf import limits
from itf.mistakes import Kind, Mistake, Refused

SOCKET, LOG = "keeper.sock", "log"
LINE_BYTES = 1 << 20
CLIENTS = 64

Reply = Callable[[dict[str, Any]], None]


def refusal(mistakes: list[Mistake], kind: Kind = Kind.INVALID) -> dict[str, Any]:
    """UNAVAILABLE for what is worth trying again."""
    return {"ok": False, "kind": kind.name, "errors": [mistake.as_dict() for mistake in mistakes]}


def fault(problem: Exception) -> Mistake:
    """A fault of ours, as an answer."""
    found = f"a fault of the keeper: {type(problem).__name__}: {problem}"
    return Mistake(found=found, remedy="the log of the VNF says where")


def _running(host: HostProcess, field: str, title: str) -> None:
    """Raises Refused when there is nobody to ask."""
    if host.state == State.RUNNING:
        return
    soon = host.state in (State.STARTING, State.DOWN)
    raise Refused(
        Mistake(field=field, found=f"the VNFC is {host.state}", expected="a running VNFC",
                remedy="try again in a moment" if soon else "coven start brings it back"),
        title=title, kind=Kind.UNAVAILABLE if soon else Kind.CONFLICT,
    )  # fmt: skip


class Client:
    """One connection: requests in, answers out, neither blocking."""

    def __init__(self, connection: socket.socket, keeper: Keeper):
        self.connection = connection
        self.keeper = keeper
        self.loop = keeper.loop
        self._in = bytearray()
        self._out = bytearray()
        connection.setblocking(False)
        self.loop.read(connection, self._ready)
        self._open = True

    def _ready(self) -> None:
        self._write()
        while self._open:
            try:
                data = self.connection.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                return
            self._in += data
            *lines, rest = self._in.split(b"\n")
            self._in = bytearray(rest)
            for line in lines:
                self._take(bytes(line))
            if len(self._in) > LINE_BYTES:
                self.close()

    def _take(self, line: bytes) -> None:
        try:
            request = parse(line)
            number = request.get("id")
        except (ValueError, AttributeError):
            self._answer(None, refusal([Mistake(found="no JSON object", expected="one a line")]))
            return
        if request.get("op") == "capture":
            self._become_stream(request, number)
            return
        self.keeper.operate(request, lambda answer: self._answer(number, answer))

    def _become_stream(self, request: dict[str, Any], number: Any) -> None:
        """Answer that it begins; from then on the connection is a capture's."""
        captures = self.keeper.captures
        try:
            asked = captures.judge(request)
            captures.check_room()
        except Refused as refused:
            self._answer(number, refusal(refused.mistakes, refused.kind))
            return
        self._answer(number, {"ok": True})
        if not self._open or self._out:  # it does not even read that
            self.close()
            return
        try:
            captures.begin(asked, self.connection.fileno())
        except (Refused, OSError) as problem:  # who reads finds nothing there
            self.keeper.logs.say(PLATFORM, f"a capture did not begin: {problem}")
        self.close()

    def _answer(self, number: Any, answer: dict[str, Any]) -> None:
        if not self._open:
            return
        try:
            raw = json.dumps({"id": number, **answer}, allow_nan=False).encode()
        except (ValueError, TypeError, RecursionError) as problem:
            raw = json.dumps({"id": number, **refusal([fault(problem)])}).encode()
        self._out += raw + b"\n"
        self._write()

    def _write(self) -> None:
        if not self._out:
            return
        try:
            sent = self.connection.send(self._out)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        del self._out[:sent]
        if self._out:
            self.loop.read_write(self.connection, self._ready)
        else:
            self.loop.read_only(self.connection, self._ready)

    def flush(self) -> None:
        """Before the end: what is left of an answer, if the other one reads."""
        if self._open and self._out:
            self.connection.settimeout(1.0)
            with suppress(OSError):
                self.connection.sendall(self._out)

    def close(self) -> None:
        if self._open:
            self._open = False
            self.loop.forget(self.connection)
            self.connection.close()
            self.keeper.clients.discard(self)


class Keeper:
    """Serves one running VNF's socket."""

    def __init__(self, directory: Path, vnf: Vnf, loop: Loop, logs: Logs):
        self.directory = directory
        self.vnf = vnf
        self.loop = loop
        self.logs = logs
        self.clients: set[Client] = set()
        identity = f"{os.getpid()}.{journal.start_time(os.getpid())}"
        self.events = Events(identity)
        self.traces = Traces(vnf)
        self.captures = Captures(vnf)
        vnf.ports.on_back = lambda port, interface: self.events.add(port=port, interface=interface)
        self._ended: list[Reply] = []
        self._reconfiguring = Reconfiguring()
        self._operations: dict[str, Callable[[dict[str, Any], Reply], None]] = {
            "status": self._status,
            "stats": self._status,
            "start": lambda request, reply: vnf.start(self._mistakes_to(reply), request.get("missing") is True),
            "stop": lambda request, reply: vnf.stop(self._mistakes_to(reply)),
            "upgrade": self._upgrade,
            "configure": self._configure,
            "paths": self._paths,
            "abandon": self._abandon,
            "ping": self._ping,
            "list": self._list,
            "request": self._request,
            "logs": Answers(logs, loop, identity).ask,
            "trace": self._trace,
            "why": self._why,
            "events": self._wait_for_events,
            "end": self._end,
        }

    def listen(self) -> socket.socket:
        """The socket, for its owner only."""
        directory = self.directory
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # a folder's name may be longer than a socket's may be
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        (directory / SOCKET).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server.bind(f"/proc/self/fd/{folder}/{SOCKET}")
        finally:
            os.umask(before)
            os.close(folder)
        server.listen(16)
        server.setblocking(False)
        self.loop.read(server, lambda: self._accept(server))
        return server

    def _accept(self, server: socket.socket) -> None:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        if len(self.clients) >= CLIENTS:
            connection.close()
            return
        self.clients.add(Client(connection, self))

    def operate(self, request: dict[str, Any], reply: Reply) -> None:
        """Do what a request says; `reply` gets the answer, now or later."""
        operation = self._operations.get(str(request.get("op")))
        if operation is None:
            known = ", ".join(self._operations)
            reply(refusal([Mistake(field="op", found=str(request.get("op"))[:60], expected=f"one of {known}")]))
            return
        try:
            operation(request, reply)
        except Refused as refused:
            reply(refusal(refused.mistakes, refused.kind))
        except Exception as problem:  # of one operation: the VNF runs on
            self.logs.say(PLATFORM, "".join(traceback.format_exception(problem)))
            reply(refusal([fault(problem)], Kind.FAULT))

    @staticmethod
    def _mistakes_to(reply: Reply) -> Callable[[list[Mistake]], None]:
        return lambda mistakes: reply(refusal(mistakes) if mistakes else {"ok": True})

    def _status(self, request: dict[str, Any], reply: Reply) -> None:
        """The figures as they are now, with what the kernel counted; after a moment, as the forwarder left them."""

        def complete() -> None:
            self.vnf.figures.asked()
            try:
                answer = {"ok": True, **self.vnf.status()}
            except TimeoutError as problem:
                mistake = Mistake(found=str(problem), remedy="try again in a moment")
                answer = refusal([mistake], Kind.UNAVAILABLE)
            except Exception as problem:  # what VNFCs write is theirs
                answer = refusal([fault(problem)])
            reply(answer)

        self.vnf.forwarder.reports.ask(complete)

    def _host(self, request: dict[str, Any]) -> HostProcess:
        name = request.get("vnfc")
        host = self.vnf.hosts.get(name) if isinstance(name, str) else None
        if host is None:
            known = ", ".join(self.vnf.hosts) or "none: the VNF has no VNFC"
            raise Refused(Mistake(field="vnfc", found=str(name)[:60], expected=f"one of {known}"))
        return host

    def _upgrade(self, request: dict[str, Any], reply: Reply) -> None:
        """Become what another plan says; answers when it is so, or when everything is as it was."""

        def answer(mistakes: list[Mistake]) -> None:
            if not mistakes:
                with suppress(OSError):  # a full disk: whoever looks for the plan asks us
                    self.vnf.plan.write(self.directory / PLAN)
            reply(refusal(mistakes) if mistakes else {"ok": True})

        Upgrade(self.vnf, Plan.judged(request.get("plan")), answer).begin()

    def _ping(self, request: dict[str, Any], reply: Reply) -> None:
        vnf = self.vnf
        used = {vnf.plan.package, *(host.loads_from for host in vnf.hosts.values() if host.loads_from)}
        reply({"ok": True, "state": vnf.state, "forwarder": vnf.forwarder.watch.state,
               "package": str(vnf.plan.package), "packages": sorted(map(str, used)),
               "upgrading": vnf.upgrading is not None})  # fmt: skip

    def _abandon(self, request: dict[str, Any], reply: Reply) -> None:
        """Give an upgrade up, unless it is committed."""
        if self.vnf.upgrading is not None:
            self.vnf.upgrading.abandon()
        reply({"ok": True})

    def _not_while_upgrading(self) -> None:
        if self.vnf.upgrading is not None:
            found = Mistake(found="an upgrade is going on", remedy="try again when it is over")
            raise Refused(found, title="not now", kind=Kind.UNAVAILABLE)

    def _configure(self, request: dict[str, Any], reply: Reply) -> None:
        """Another configuration for some VNFCs, all or nothing."""
        self._not_while_upgrading()
        configs = request.get("configs")
        if not isinstance(configs, dict):
            raise Refused(Mistake(field="configs", found=str(configs)[:60], expected="a map by VNFC"))
        hosts = {name: self._host({"vnfc": name}) for name in configs}
        wanted = self.vnf.descriptor.configured(configs)
        for host in hosts.values():
            _running(host, f"config.{host.name}", "not configured")  # it alone can check its configuration
        self._reconfiguring.begin(hosts, {name: wanted[name] for name in hosts}, self._mistakes_to(reply))

    def _paths(self, request: dict[str, Any], reply: Reply) -> None:
        """The service paths; with `paths` another table, which answers when the forwarder has taken it up."""
        table, segment = self.vnf.forwarder.wiring.service_paths, self.vnf.forwarder.segment
        if request.get("paths") is None:
            reply({"ok": True, "paths": table.document(segment)})
            return
        self._not_while_upgrading()
        table.replace(request["paths"], segment)
        self.vnf.forwarder.epochs.move(lambda errors: reply({"ok": True, "paths": table.document(segment)}))

    def _list(self, request: dict[str, Any], reply: Reply) -> None:
        """What VNFCs offer, and how they are configured; with `settled` not before a change of that is over."""
        only = self._host(request) if request.get("vnfc") is not None else None

        def answer() -> None:
            hosts = [only] if only is not None else list(self.vnf.hosts.values())
            reply({"ok": True, "requests": {host.name: offered(host) for host in hosts},
                   "config": {host.name: host.config for host in hosts}})  # fmt: skip

        if request.get("settled") is True:
            self._reconfiguring.when_over(answer)
        else:
            answer()

    def _request(self, request: dict[str, Any], reply: Reply) -> None:
        host = self._host(request)
        name, args = request.get("name"), request.get("args") or []
        known = [entry["name"] for entry in offered(host)]
        if name not in known:
            raise Refused(Mistake(field="name", found=str(name)[:60], expected=f"one of {', '.join(known)}"))
        if name in STANDARD:
            reply({"ok": True, "value": STANDARD[name].answer(self.vnf, host)})
            return
        _running(host, f"{host.name}.{name}", "not asked")
        declared = next(entry["args"] for entry in host.requests if entry["name"] == name)
        if host.plan.vnfc.language == "exec" and declared and isinstance(args, list):
            args = fitted(declared, args)

        def answered(answer: dict[str, Any] | None) -> None:
            if answer is None:
                reply({"ok": False, "timeout": True, "errors": [Mistake(
                    field=f"{host.name}.{name}", found=f"no answer within {REQUEST_SECONDS:g} s"
                ).as_dict()]})  # fmt: skip
            elif answer.get("ok") is True:
                reply({"ok": True, "value": answer.get("value")})
            else:
                error = str(answer.get("error") or "refused")[:2000]
                reply(refusal([Mistake(field=f"{host.name}.{name}", found=error)]))

        ask(host, str(name), args, answered)

    def _trace(self, request: dict[str, Any], reply: Reply) -> None:
        """The next `count` packets that end and match, or those of the next `wait` seconds."""
        match, count, wait = request.get("filter"), request.get("count"), request.get("wait")
        every, rate = request.get("every"), request.get("rate")
        self.traces.ask(
            match if isinstance(match, str) else None,
            count if isinstance(count, int) else 1,
            float(wait) if isinstance(wait, (int, float)) else 1.0,
            lambda told: reply({"ok": True, **told}),
            every if isinstance(every, int) else 1,
            rate if isinstance(rate, int) else RATE,
            str(request.get("after") or ""),
        )

    def _why(self, request: dict[str, Any], reply: Reply) -> None:
        """The fate of the next packet like that, or of one that is made."""
        Why(self.vnf, request, lambda packet: reply({"ok": True, "packet": packet}))

    def _wait_for_events(self, request: dict[str, Any], reply: Reply) -> None:
        after = request.get("after")
        self.events.ask(after if isinstance(after, int) else 0, reply)

    def _end(self, request: dict[str, Any], reply: Reply) -> None:
        self._ended.append(reply)
        self.loop.stop()

    def end(self) -> None:
        """Everything is undone: tell whoever asked for it."""
        for reply in self._ended:
            reply({"ok": True})
        for client in list(self.clients):
            client.flush()
            client.close()


def on_signals(loop: Loop, call: Callable[[], None]) -> None:
    """SIGINT and SIGTERM become a call from the loop."""
    read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)

    def came() -> None:
        with suppress(BlockingIOError):
            os.read(read_end, 64)
        call()

    loop.read(read_end, came)


def say(record: dict[str, Any]) -> None:
    """A line for whoever started us; it may be gone."""
    with suppress(OSError):
        os.write(1, json.dumps(record).encode() + b"\n")


def keep(directory: Path) -> int:
    """The whole life of a keeper; its exit status."""
    loop = Loop()
    held = hold(directory)  # until this process ends: nobody removes it for a leftover
    plan = Plan.read(directory / PLAN)
    try:
        record = journal.Journal(directory / JOURNAL)
    except journal.Busy:
        raise Refused(Mistake(file=str(directory), found="a keeper is running here")) from None
    record.write("keeper", pid=os.getpid(), start=journal.start_time(os.getpid()))
    logs = Logs(directory / LOG)
    on_signals(loop, loop.stop)
    try:
        vnf = hosting.instantiate(plan, loop, record, logs, lambda step: say({"progress": step}))
    except BaseException:
        record.finish()
        raise
    keeper = Keeper(directory, vnf, loop, logs)
    server = keeper.listen()
    say({"ok": True})
    # whoever reads that line is not bound to go on reading
    os.dup2(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC), 1)
    loop.run()
    (directory / SOCKET).unlink(missing_ok=True)
    loop.forget(server)
    server.close()
    vnf.end()
    keeper.captures.end()
    record.finish()
    keeper.end()
    vnf.close()
    logs.close()
    os.close(held)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="coven.keeper", description="Holds one running VNF. Started by Coven.")
    parser.add_argument("--directory", type=Path, required=True, help="the folder with plan.json")
    arguments = parser.parse_args()
    try:
        return keep(arguments.directory)
    except Refused as refused:
        say(refusal(refused.mistakes, refused.kind))
    except OSError as problem:
        kind = Kind.NO_SPACE if problem.errno in NO_SPACE else Kind.INVALID
        say(refusal([Mistake.of(problem, file=problem.filename)], kind))
    except RuntimeError as problem:
        if limits.reached(problem) is None:
            raise
        say(refusal([Mistake.of(problem)]))
    return 1

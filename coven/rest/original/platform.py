"""What the calls of the prototype's interface mean here: the platform is the VNF that the agent speaks for.

`configure` brings it up, made of the packages on the shelf; `start` and `stop` let packets pass or not; `reset` ends
it. A VNF that came otherwise is driven likewise, but nothing is put in its place.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeGuard

from coven.agent.library import Library
from coven.agent.lifecycle import Lifecycle
from coven.agent.store import UNFINISHED, Row, conflict
from coven.package.model import Descriptor
from coven.package.zips import full_disk
from coven.rest.original import codes
from coven.rest.original.codes import Code, Failed, Reply
from coven.rest.original.script import Script, read_script
from coven.rest.original.shelf import Body, Shelf
from coven.rest.original.translation import components, connections, is_made, package_of, ports_of, requested
from coven.rest.sol.exchange import Manner
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

VNF = "coven"  #: how the VNF is called that `configure` makes where nobody gave it a name
SCRIPT = "Scripts/install.yaml"  #: of a package, for the calls that name only that
LOOK_SECONDS = 1.0
WAITERS = 4  #: changes at once, of which one is carried out: each has a thread of those that take requests
_NOT_FOUND = Reply("Not found", HTTPStatus.NOT_FOUND)


class Platform:
    def __init__(self, agent: Lifecycle, library: Library, manner: Manner, shelf: Shelf, end: Callable[[], None]):
        """`end`: ends the agent, after what is being answered."""
        self._agent, self._library, self._manner = agent, library, manner
        self.shelf = shelf
        self._end = end
        self._lock = threading.Lock()
        self._waiters = threading.BoundedSemaphore(WAITERS)

    # packages

    def package(self, name: str, body: Body) -> Reply:
        try:
            self.shelf.keep(name, body)
        except (Refused, OSError) as error:
            refused = error if isinstance(error, Refused) else full_disk(error, name)
            log.warning("package %s: %s", ascii(name), refused)
            return Reply.of(refused) if refused.kind == Kind.TOO_LARGE else Reply(Code.NOT_WRITTEN)
        return Reply(Code.DONE)

    def install(self, name: str) -> Reply:
        try:
            with self._turn():
                self.shelf.install(name)
        except Refused as refused:
            log.warning("install %s: %s", ascii(name), refused)
            if refused.kind == Kind.UNAVAILABLE:
                return Reply.of(refused)
            return Reply(Code.NOT_WRITTEN if refused.kind == Kind.NO_SPACE else Code.NO_PACKAGE)
        return Reply(Code.DONE)

    def setup(self, name: str, body: Body) -> Reply:
        kept = self.package(name, body)
        return self.install(name) if kept == Reply(Code.DONE) else kept

    def script(self, package: str) -> bytes | None:
        """What an installed package says how it is configured; None: there is no such package. Raises OSError."""
        folder = self.shelf.installed(package)
        return None if folder is None else (folder / SCRIPT).read_bytes()

    # the life of the platform

    def status(self) -> Reply:
        return Reply("On" if _runs(self._vnf()) else "Off")

    def configure(self, script: bytes) -> Reply:
        return self._changed(lambda: self._configure(script))

    def launch(self, script: bytes) -> Reply:
        return self._changed(lambda: self._launch(script))

    def start(self) -> Reply:
        return self._changed(self._start)

    def stop(self) -> Reply:
        return self._changed(self._stop)

    def reset(self) -> Reply:
        return self._changed(self._reset)

    def off(self) -> Reply:
        return self._changed(self._off)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """What changes something comes one after the other. Raises Refused when too many wait."""
        if not self._waiters.acquire(blocking=False):
            mistake = Mistake(found=f"{WAITERS} changes that wait already", remedy="try again")
            raise Refused(mistake, title="busy", kind=Kind.UNAVAILABLE)
        try:
            with self._lock:
                yield
        finally:
            self._waiters.release()

    def _changed(self, call: Callable[[], str]) -> Reply:
        def in_turn() -> str:
            with self._turn():
                return call()

        return self._answered(in_turn)

    def _answered(self, call: Callable[[], str]) -> Reply:
        try:
            return Reply(call())
        except Failed as failed:
            log.warning("the prototype's interface: %s", failed)
            return Reply(failed.code)
        except Refused as refused:
            return Reply.of(refused)

    def _configure(self, data: bytes) -> str:
        vnf = self._vnf()
        if _runs(vnf):
            return Code.RUNNING
        if vnf is None and self._manner.vnf is None and self._agent.store.vnfs():
            mistake = Mistake(found="several VNFs", remedy="say for which: coven serve --vnf NAME")
            raise Failed(Code.CONFIGURED, [mistake])
        if vnf is not None and (self._begun(vnf) or not self._is_ours(vnf)):
            return Code.CONFIGURED
        script = read_script(data, self.shelf.find)
        package = self._made(script)
        if vnf is not None:
            self._forget(vnf, package["id"])
        row = self._agent.store.add_vnf(self._manner.vnf or VNF, package["id"])
        try:
            self._carry_out(self._agent.instantiate(row["name"], {"ports": ports_of(script)}))
        except Refused as refused:
            with contextlib.suppress(Refused):
                self._forget(row)
            if refused.kind in (Kind.UNAVAILABLE, Kind.FAULT):
                raise
            raise Failed(_code(refused), refused.mistakes) from None
        return Code.DONE

    def _launch(self, data: bytes) -> str:
        try:
            done = self._configure(data)
        except (Failed, Refused) as error:
            log.warning("the prototype's interface: %s", error)
            return codes.NOT_LAUNCHED
        return self._start() if done == Code.DONE else codes.NOT_LAUNCHED

    def _made(self, script: Script) -> Row:
        try:
            return self._library.add(package_of(script, self.shelf))[0]
        except OSError as error:
            raise Failed(Code.NOT_WRITTEN, full_disk(error, "package").mistakes) from None
        except Refused as refused:
            raise Failed(_code(refused), refused.mistakes) from None

    def _start(self) -> str:
        vnf = self._vnf()
        if _runs(vnf):
            return Code.RUNNING
        if not _configured(vnf):
            return codes.NOT_CONFIGURED
        self._carry_out(self._agent.operate(vnf["name"], "start"))
        return Code.DONE

    def _stop(self) -> str:
        vnf = self._vnf()
        if not _runs(vnf):
            return codes.NOT_RUNNING
        self._carry_out(self._agent.operate(vnf["name"], "stop"))
        return Code.DONE

    def _reset(self) -> str:
        vnf = self._vnf()
        if _runs(vnf):
            return Code.RUNNING
        if not _configured(vnf) or not self._ran(vnf):
            return codes.NOTHING_TO_RESET
        self._carry_out(self._agent.operate(vnf["name"], "terminate"))
        if self._is_ours(vnf):
            self._forget(vnf)
        return Code.DONE

    def _off(self) -> str:
        if _runs(self._vnf()):
            return Code.RUNNING
        self._end()
        return Code.DONE

    # its management agent

    def requests(self) -> Reply:
        return self._managed(self._list)

    def check(self) -> Reply:
        return self._managed(self._check)

    def request(self, file: str, request: str) -> Reply:
        return self._managed(lambda vnf, descriptor: self._request(vnf, descriptor, file, request))

    def _managed(self, answer: Callable[[Row, Descriptor], str]) -> Reply:
        vnf = self._vnf()
        if not _configured(vnf):
            return _NOT_FOUND
        if not _runs(vnf):
            return Reply(codes.UNAVAILABLE)
        return self._answered(lambda: answer(vnf, self._agent.descriptor(vnf["package"])))

    def _offered(self, vnf: Row) -> dict[str, list[str]]:
        """The agent requests of its author's that each VNFC has, of those that have some."""
        requests: dict[str, list[Row]] = self._agent.ask(vnf["name"], "list")["requests"]
        own = {vnfc: [each["name"] for each in offered if not each["standard"]] for vnfc, offered in requests.items()}
        return {vnfc: names for vnfc, names in own.items() if names}

    def _list(self, vnf: Row, descriptor: Descriptor) -> str:
        offered = self._offered(vnf)
        lines = ["", "---- AVAILABLE OPERATIONS ----", "", "list: show this",
                 "check: check the components in and out connections",
                 "request [file] [request]: ask for the component of [file] for the data of [request]",
                 "", "---- AVAILABLE REQUESTS ----", ""]  # fmt: skip
        for name, vnfc in components(descriptor).items():
            if vnfc.name in offered:
                requests = [f"  - [request]: {requested(each)}" for each in offered[vnfc.name]]
                lines += [f" -> [file]: {name}", *requests, ""]
        return "\n".join([*lines, "--------------------------------", ""])

    def _check(self, vnf: Row, descriptor: Descriptor) -> str:
        """A component that runs is connected at both ports."""
        states = self._agent.ask(vnf["name"], "status")["vnfcs"]
        lines = ["", "---- CHECK SUMMARY ----", ""]
        for name, vnfc in components(descriptor).items():
            found = "success" if states.get(vnfc.name, {}).get("state") == "running" else "failure"
            lines += [f"-> {name}", *(f"  - {port}: {found}" for port in connections(vnfc)), ""]
        return "\n".join([*lines, "-----------------------"])

    def _request(self, vnf: Row, descriptor: Descriptor, file: str, request: str) -> str:
        vnfc, offered = components(descriptor).get(file), self._offered(vnf)
        if vnfc is None or vnfc.name not in offered:
            return codes.INVALID_FILE
        wanted = {requested(each): each for each in offered[vnfc.name]}.get(request)
        if wanted is None:
            return codes.INVALID_REQUEST
        try:
            value: Any = self._agent.ask(vnf["name"], "request", vnfc=vnfc.name, name=wanted, args=[]).get("value")
        except Refused as refused:
            log.warning("request %s of %s: %s", request, file, refused)
            reached = refused.kind == Kind.TIMEOUT or "does not answer" in str(refused)  # pps/exec/socket.c
            return codes.NO_ANSWER if reached else codes.NOT_REACHED
        return value if isinstance(value, str) else json.dumps(value)

    # the VNF

    def _vnf(self) -> Row | None:
        """The VNF that the agent speaks for, if there is exactly one."""
        if self._manner.vnf is not None:
            return self._agent.store.vnf(self._manner.vnf)
        vnfs = self._agent.store.vnfs()
        return vnfs[0] if len(vnfs) == 1 else None

    def _begun(self, vnf: Row) -> bool:
        return _configured(vnf) or bool(self._agent.store.unfinished(vnf["name"]))

    def _is_ours(self, vnf: Row) -> bool:
        package = self._agent.store.package(vnf["package"])
        return package is not None and is_made(package)

    def _ran(self, vnf: Row) -> bool:
        """Whether it was started since it was instantiated."""
        for row in self._agent.store.operations(vnf["name"]):
            if row["instance"] != vnf["instance"] or row["state"] != "COMPLETED":
                continue
            if row["target"] == "STARTED" or row["request"].get("start"):
                return True
            if row["operation"] == "INSTANTIATE":
                return False
        return True  # it is long ago

    def _carry_out(self, operation: Row) -> None:
        """Wait until an operation is over. Raises Refused when it failed."""
        row: Row | None = operation
        while row is not None and row["state"] in UNFINISHED:
            if self._agent.store.released:
                raise Refused(Mistake(found="the agent ends"), title="not now", kind=Kind.UNAVAILABLE)
            row = self._agent.store.await_end(operation["id"], LOOK_SECONDS)
        if row is None:
            raise conflict("the VNF is gone")
        if row["state"] != "COMPLETED":
            raise Refused([Mistake.from_dict(each) for each in row["errors"]],
                          title=f"{row['operation']} {row['state']}", kind=Kind.CONFLICT)  # fmt: skip

    def _forget(self, vnf: Row, but: str | None = None) -> None:
        """Delete a VNF of ours, and its package, unless that is still used or is `but`."""
        self._agent.delete(vnf["name"])
        if vnf["package"] != but:
            with contextlib.suppress(Refused):
                self._library.remove(vnf["package"])


def _runs(vnf: Row | None) -> TypeGuard[Row]:
    return vnf is not None and vnf["operational_state"] == "STARTED"


def _configured(vnf: Row | None) -> TypeGuard[Row]:
    return vnf is not None and vnf["instantiation_state"] == "INSTANTIATED"


def _code(refused: Refused) -> Code:
    """What of a script is to blame for what came of it."""
    if refused.kind == Kind.NO_SPACE:
        return Code.NOT_WRITTEN
    of_ports = any((mistake.field or "").startswith("ports") for mistake in refused.mistakes)
    return Code.BAD_VNS if of_ports else Code.BAD_PPS

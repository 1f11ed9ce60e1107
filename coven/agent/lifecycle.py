"""The life of VNFs: states and operations as ETSI names them, each operation rolled back when it fails.

An operation is recorded before it acts. What an agent's death interrupts is finished or rolled back by the
next agent, and what still runs is adopted; so is what a boot ended started again.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coven.agent.bindings import check_disjoint, read_ports
from coven.agent.cleaning import sweep
from coven.agent.control_listeners import ControlSockets
from coven.agent.keeper_line import QUICK_SECONDS
from coven.agent.keeper_talk import KeeperTalk
from coven.agent.keeper_watch import KeeperWatch
from coven.agent.keepers import Keepers
from coven.agent.listener import Listener
from coven.agent.store import Row, Store, conflict
from coven.base.control_addresses import Address
from coven.base.places import Places
from coven.base.problem import joined
from coven.keeper.client import Keeper, Unreachable
from coven.keeper.events import Event
from coven.keeper.plan import Plan, PortPlan
from coven.keeper.recovery import Busy, Left
from coven.package.descriptor import DESCRIPTOR
from coven.package.languages import operator_libs, unavailable
from coven.package.zips import NO_SPACE
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

HEAL_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)  #: seconds between the tries to bring a VNF back

CUT_SECONDS = 20.0  #: a termination waits so long for the end of what it gives up
STORE_SECONDS = 2.0  #: between tries to write to a full disk

#: operation -> (ETSI's name, changeStateTo)
OPERATIONS = {
    "instantiate": ("INSTANTIATE", None),
    "start": ("OPERATE", "STARTED"),
    "stop": ("OPERATE", "STOPPED"),
    "terminate": ("TERMINATE", None),
    "heal": ("HEAL", None),
}


class Lifecycle(KeeperTalk):
    def __init__(
        self, places: Places, store: Store, keepers: Keepers, recover: Callable[[Path], Left],
        control: Mapping[str, Address],
    ):  # fmt: skip
        """`control`: the VNFs whose Click handlers are reachable over loopback TCP, too."""
        super().__init__()
        self.places = places
        self.store = store
        self.keepers = keepers
        self.recover = recover
        self.control = ControlSockets(places.run, control)
        keepers.died = self._keeper_died
        self.listener = Listener(self._port_came_back)
        self.watch = KeeperWatch(
            self._idle, lambda name: Keeper(self.directory(name)), self.lines, self.heal, self.agree
        )
        self._closing = threading.Event()
        self._workers: set[threading.Thread] = set()
        self._given_up: set[str] = set()  #: operations, for a termination

    def close(self) -> None:
        """Let operations that are going on come to their end; keepers live on."""
        self._closing.set()
        self.watch.close()
        for worker in list(self._workers):
            worker.join()
        self.listener.close()
        self.control.close_all()

    def delete(self, name: str) -> None:
        """Delete a VNF. Raises Refused with 409 unless it is NOT_INSTANTIATED and nothing is going on."""
        with self.store.transaction():
            vnf = self.vnf(name)
            if running := self.store.unfinished(name):
                remedy = f"wait until it is over: GET /v1/operations/{running[0]['id']}?wait=20"
                raise conflict(f"{name} has an operation going on: {running[0]['operation']}", remedy)
            if vnf["instantiation_state"] != "NOT_INSTANTIATED":
                raise conflict(f"{name} is INSTANTIATED", f"first: coven terminate {name}")
            self.store.remove_vnf(name)
        shutil.rmtree(self.places.builds / vnf["instance"], ignore_errors=True)

    # operations

    def instantiate(self, name: str, request: Row, wrong: Sequence[Mistake] = ()) -> Row:
        """Begin to instantiate. `wrong`: what of {ports?, config?, start?, latency?} was no such thing and left out.

        Raises Refused when anything is wrong or it is not the time.
        """
        vnf = self.vnf(name)
        descriptor = self.descriptor(vnf["package"])
        mistakes = unavailable(descriptor)
        ports = read_ports(descriptor, request.get("ports", {}), mistakes)
        config = vnf["config"] or descriptor.config
        try:
            config = descriptor.configured(request.get("config", {}), config)
        except Refused as refused:
            mistakes += refused.mistakes
        if wrong or mistakes:
            raise Refused(joined(wrong, mistakes), title="instantiation refused")
        request = {"start": False, "latency": "normal", **request, "ports": ports, "config": config}
        with self.store.transaction():
            vnf = self.vnf(name)
            if vnf["instantiation_state"] != "NOT_INSTANTIATED" and not self.store.unfinished(name):
                raise conflict(f"{name} is INSTANTIATED", f"coven terminate {name}")
            check_disjoint(name, ports, self.store.vnfs())
            operation = self._begin(vnf, "instantiate", request)
            # claimed now: nobody else gets these interfaces while we open them
            self.store.set_vnf(name, ports=ports, errors=[])
        return self._run(operation)

    def operate(self, name: str, kind: str) -> Row:
        """Begin to start, stop or terminate. Raises Refused, with 503 when the keeper does not answer: then only
        termination works."""
        stuck = unborn = False
        if kind == "terminate":
            unborn = self._cut_short(name)
        if kind != "terminate" and (stood := self.stands(name)) is not None and self._instantiated(name):
            said = self.ask(name, "ping")
            self.agree(name, said.get("state"), stood)
            stuck = kind == "start" and said.get("forwarder") == "failed"
        with self.store.transaction():
            vnf = self.vnf(name)
            if not self.store.unfinished(name):
                if vnf["instantiation_state"] != "INSTANTIATED" and not unborn:
                    raise conflict(f"{name} is NOT_INSTANTIATED", f"coven instantiate {name}")
                wanted = OPERATIONS[kind][1]
                if wanted is not None and vnf["operational_state"] == wanted and not stuck:
                    raise conflict(f"{name} is {wanted} already")
            operation = self._begin(vnf, kind, {})
        return self._run(operation)

    def _cut_short(self, name: str) -> bool:
        """Give up what brings this VNF up, however long it builds; whether something was given up."""
        rising = [row for row in self.store.unfinished(name) if row["operation"] in ("INSTANTIATE", "HEAL")]
        for row in rising:
            self._given_up.add(row["id"])
            end = time.monotonic() + CUT_SECONDS
            while any(each["id"] == row["id"] for each in self.store.unfinished(name)) and time.monotonic() < end:
                self.keepers.cut_short(self.directory(name))
                self.store.await_end(row["id"], 0.5)
        return bool(rising)

    def _instantiated(self, name: str) -> bool:
        return bool(self.vnf(name)["instantiation_state"] == "INSTANTIATED")

    def _idle(self) -> dict[str, object]:
        """The VNFs that should have a keeper and have no operation going on, each with what `agree` wants."""
        found = {vnf["name"]: self.stands(vnf["name"]) for vnf in self.store.vnfs() if
                 vnf["instantiation_state"] == "INSTANTIATED"}  # fmt: skip
        return {name: stood for name, stood in found.items() if stood is not None}

    def _begin(self, vnf: Row, kind: str, request: Row) -> Row:
        operation, target = OPERATIONS[kind]
        return self.store.begin(vnf, operation, target, request)

    def _run(self, operation: Row) -> Row:
        worker = threading.Thread(target=self._work, args=(operation,), name=f"operation {operation['id']}")
        self._workers.add(worker)
        worker.start()
        return operation

    def _work(self, operation: Row) -> None:
        try:
            self._perform(operation)
        except Exception as error:  # a bug, or a disk that is full
            log.exception("%s of %s", operation["operation"], operation["vnf"])
            self._give_up(operation, error)
        finally:
            # a HEAL that failed has tried often enough
            if not self._closing.is_set() and operation["operation"] != "HEAL":
                self._check_alive(operation["vnf"])
            self._given_up.discard(operation["id"])
            self._workers.discard(threading.current_thread())

    def _give_up(self, operation: Row, error: Exception) -> None:
        """Record a failure, however long the disk is full: what is not over blocks its VNF."""
        errors = error.mistakes if isinstance(error, Refused) else [Mistake(found=f"a fault: {error}")]
        self._insist(lambda: self._over(operation, "FAILED", [mistake.as_dict() for mistake in errors]))

    def _over(self, operation: Row, state: str, errors: list[Row]) -> None:
        self.store.set_operation(operation["id"], state=state, progress="", errors=errors)

    def _insist(self, write: Callable[[], None]) -> None:
        """Write down what is so already, however long the disk is full."""
        while True:
            try:
                write()
                return
            except Refused as refused:
                if refused.kind != Kind.NO_SPACE:
                    raise
                if self._closing.wait(STORE_SECONDS):
                    return  # the next agent settles it

    def _tell(self, operation: Row, **values: Any) -> None:
        """Write down how it goes on, if that can be."""
        with contextlib.suppress(Refused):
            self.store.set_operation(operation["id"], **values)

    def _check_alive(self, name: str) -> None:
        """A keeper that died during an operation was not replaced then."""
        with contextlib.suppress(Refused):
            if Keeper(self.directory(name)).pid() is None:
                self.heal(name)

    def _perform(self, operation: Row) -> None:
        """STARTING -> PROCESSING -> COMPLETED; else FAILED_TEMP -> ROLLING_BACK -> ROLLED_BACK or FAILED."""
        name = operation["vnf"]
        self._tell(operation, state="PROCESSING")
        try:
            self._act(operation)
        except (Refused, Unreachable, OSError) as error:
            meanwhile = Refused(Mistake(found="a termination was asked for meanwhile"), title="given up")
            self._roll_back(operation, meanwhile if operation["id"] in self._given_up else error)
            return
        self._insist(lambda: self._over(operation, "COMPLETED", []))
        log.info("%s of %s completed", operation["operation"], name)

    def _act(self, operation: Row) -> None:
        name, kind, request = operation["vnf"], operation["operation"], operation["request"]
        keeper = Keeper(self.directory(name))
        if kind == "INSTANTIATE":
            self._bring_up(operation, request, request["start"])
        elif kind == "HEAL":
            self._heal(operation)
        elif kind == "OPERATE":
            started = operation["target"] == "STARTED"
            if started and keeper.call("ping", QUICK_SECONDS).get("forwarder") == "failed":
                # whatever keeps its forwarder from starting is left behind with all that it shares
                self._take_down(name)
                self._bring_up(operation, _as_it_was(self.vnf(name)), True)
                return
            keeper.call("start" if started else "stop")
            self.store.set_vnf(name, operational_state=operation["target"])
        else:
            self._take_down(name)
            self._insist(lambda: self._not_instantiated(name))

    def _not_instantiated(self, name: str, errors: Sequence[Row] = ()) -> None:
        """Nothing of it runs; what belonged to that life goes with it."""
        self.store.set_vnf(
            name, instantiation_state="NOT_INSTANTIATED", operational_state=None, ports={}, paths=None,
            errors=list(errors),
        )  # fmt: skip

    def _bring_up(self, operation: Row, request: Row, start: bool) -> None:
        name = operation["vnf"]
        vnf = self.vnf(name)
        package = self.store.package(vnf["package"])
        assert package is not None  # a package in use cannot be deleted
        build = self.places.builds / vnf["instance"]
        build.mkdir(parents=True, exist_ok=True)
        directory = self.directory(name)
        self.recover_directory(directory)
        wanted = Plan(
            name=name, instance=vnf["instance"], package=Path(package["folder"]), descriptor=DESCRIPTOR, build=build,
            ports={port: PortPlan(**facts) for port, facts in request["ports"].items()}, config=request["config"],
            latency=request["latency"], paths=vnf["paths"], missing=operation["operation"] == "HEAL",
            libs=operator_libs(self.descriptor(vnf["package"])),
        )  # fmt: skip

        def progress(text: str) -> None:
            self._tell(operation, progress=text)

        keeper = self.keepers.start(directory, wanted.as_record(), progress)
        self.listener.follow(directory)
        if operation["operation"] == "INSTANTIATE":
            self.control.open(name)
        else:
            self._open_control(name)
        if start:
            keeper.call("start", missing=wanted.missing)
        self._is_up(name, request, start)

    def _is_up(self, name: str, request: Row, start: bool) -> None:
        self.store.set_vnf(
            name, instantiation_state="INSTANTIATED", operational_state="STARTED" if start else "STOPPED",
            ports=request["ports"], config=request["config"], latency=request["latency"], errors=[],
        )  # fmt: skip

    def _open_control(self, name: str) -> None:
        """For a VNF that runs already, or again: that goes on, whatever became of its sockets."""
        try:
            self.control.open(name)
        except Refused as refused:
            log.warning("%s: %s", name, refused)

    def recover_directory(self, directory: Path) -> None:
        """Undo what a dead keeper left, by its journal; what cannot be undone stays in it."""
        self.control.close(directory.name)
        if not directory.is_dir():
            return
        try:
            left = self.recover(directory)
        except (Busy, RuntimeError) as error:
            raise Refused(
                Mistake(file=str(directory), found=str(error), expected="a dead keeper's journal, undone"),
                title="not undone", kind=Kind.FAULT,
            ) from None  # fmt: skip
        for failure in left.failed:
            log.error("%s: not undone: %s", directory.name, failure)
        if not left.failed:
            shutil.rmtree(directory, ignore_errors=True)

    def _take_down(self, name: str) -> None:
        directory = self.directory(name)
        self.keepers.forget(directory)
        self.control.close(name)
        Keeper(directory).end()
        self.recover_directory(directory)

    def _roll_back(self, operation: Row, error: Exception) -> None:
        """Back to what was before, keeping the reason."""
        name = operation["vnf"]
        errors = _errors(error)
        log.warning("%s of %s failed: %s", operation["operation"], name, error)
        self._tell(operation, state="FAILED_TEMP", errors=errors)
        self._tell(operation, state="ROLLING_BACK")
        try:
            if operation["operation"] in ("INSTANTIATE", "HEAL"):
                self._take_down(name)
                self._insist(lambda: self._not_instantiated(name, errors))
            elif operation["operation"] == "OPERATE":
                self._put_back(name, "stop" if operation["target"] == "STARTED" else "start")
            elif Keeper(self.directory(name)).pid() is None:
                # a termination cannot be taken back once the keeper has gone: it is finished instead
                self.recover_directory(self.directory(name))
                self._insist(lambda: self._not_instantiated(name))
        except (Refused, Unreachable, OSError) as second:
            log.error("rolling back %s of %s failed: %s", operation["operation"], name, second)
            more = errors + _errors(second)
            self._insist(lambda: self._over(operation, "FAILED", more))
            return
        self._insist(lambda: self._over(operation, "ROLLED_BACK", errors))

    def _put_back(self, name: str, op: str) -> None:
        """Have the keeper take back a start or stop, which it may be carrying out still: it does one after the
        other. A keeper that does not answer is ended, and comes back in the state before."""
        keeper = Keeper(self.directory(name))
        if keeper.pid() is None:
            return
        try:
            keeper.call("ping", QUICK_SECONDS)
            keeper.call(op)
        except Unreachable as error:
            log.error("the keeper of %s does not take back what was given up (%s): it is ended", name, error)
            keeper.end(ask=False)

    # keepers that died, agents that died

    def _keeper_died(self, directory: Path) -> None:
        """Called by the watcher: nobody asked this keeper to end."""
        name = directory.name
        log.warning("the keeper of %s died", name)
        if self._closing.is_set():
            return
        with contextlib.suppress(Refused):  # deleted, or an operation is going on that will see for itself
            self.heal(name)

    def _port_came_back(self, directory: Path, event: Event) -> None:
        """A keeper took an interface again that had gone: an operation that is over when it is known."""
        vnf, port, interface = self.store.vnf(directory.name), event["port"], event["interface"]
        told = {key: event[key] for key in ("keeper", "number", "port", "interface")}
        if vnf is None or any(row["request"] == told for row in self.store.operations(vnf["name"])):
            return
        self.store.record(vnf, OPERATIONS["heal"][0], told, f"port {port}: {interface} was taken again", event["at"])
        log.info("%s: port %s: %s was taken again", vnf["name"], port, interface)

    def heal(self, name: str) -> Row | None:
        vnf = self.vnf(name)
        if vnf["instantiation_state"] != "INSTANTIATED":
            return None
        return self._run(self._begin(vnf, "heal", {}))

    def _heal(self, operation: Row) -> None:
        """A new keeper in the state of the old one, after undoing what that one left."""
        name = operation["vnf"]
        vnf = self.vnf(name)
        request = _as_it_was(vnf)
        waits = [*HEAL_WAITS, None]
        while True:
            try:
                Keeper(self.directory(name)).end(ask=False)
                self._bring_up(operation, request, vnf["operational_state"] == "STARTED")
                return
            except (Refused, Unreachable, OSError) as error:
                log.warning("%s does not come back yet: %s", name, error)
                if operation["id"] in self._given_up:
                    raise
                full = _no_room(error)
                progress = "waiting for room on the disk" if full else f"{len(waits) - 1} tries more"
                self._tell(operation, errors=_errors(error), progress=progress)
                # a full disk says nothing about the VNF
                wait = STORE_SECONDS if full else waits.pop(0)
                if wait is None or self._closing.wait(wait):
                    raise
                self._take_down(name)

    def resume(self) -> None:
        """At the start of an agent: settle what the last one left, adopt what runs, bring back the rest."""
        for operation in self.store.unfinished():
            self._settle(operation)
        for line in sweep(self.places.run, {vnf["name"] for vnf in self.store.vnfs()}, self.recover):
            log.info("%s", line)
        for vnf in self.store.vnfs():
            directory = self.directory(vnf["name"])
            if vnf["instantiation_state"] != "INSTANTIATED":
                if directory.is_dir():
                    self._take_down(vnf["name"])
                continue
            keeper = Keeper(directory)
            pid = keeper.pid() if directory.is_dir() else None
            try:
                if pid is None:
                    raise Unreachable("no keeper")
                self._take_over(vnf, keeper)
                log.info("adopted %s (keeper %d)", vnf["name"], pid)
                self._open_control(vnf["name"])
                self.keepers.watch(directory, pid, ours=False)
                self.listener.follow(directory)
            except (Unreachable, Refused) as error:
                if pid is not None and isinstance(error, Unreachable) and error.late:
                    self.keepers.watch(directory, pid, ours=False)  # it hangs: given its time, as always
                    continue
                with contextlib.suppress(Refused):
                    self.heal(vnf["name"])
        self.watch.start()

    def _take_over(self, vnf: Row, keeper: Keeper) -> None:
        """What an earlier agent had done and could not write down is as the keeper says."""
        said = keeper.call("ping", QUICK_SECONDS)
        self.agree(vnf["name"], said.get("state"), self.stands(vnf["name"]))
        config = keeper.call("list", QUICK_SECONDS).get("config")
        if config and vnf["config"] and config != vnf["config"]:
            log.warning("%s is configured otherwise than was written down: its keeper says so", vnf["name"])
            self.store.set_vnf(vnf["name"], config=config)

    def _settle(self, operation: Row) -> None:
        """Finish or roll back an operation that was going on when the agent died."""
        name, kind = operation["vnf"], operation["operation"]
        vnf = self.store.vnf(name)
        died = Refused(
            Mistake(found="the agent ended during the operation"), title="interrupted"
        )
        if vnf is None or vnf["instance"] != operation["instance"]:
            self.store.set_operation(operation["id"], state="FAILED", errors=[died.mistakes[0].as_dict()])
            return
        keeper = Keeper(self.directory(name))
        try:
            if operation["state"] in ("FAILED_TEMP", "ROLLING_BACK"):
                raise died
            if kind == "TERMINATE":
                self._act(operation)
            elif kind == "OPERATE":
                self._resume_operate(operation, keeper)
            else:
                self._resume_bring_up(operation, vnf, keeper)
        except (Refused, Unreachable, OSError) as error:
            if isinstance(error, Unreachable):
                error = died
            if kind == "OPERATE" and keeper.pid() is None:
                # its keeper is gone as well: healing brings it back as it was before
                self.store.set_operation(
                    operation["id"], state="ROLLED_BACK", errors=[died.mistakes[0].as_dict()]
                )
                return
            self._roll_back(operation, error)
            return
        self._over(operation, "COMPLETED", [])

    def _resume_operate(self, operation: Row, keeper: Keeper) -> None:
        keeper.call("start" if operation["target"] == "STARTED" else "stop")
        self.store.set_vnf(operation["vnf"], operational_state=operation["target"])

    def _resume_bring_up(self, operation: Row, vnf: Row, keeper: Keeper) -> None:
        if operation["operation"] == "HEAL":
            request, start = _as_it_was(vnf), vnf["operational_state"] == "STARTED"
        else:
            request, start = operation["request"], operation["request"]["start"]
        if not keeper.directory.is_dir():
            raise Unreachable("no keeper")
        keeper.call("status", timeout=2.0)  # a keeper that is still building does not answer
        if start:
            keeper.call("start", missing=operation["operation"] == "HEAL")
        self._is_up(vnf["name"], request, start)


def _errors(error: Exception) -> list[Row]:
    mistakes = error.mistakes if isinstance(error, Refused) else []
    return [mistake.as_dict() for mistake in mistakes or [Mistake(found=str(error))]]


def _no_room(error: Exception) -> bool:
    if isinstance(error, Refused):
        return error.kind == Kind.NO_SPACE
    return isinstance(error, OSError) and error.errno in NO_SPACE


def _as_it_was(vnf: Row) -> Row:
    """The request that brings a VNF back after its keeper died."""
    return {key: vnf[key] for key in ("ports", "config", "latency")}

"""How an operation on a VNF is carried out: recorded before it acts, in a thread of its own, rolled back when it fails.

What a row of the store says of an instantiated VNF, and of one that is not, is written by one function each.
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

from coven.agent.control.listeners import ControlSockets
from coven.agent.keepers.line import QUICK_SECONDS
from coven.agent.keepers.listener import Listener
from coven.agent.keepers.processes import INSTANTIATE_SECONDS, Keepers
from coven.agent.keepers.talk import KeeperTalk
from coven.agent.store import Row, Store
from coven.base.control_addresses import Address
from coven.base.places import Places
from coven.keeper.client import Keeper, Unreachable
from coven.keeper.events import Event
from coven.keeper.plan import Plan, PortPlan
from coven.keeper.recovery import Busy, Left
from coven.package.descriptor import DESCRIPTOR
from coven.package.languages import operator_libs
from coven.package.zips import NO_SPACE
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

HEAL_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)  #: seconds between the tries to bring a VNF back
STORE_SECONDS = 2.0  #: between tries to write to a full disk
COMMIT_SECONDS = 30.0  #: an upgrade that cannot be given up any more is over long before
LOOK_SECONDS = 0.1

#: operation -> (ETSI's name, changeStateTo)
OPERATIONS = {
    "instantiate": ("INSTANTIATE", None),
    "start": ("OPERATE", "STARTED"),
    "stop": ("OPERATE", "STOPPED"),
    "terminate": ("TERMINATE", None),
    "heal": ("HEAL", None),
    "upgrade": ("UPGRADE", None),
}


class Operations(KeeperTalk):
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
        self.listener = Listener(self._port_came_back)
        self._closing = threading.Event()
        self._workers: set[threading.Thread] = set()
        self._given_up: set[str] = set()  #: operations, for a termination

    # beginning and end

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
        elif kind == "UPGRADE":
            self._upgrade(operation, keeper)
        elif kind == "OPERATE":
            started = operation["target"] == "STARTED"
            if started and keeper.call("ping", QUICK_SECONDS).get("forwarder") == "failed":
                # whatever keeps its forwarder from starting is left behind with all that it shares
                self._take_down(name)
                self._bring_up(operation, as_it_was(self.vnf(name)), True)
                return
            keeper.call("start" if started else "stop")
            self._operates(name, operation["target"])
        else:
            self._take_down(name)
            self._insist(lambda: self._not_instantiated(name))

    # what the store says of a VNF

    def _is_up(self, name: str, request: Row, start: bool) -> None:
        self.store.set_vnf(
            name, instantiation_state="INSTANTIATED", operational_state="STARTED" if start else "STOPPED",
            ports=request["ports"], config=request["config"], latency=request["latency"], errors=[],
        )  # fmt: skip

    def _operates(self, name: str, state: str) -> None:
        self.store.set_vnf(name, operational_state=state)

    def _not_instantiated(self, name: str, errors: Sequence[Row] = ()) -> None:
        """Nothing of it runs; what belonged to that life goes with it."""
        self.store.set_vnf(
            name, instantiation_state="NOT_INSTANTIATED", operational_state=None, ports={}, paths=None,
            errors=list(errors),
        )  # fmt: skip

    # up and down

    def _plan(self, vnf: Row, package: str, request: Row, missing: bool = False) -> Plan:
        """What a keeper is to run. `missing`: interfaces that are not there are waited for."""
        row = self.store.package(package)
        assert row is not None  # a package in use cannot be deleted
        return Plan(
            name=vnf["name"], instance=vnf["instance"], package=Path(row["folder"]), descriptor=DESCRIPTOR,
            build=self.places.builds / vnf["instance"],
            ports={port: PortPlan(**facts) for port, facts in request["ports"].items()}, config=request["config"],
            latency=request["latency"], paths=request["paths"], missing=missing,
            libs=operator_libs(self.descriptor(package)),
        )  # fmt: skip

    def _bring_up(self, operation: Row, request: Row, start: bool) -> None:
        name = operation["vnf"]
        vnf = self.vnf(name)
        wanted = self._plan(vnf, vnf["package"], {**request, "paths": vnf["paths"]}, operation["operation"] == "HEAL")
        for build in wanted.build.parent.glob(f"{wanted.build.name}.*"):  # of versions between; none runs any more
            shutil.rmtree(build, ignore_errors=True)
        wanted.build.mkdir(parents=True, exist_ok=True)
        directory = self.directory(name)
        self.recover_directory(directory)

        def progress(text: str) -> None:
            self._tell(operation, progress=text)

        keeper = self.keepers.start(directory, wanted, progress)
        self.listener.follow(directory)
        if operation["operation"] == "INSTANTIATE":
            self.control.open(name)
        else:
            self._open_control(name)
        if start:
            keeper.call("start", missing=wanted.missing)
        self._is_up(name, request, start)

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

    # another version

    def _upgrade(self, operation: Row, keeper: Keeper) -> None:
        """The keeper does it, or changes nothing."""
        name, request = operation["vnf"], operation["request"]
        vnf = self.vnf(name)
        if vnf["instantiation_state"] == "INSTANTIATED":
            self._tell(operation, progress="checking, building and starting what differs")
            wanted = self._plan(vnf, request["package"], request)
            keeper.call("upgrade", INSTANTIATE_SECONDS, plan=wanted.as_record())
        self._insist(lambda: self._is_version(name, request))

    def _is_version(self, name: str, request: Row) -> None:
        """It is that version of its package from now on."""
        self.store.set_vnf(name, **{key: request[key] for key in ("package", "ports", "config", "paths")})

    def _not_upgraded(self, operation: Row) -> bool:
        """Put an upgrade back that failed or was interrupted. False: it is done, whoever said otherwise: the keeper is
        what it was to become."""
        name, request = operation["vnf"], operation["request"]
        keeper, vnf = Keeper(self.directory(name)), self.vnf(name)
        package = self.store.package(request["package"])
        try:
            keeper.call("abandon", QUICK_SECONDS)
            end = time.monotonic() + COMMIT_SECONDS
            while (said := keeper.call("ping", QUICK_SECONDS)).get("upgrading") and time.monotonic() < end:
                time.sleep(LOOK_SECONDS)
            if said.get("upgrading"):  # it may be either yet: what comes after it is what was written down
                raise Unreachable("it is still between two versions")
            if package is not None and said.get("package") == package["folder"]:
                self._insist(lambda: self._is_version(name, request))
                return False
        except Unreachable as error:
            if keeper.pid() is not None:
                log.error("the keeper of %s says nothing about its upgrade (%s): it is ended", name, error)
                keeper.end(ask=False)
        if vnf["instantiation_state"] == "INSTANTIATED":
            kept = {port: vnf["ports"][port] for port in self.descriptor(vnf["package"]).ports if port in vnf["ports"]}
            self._insist(lambda: self.store.set_vnf(name, ports=kept))
        return True

    # back

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
            elif operation["operation"] == "UPGRADE":
                if not self._not_upgraded(operation):
                    self._insist(lambda: self._over(operation, "COMPLETED", []))
                    return
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

    # healing

    def heal(self, name: str) -> Row | None:
        vnf = self.vnf(name)
        if vnf["instantiation_state"] != "INSTANTIATED":
            return None
        return self._run(self._begin(vnf, "heal", {}))

    def _heal(self, operation: Row) -> None:
        """A new keeper in the state of the old one, after undoing what that one left."""
        name = operation["vnf"]
        vnf = self.vnf(name)
        request = as_it_was(vnf)
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

    def _port_came_back(self, directory: Path, event: Event) -> None:
        """A keeper took an interface again that had gone: an operation that is over when it is known."""
        vnf, port, interface = self.store.vnf(directory.name), event["port"], event["interface"]
        told = {key: event[key] for key in ("keeper", "number", "port", "interface")}
        if vnf is None or any(row["request"] == told for row in self.store.operations(vnf["name"])):
            return
        self.store.record(vnf, OPERATIONS["heal"][0], told, f"port {port}: {interface} was taken again", event["at"])
        log.info("%s: port %s: %s was taken again", vnf["name"], port, interface)


def _errors(error: Exception) -> list[Row]:
    mistakes = error.mistakes if isinstance(error, Refused) else []
    return [mistake.as_dict() for mistake in mistakes or [Mistake(found=str(error))]]


def _no_room(error: Exception) -> bool:
    if isinstance(error, Refused):
        return error.kind == Kind.NO_SPACE
    return isinstance(error, OSError) and error.errno in NO_SPACE


def as_it_was(vnf: Row) -> Row:
    """The request that brings a VNF back after its keeper died."""
    return {key: vnf[key] for key in ("ports", "config", "latency")}

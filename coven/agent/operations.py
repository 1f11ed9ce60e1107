"""How an operation on a VNF is carried out: recorded before it acts, in a thread of its own.

One that fails is undone at once. Then it is ROLLED_BACK; or it rests in FAILED_TEMP until somebody decides, if it was
begun so.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from coven.agent.keepers.line import QUICK_SECONDS
from coven.agent.keepers.listener import Listener
from coven.agent.keepers.processes import INSTANTIATE_SECONDS
from coven.agent.standing import STORE_SECONDS, Standing, as_it_was
from coven.agent.states import CancelMode, State
from coven.agent.store import Row
from coven.keeper.client import Keeper, Unreachable
from coven.keeper.events import Event
from coven.keeper.plan import PLAN, Plan, PortPlan
from coven.package.zips import NO_SPACE
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

HEAL_WAITS = (0.1, 0.2, 0.4, 0.8, 1.6)  #: seconds between the tries to bring a VNF back
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
    "connect": ("CHANGE_EXT_CONN", None),
    "modify": ("MODIFY_INFO", None),
}


@dataclass(frozen=True)
class Terms:
    """On which an operation is begun."""

    rests: bool = False  #: when it fails: in FAILED_TEMP, until somebody decides
    automatic: bool = False  #: nobody asked for it
    params: Row | None = None  #: the request as a VNFM stated it


BY_ITSELF, USUAL = Terms(automatic=True), Terms()


class GivenUp(StrEnum):
    """Why an operation is given up; for a termination it does not rest."""

    TERMINATION = "a termination was asked for meanwhile"
    CANCEL = "it was cancelled"


class Operations(Standing):
    def __init__(self, *rest: Any):
        super().__init__(*rest)
        self._workers: set[threading.Thread] = set()
        self._given_up: dict[str, GivenUp] = {}  #: operations
        self.cancelling: dict[str, CancelMode] = {}  #: operations that somebody cancelled and that are not over yet
        self._cutting = threading.Lock()  #: who gives one up holds it, and who undoes it takes it once
        self.listener = Listener(self._port_came_back)

    # beginning and end

    def _begin(self, vnf: Row, kind: str, request: Row, terms: Terms = USUAL) -> Row:
        operation, target = OPERATIONS[kind]
        return self.store.begin(vnf, operation, target, request, rests=int(terms.rests),
                                automatic=int(terms.automatic), params=terms.params)  # fmt: skip

    def _run(self, operation: Row, perform: Callable[[Row], None] | None = None) -> Row:
        """Have a thread carry it out; `perform`: as that does, instead."""
        worker = threading.Thread(
            target=self._work, args=(operation, perform or self._perform), name=f"operation {operation['id']}"
        )
        self._workers.add(worker)
        worker.start()
        return operation

    def _work(self, operation: Row, perform: Callable[[Row], None]) -> None:
        try:
            perform(operation)
        except Exception as error:  # a bug, or a disk that is full
            log.exception("%s of %s", operation["operation"], operation["vnf"])
            self._give_up(operation, error)
        finally:
            with self._cutting:
                self._given_up.pop(operation["id"], None)
                self.cancelling.pop(operation["id"], None)
            # a HEAL that failed has tried often enough
            if not self._closing.is_set() and operation["operation"] != "HEAL":
                self._check_alive(operation["vnf"])
            self._workers.discard(threading.current_thread())

    def _give_up(self, operation: Row, error: Exception) -> None:
        """Record a failure, however long the disk is full: what is not over blocks its VNF."""
        errors = error.mistakes if isinstance(error, Refused) else [Mistake(found=f"a fault: {error}")]
        state = State.FAILED_TEMP if operation["rests"] else State.FAILED
        self._insist(lambda: self._over(operation, state, [mistake.as_dict() for mistake in errors]))

    def _over(self, operation: Row, state: State, errors: list[Row]) -> None:
        self.store.set_operation(operation["id"], state=state, progress="", errors=errors)

    def _check_alive(self, name: str) -> None:
        """A keeper that died during an operation was not replaced then."""
        with contextlib.suppress(Refused):
            if Keeper(self.directory(name)).pid() is None:
                self.heal(name)

    def _perform(self, operation: Row) -> None:
        """STARTING -> PROCESSING -> COMPLETED, or what `_failed` makes of it."""
        if operation["id"] in self._given_up:  # before anything was touched
            errors = [Mistake(found=self._given_up[operation["id"]]).as_dict()]
            if operation["operation"] in ("INSTANTIATE", "UPGRADE"):  # but claimed
                self._undone(operation, errors)
            self._insist(lambda: self._over(operation, State.ROLLED_BACK, errors))
            return
        self._tell(operation, state=State.PROCESSING)
        self._carry_out(operation)

    def _carry_out(self, operation: Row) -> None:
        try:
            self._act(operation)
        except (Refused, Unreachable, OSError) as error:
            self._failed(operation, error)
            return
        self._insist(lambda: self._over(operation, State.COMPLETED, []))
        log.info("%s of %s completed", operation["operation"], operation["vnf"])

    def _act(self, operation: Row) -> None:
        name, kind, request = operation["vnf"], operation["operation"], operation["request"]
        keeper = Keeper(self.directory(name))
        if kind == "INSTANTIATE":
            self._bring_up(operation, request, request["start"])
        elif kind == "HEAL":
            self._heal(operation)
        elif kind == "UPGRADE":
            self._upgrade(operation, keeper)
        elif kind == "CHANGE_EXT_CONN":
            self._connect(operation)
        elif kind == "MODIFY_INFO":
            self._modify(operation)
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

    # other interfaces, other facts

    def _connect(self, operation: Row) -> None:
        """Ports are bound when a VNF comes up: another keeper takes over."""
        name, vnf = operation["vnf"], self.vnf(operation["vnf"])
        request = {**as_it_was(vnf), **operation["request"]}
        if vnf["ports"] == request["ports"]:
            self.store.set_vnf(name, links=request["links"])
            return
        self._take_down(name)
        self._bring_up(operation, request, vnf["operational_state"] == "STARTED")

    def _not_connected(self, operation: Row) -> bool:
        """Have the VNF run with the interfaces that it had. False: it runs with those that it was to have."""
        name, vnf = operation["vnf"], self.vnf(operation["vnf"])
        keeper, state = Keeper(self.directory(name)), vnf["operational_state"]
        wanted = {port: PortPlan(**facts) for port, facts in vnf["ports"].items()}
        try:
            runs = keeper.call("ping", QUICK_SECONDS).get("state") == state
            runs = runs and Plan.read(keeper.directory / PLAN).ports == wanted
        except (Unreachable, Refused):
            runs = False
        if not runs:
            self._take_down(name)
            self._bring_up(operation, as_it_was(vnf), state == "STARTED", missing=True)
        return bool(vnf["ports"] != operation["request"]["ports"])

    def _modify(self, operation: Row) -> None:
        request = operation["request"]
        facts = {key: request[key] for key in ("title", "about") if key in request}
        self._reconfigure(operation["vnf"], lambda before: request.get("config", before), facts, operation["id"])

    # back

    def _failed(self, operation: Row, error: Exception) -> None:
        """What becomes of an operation that failed, or was given up."""
        with self._cutting:
            given_up = self._given_up.pop(operation["id"], None)
        if given_up is not None:
            error = Refused(Mistake(found=given_up), title="given up")
        log.warning("%s of %s failed: %s", operation["operation"], operation["vnf"], error)
        if operation["rests"] and given_up != GivenUp.TERMINATION:
            self._rest(operation, _errors(error))
        else:
            self._roll_back(operation, _errors(error))

    def _rest(self, operation: Row, errors: list[Row]) -> None:
        """It is undone at once, so that nothing is in between while it waits for a decision."""
        if self._undone(operation, errors):
            self._insist(lambda: self._over(operation, State.FAILED_TEMP, errors))
        else:
            self._insist(lambda: self._over(operation, State.COMPLETED, []))

    def _undone(self, operation: Row, errors: list[Row]) -> bool:
        """False: it is done after all. What cannot be undone goes to `errors`."""
        try:
            return self._undo(operation, errors)
        except (Refused, Unreachable, OSError) as error:
            log.error("undoing %s of %s failed: %s", operation["operation"], operation["vnf"], error)
            errors += _errors(error)
            return True

    def _roll_back(self, operation: Row, errors: list[Row]) -> None:
        """Back to what was before, keeping the reason."""
        self._tell(operation, state=State.FAILED_TEMP, errors=errors)
        self._tell(operation, state=State.ROLLING_BACK)
        told = len(errors)
        if not self._undone(operation, errors):
            self._insist(lambda: self._over(operation, State.COMPLETED, []))
            return
        state = State.ROLLED_BACK if len(errors) == told else self._stuck(operation)
        self._insist(lambda: self._over(operation, state, errors))

    @staticmethod
    def _stuck(operation: Row) -> State:
        """Where an operation ends whose way back failed."""
        return State.FAILED_TEMP if operation["rests"] else State.FAILED

    def _undo(self, operation: Row, errors: Sequence[Row]) -> bool:
        """Make what was before of whatever an operation has done; also when it is undone already. False: it is done
        after all, whoever said otherwise. Raises Refused, Unreachable, OSError."""
        name, kind = operation["vnf"], operation["operation"]
        if kind == "INSTANTIATE" or (kind == "HEAL" and not operation["rests"]):
            self._take_down(name)
            self._insist(lambda: self._not_instantiated(name, errors))
        elif kind == "HEAL":  # once it is decided the VNF is brought back as always
            self._take_down(name)
        elif kind == "UPGRADE":
            return self._not_upgraded(operation)
        elif kind == "CHANGE_EXT_CONN":
            return self._not_connected(operation)
        elif kind == "OPERATE":
            self._put_back(name, "stop" if operation["target"] == "STARTED" else "start")
        elif kind == "TERMINATE" and Keeper(self.directory(name)).pid() is None:
            # a termination cannot be taken back once the keeper has gone: it is finished instead
            self.recover_directory(self.directory(name))
            self._insist(lambda: self._not_instantiated(name))
            return not operation["rests"]
        return True  # a modification is made whole or not at all

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
        """Begin to bring a VNF back that has lost its keeper; None: it is not instantiated."""
        vnf = self.vnf(name)
        if vnf["instantiation_state"] != "INSTANTIATED":
            return None
        return self._run(self._begin(vnf, "heal", {}, BY_ITSELF))

    def _heal(self, operation: Row) -> None:
        """A new keeper in the state of the old one, after undoing what that one left."""
        name = operation["vnf"]
        vnf = self.vnf(name)
        request = as_it_was(vnf)
        waits = [*HEAL_WAITS, None]
        while True:
            try:
                Keeper(self.directory(name)).end(ask=False)
                self._bring_up(operation, request, vnf["operational_state"] == "STARTED", missing=True)
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

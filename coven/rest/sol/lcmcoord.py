"""LCM Coordination (SOL002 10): a VNFM asks before it acts, and a VNFC of the package says whether it may go on.

An action is an agent request that the descriptor lists under `coordination`. What it answers decides: CONTINUE (also
null or true), ABORT (also false), or a map with `result`, and perhaps `output` and `warnings`. {"in_progress":
SECONDS}: it is asked again then, until it decides; {"busy": SECONDS}: the VNFM may try again then.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import bottle

from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row, Store, conflict, missing
from coven.base.problem import problem
from coven.rest import web
from coven.rest.arguments import positional
from coven.rest.routes import route
from coven.rest.sol.exchange import Interface, link, root
from itf.mistakes import Kind, Mistake, Refused, suggest

log = logging.getLogger("coven.agent")

KEPT = 1000  #: coordinations that are over
LEAST_SECONDS, MOST_SECONDS = 0.1, 3600.0  #: between two questions
DAY_SECONDS = 86400.0  #: a coordination that takes longer is given up


class State(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    CONTINUE = "CONTINUE"
    ABORT = "ABORT"
    CANCELLED = "CANCELLED"


#: from IN_PROGRESS it goes to one of the others, which are its results and stay
DECIDED = frozenset(State) - {State.IN_PROGRESS}


class Coordinations:
    """Those that there were, in the agent's store; those in progress are gone on with by whichever agent is there."""

    def __init__(self, agent: Lifecycle):
        self.agent = agent
        self._store: Store = agent.store
        self._bell, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="coordinations", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._bell.set()
        self._thread.join()

    def find(self, identity: str) -> Row:
        """Raises Refused with 404."""
        rows = self._store.rows("SELECT * FROM coordinations WHERE id = ?", identity)
        if not rows:
            raise missing(f"coordination {identity}")
        return rows[0]

    def begin(self, vnf: Row, body: Row, args: list[Any]) -> Row:
        """Ask for the first time. Raises Refused with 503 where it is to be tried again later."""
        identity, at = str(uuid.uuid4()), time.time()
        state, value, wait = self._asked(vnf["name"], body["coordinationActionName"], args)
        row = {"id": identity, "vnf": vnf["name"], "request": body, "args": args, "state": state, "value": value,
               "due": at + wait, "begun": at}  # fmt: skip
        with self._store.transaction() as db:
            self._store.insert("coordinations", row)
            db.execute(
                "DELETE FROM coordinations WHERE id IN (SELECT id FROM coordinations WHERE state != 'IN_PROGRESS'"
                " ORDER BY begun DESC LIMIT -1 OFFSET ?)", (KEPT,),
            )  # fmt: skip
        self._bell.set()
        return self.find(identity)

    def cancel(self, identity: str) -> None:
        """Raises Refused: 404, or 409 when it is decided."""
        row = self.find(identity)
        if not self._decide(row, State.CANCELLED, {}):
            raise conflict(f"it is decided: {self.find(identity)['state']}")
        vnfc, _, name = row["request"]["coordinationActionName"].partition(".")
        try:
            offered = self.agent.ask(row["vnf"], "list")["requests"].get(vnfc, [])
            if f"{name}_cancel" in [each["name"] for each in offered]:
                self.agent.ask(row["vnf"], "request", vnfc=vnfc, name=f"{name}_cancel", args=[])
        except Refused as refused:  # it is not asked any more, whether it heard of that or not
            log.warning("%s of %s was not told that it is cancelled: %s", name, row["vnf"], refused)

    def _asked(self, vnf: str, action: str, args: list[Any]) -> tuple[State, Row, float]:
        """What a VNFC decided, with what it said, and after how many seconds it is to be asked again."""
        vnfc, _, name = action.partition(".")
        try:
            said = self.agent.ask(vnf, "request", vnfc=vnfc, name=name, args=args).get("value")
        except Refused as refused:
            if refused.kind in (Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.ABSENT, Kind.CONFLICT):
                raise
            error = problem(HTTPStatus.UNPROCESSABLE_ENTITY, refused.title, refused.mistakes)
            return State.ABORT, {"error": error}, 0.0
        return _read(said)

    def _decide(self, row: Row, state: State, value: Row) -> bool:
        """Whether it was not decided yet."""
        with self._store.transaction() as db:
            sql = "UPDATE coordinations SET state = ?, value = ? WHERE id = ? AND state = 'IN_PROGRESS'"
            return bool(db.execute(sql, (state, json.dumps(value), row["id"])).rowcount)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._bell.clear()
            try:
                rows = self._store.rows("SELECT * FROM coordinations WHERE state = 'IN_PROGRESS' ORDER BY due")
                for row in (row for row in rows if _left(row) <= 0):
                    self._again(row)
                    self._bell.set()
            except Exception as error:  # a full disk, a bug: those that wait wait on
                log.error("coordinations: %s", error)
                rows = [{"due": time.time() + 2.0}]
            self._bell.wait(max(0.0, min(map(_left, rows))) if rows else None)

    def _again(self, row: Row) -> None:
        given_up = time.time() - row["begun"] > DAY_SECONDS
        try:
            state, value, wait = self._asked(row["vnf"], row["request"]["coordinationActionName"], row["args"])
        except Refused as refused:
            gone = given_up or refused.kind in (Kind.ABSENT, Kind.CONFLICT)
            error = problem(HTTPStatus.CONFLICT, refused.title, refused.mistakes)
            state, value, wait = (State.ABORT, {"error": error}, 0.0) if gone else (State.IN_PROGRESS, {}, 1.0)
        if state in DECIDED or given_up:
            self._decide(row, state if state in DECIDED else State.ABORT, value)
        else:
            with self._store.transaction() as db:
                db.execute("UPDATE coordinations SET due = ? WHERE id = ?", (time.time() + wait, row["id"]))


def _read(said: Any) -> tuple[State, Row, float]:
    """What an action's answer means. Raises Refused with 503 where it is busy."""
    told: Row = said if isinstance(said, dict) else {"result": said}
    if (busy := _seconds(told.get("busy"))) is not None:
        raise Refused(Mistake(found="the VNF is busy", remedy=f"try again in {busy:g} s"), title="not now",
                      kind=Kind.UNAVAILABLE, retry=max(1, round(busy)))  # fmt: skip
    if (wait := _seconds(told.get("in_progress"))) is not None:
        return State.IN_PROGRESS, {}, wait
    value = {key: told[name] for key, name in (("outputParams", "output"), ("warnings", "warnings"))
             if told.get(name) is not None}  # fmt: skip
    if "warnings" in value:
        value["warnings"] = str(value["warnings"])
    result = told.get("result")
    if result is None or result is True or result == State.CONTINUE:
        return State.CONTINUE, value, 0.0
    if result is False or result == State.ABORT:
        return State.ABORT, value, 0.0
    wrong = Mistake(found=f"the VNFC answers {json.dumps(said)[:100]}", expected="CONTINUE or ABORT")
    return State.ABORT, {"error": problem(HTTPStatus.UNPROCESSABLE_ENTITY, "no decision", [wrong])}, 0.0


def _left(row: Row) -> float:
    """Seconds until it is asked again; a clock that was put back makes them no more."""
    left: float = row["due"] - time.time()
    return left if left <= MOST_SECONDS else 0.0


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return min(max(float(value), LEAST_SECONDS), MOST_SECONDS)


class LcmCoord(Interface):
    def __init__(self, *rest: Any):
        super().__init__(*rest)
        self._all = Coordinations(self.agent)

    def start(self) -> None:
        self._all.start()

    def close(self) -> None:
        self._all.close()

    @route("POST", "/lcmcoord/v1/coordinations", "Ask whether an operation may go on (202: it is not decided yet)",
           status=201, again=202, reply="LcmCoord", body="LcmCoordRequest", errors=(409, 507))  # fmt: skip
    def coordinate(self, body: Row) -> Row | None:
        vnf = self.subject()
        mistakes = []
        if body["vnfInstanceId"] != vnf["instance"]:
            mistakes.append(Mistake(field="vnfInstanceId", found=body["vnfInstanceId"][:60], expected=vnf["instance"]))
        action = body["coordinationActionName"]
        known = self.agent.descriptor(vnf["package"]).coordination
        args: list[Any] = []
        if action not in known:
            remedy = suggest(action, known)
            mistakes.append(Mistake(field="coordinationActionName", found=action[:60], expected="one of the package's",
                                    remedy=remedy))  # fmt: skip
        else:
            vnfc, _, name = action.partition(".")
            offered = self.agent.ask(vnf["name"], "list")["requests"].get(vnfc, [])
            takes: list[Row] = next((each["args"] for each in offered if each["name"] == name), [])
            try:
                args = positional(body.get("inputParams", {}), takes, "inputParams")
            except Refused as refused:
                mistakes += refused.mistakes
        if mistakes:
            raise Refused(mistakes, title="coordination refused")
        row = self._all.begin(vnf, body, args)
        web.located(f"{root()}/lcmcoord/v1/coordinations/{row['id']}")
        return self._answered(row)

    @route("GET", "/lcmcoord/v1/coordinations/{coordinationId}", "What was decided (202: nothing yet)", again=202,
           reply="LcmCoord")  # fmt: skip
    def read_coordination(self, coordinationId: str) -> Row | None:
        return self._answered(self._all.find(coordinationId))

    @route("POST", "/lcmcoord/v1/coordinations/{coordinationId}/cancel", "Ask no further", status=202, body="Nothing",
           errors=(409, 507))  # fmt: skip
    def cancel_coordination(self, coordinationId: str) -> None:
        self._all.cancel(coordinationId)
        web.located(f"{root()}/lcmcoord/v1/coordinations/{coordinationId}")

    @staticmethod
    def _answered(row: Row) -> Row | None:
        """The representation of what is decided; None, with 202, before."""
        if row["state"] == State.IN_PROGRESS:
            bottle.response.status = HTTPStatus.ACCEPTED
            bottle.response.set_header("Retry-After", str(max(1, round(_left(row)))))
            return None
        asked: Row = row["request"]
        links = {key: each for key, each in asked.get("_links", {}).items() if key != "self"}
        return {
            "id": row["id"], "coordinationResult": row["state"],
            **{key: asked[key] for key in ("vnfInstanceId", "vnfLcmOpOccId", "lcmOperationType",
                                           "coordinationActionName")},
            **row["value"], "_links": {**links, "self": link(f"/lcmcoord/v1/coordinations/{row['id']}")},
        }  # fmt: skip

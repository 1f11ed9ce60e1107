"""What subscribers of vnflcm are told (SOL002 5.5.2.16 to 5.5.2.18), written down in the transaction of that."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.notifying.outbox import notification
from coven.agent.states import UNFINISHED, State
from coven.agent.store import Row
from coven.rest.sol.changes import wants
from coven.rest.sol.vnflcm import shown
from coven.rest.sol.vnflcm.schemas import CREATION, DELETION, OCCURRENCE

#: states of an operation of which the notification's status is START
_GOES_ON = frozenset(UNFINISHED) - {State.FAILED_TEMP}


class LifecycleChanges:
    """An observer of the store."""

    def __init__(self, agent: Lifecycle, deliveries: Deliveries):
        self._agent, self._deliveries = agent, deliveries
        agent.store.observers.append(self)

    def operation_entered(self, operation: Row) -> None:
        kind = shown.name_of(operation)
        facts = {"operationTypes": kind, "operationStates": str(operation["state"])}
        status = "START" if operation["state"] in _GOES_ON else "RESULT"
        told = {
            "notificationStatus": status, "operationState": operation["state"], "operation": kind,
            "isAutomaticInvocation": bool(operation["automatic"]), "vnfLcmOpOccId": operation["id"],
        }  # fmt: skip
        vnf = self._agent.store.vnf(operation["vnf"])
        known = vnf if vnf is not None and vnf["instance"] == operation["instance"] else None
        self._tell(OCCURRENCE, operation["instance"], known, facts, told, operation)

    def vnf_created(self, vnf: Row) -> None:
        self._tell(CREATION, vnf["instance"], vnf, {}, {})

    def vnf_deleted(self, vnf: Row) -> None:
        self._tell(DELETION, vnf["instance"], vnf, {}, {})

    def _tell(
        self, kind: str, instance: str, vnf: Row | None, facts: dict[str, str], told: Row, operation: Row | None = None
    ) -> None:
        """`facts`: what filters may ask for besides the VNF; `told`: what is said besides that."""
        outbox = self._deliveries.outbox
        rows = [row for row in outbox.subscriptions("vnflcm") if self._wanted(row, kind, vnf, facts)]
        if not rows:
            return
        more = shown.outcome(self._agent, operation) if operation is not None else {}
        made = list(_made(rows, kind, instance, told, more, operation))
        outbox.post(made)
        self._deliveries.ring({row["id"] for row, _ in made})  # they wait for the end of this transaction

    def _wanted(self, row: Row, kind: str, vnf: Row | None, facts: dict[str, str]) -> bool:
        filter: Row = row["filter"]
        if any(filter.get(part) and fact not in filter[part]
               for part, fact in {"notificationTypes": kind, **facts}.items()):  # fmt: skip
            return False
        if not filter.get("vnfInstanceSubscriptionFilter"):
            return True
        descriptor = shown.described(self._agent, vnf) if vnf is not None else None
        return vnf is not None and descriptor is not None and wants(row, vnf, descriptor)


def _made(
    rows: list[Row], kind: str, instance: str, told: Row, more: Row, operation: Row | None
) -> Iterator[tuple[Row, Row]]:
    """Each subscription with its notification: one id for all."""
    identity = str(uuid.uuid4())
    for row in rows:
        verbosity: dict[str, Any] = {}
        if operation is not None:
            verbosity = {"verbosity": row["verbosity"] or "FULL", **_outcome(more, row["verbosity"] == "SHORT")}
        links = {
            "vnfInstance": {"href": row["root"] + shown.instance_path(instance)},
            "subscription": {"href": f"{row['root']}/vnflcm/v2/subscriptions/{row['id']}"},
        }  # fmt: skip
        if operation is not None:
            links["vnfLcmOpOcc"] = {"href": row["root"] + shown.occurrence_path(operation)}
        yield row, notification(kind, row, identity, vnfInstanceId=instance, **told, **verbosity, _links=links)


def _outcome(more: Row, short: bool) -> Row:
    """Of what an operation came to, what a notification has: its error, and unless it is short what it changed."""
    if short:
        return {key: more[key] for key in ("error",) if key in more}
    found = {key: value for key, value in more.items() if key != "resourceChanges"}
    return {**found, **more.get("resourceChanges", {})}

"""Changes of indicators, looked for while somebody wants to be told of them (SOL002 8.5.2.5, 8.5.2.6)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.notifying.outbox import notification
from coven.agent.rounds import Rounds
from coven.agent.store import Row
from coven.package.model import Descriptor
from coven.rest.sol.exchange import Manner, subject
from coven.rest.sol.vnfind import supported, values
from itf.mistakes import Refused

LOOK_SECONDS = 2.0
VALUE, SUPPORTED = "VnfIndicatorValueChangeNotification", "SupportedIndicatorsChangeNotification"


class IndicatorChanges:
    def __init__(self, agent: Lifecycle, manner: Manner, deliveries: Deliveries):
        self._agent, self._manner, self._deliveries = agent, manner, deliveries
        self._rounds = Rounds("indicators", LOOK_SECONDS, self._look)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        self._rounds.close()

    def _look(self) -> None:
        with suppress(Refused):  # no VNF, or one that does not answer, or a full disk: the next time
            self._tell()

    def _tell(self) -> None:
        outbox = self._deliveries.outbox
        subscriptions = outbox.subscriptions("vnfind")
        if not subscriptions:
            self._forget()
            return
        vnf = subject(self._agent, self._manner)
        descriptor = self._agent.descriptor(vnf["package"])
        found = dict(values(self._agent, vnf, supported(descriptor.indicators, vnf)))
        with outbox.store.transaction() as db:
            rows = outbox.store.rows("SELECT * FROM indicators WHERE vnf = ?", vnf["instance"])
            before = {row["id"]: row["value"] for row in rows if row["id"]}
            if rows and found == before:
                return
            told = list(_told(subscriptions, vnf, descriptor, before, found)) if rows else []
            db.execute("DELETE FROM indicators WHERE vnf = ?", (vnf["instance"],))
            new = [(vnf["instance"], name, json.dumps(value)) for name, value in ({"": None} | found).items()]
            db.executemany("INSERT INTO indicators (vnf, id, value) VALUES (?, ?, ?)", new)
            outbox.post(told)
        self._deliveries.ring({subscription["id"] for subscription, _ in told})

    def _forget(self) -> None:
        """Nobody was told: who subscribes next begins with what is so then."""
        store = self._deliveries.outbox.store
        if store.rows("SELECT * FROM indicators LIMIT 1"):
            with store.transaction() as db:
                db.execute("DELETE FROM indicators")


def _told(
    subscriptions: list[Row], vnf: Row, descriptor: Descriptor, before: Row, found: Row
) -> Iterator[tuple[Row, Row]]:
    """Each subscription that wants to know, with what it is told. One id for all that are told the same."""

    def to_all(kind: str, facts: dict[str, str], **more: Any) -> Iterator[tuple[Row, Row]]:
        identity = str(uuid.uuid4())
        for row in subscriptions:
            if wants(row, vnf, descriptor, notificationTypes=kind, **facts):
                links = {"vnfInstance": {"href": f"{row['root']}/vnflcm/v2/vnf_instances/{vnf['instance']}"},
                         "subscription": {"href": f"{row['root']}/vnfind/v1/subscriptions/{row['id']}"}}  # fmt: skip
                yield row, notification(kind, row, identity, vnfInstanceId=vnf["instance"], **more, _links=links)

    if before.keys() != found.keys():
        names = [{"vnfIndicatorId": name, "name": name} for name in found]
        yield from to_all(SUPPORTED, {}, supportedIndicators=names)
    for name, value in found.items():
        if name in before and before[name] != value:
            yield from to_all(VALUE, {"indicatorIds": name}, vnfIndicatorId=name, name=name, value=value)


def wants(subscription: Row, vnf: Row, descriptor: Descriptor, **facts: str) -> bool:
    """Whether a subscription's filter lets a notification about that VNF through: each part that it states has to hold
    the fact, `notificationTypes` and `indicatorIds` among them."""
    filter: Row = subscription["filter"]
    for part, fact in facts.items():
        if filter.get(part) and fact not in filter[part]:
            return False
    of = filter.get("vnfInstanceSubscriptionFilter", {})
    known = {"vnfdIds": descriptor.vnfd_id, "vnfInstanceIds": vnf["instance"], "vnfInstanceNames": vnf["name"]}
    if any(of.get(part) and fact not in of[part] for part, fact in known.items()):
        return False
    products = of.get("vnfProductsFromProviders")
    return not products or any(_of_product(each, descriptor) for each in products)


def _of_product(provider: Row, descriptor: Descriptor) -> bool:
    if provider["vnfProvider"] != descriptor.provider:
        return False
    products: list[Any] = provider.get("vnfProducts") or [{}]
    for product in products:
        versions: list[Any] = product.get("versions") or [{}]
        if product.get("vnfProductName") in (None, descriptor.product or descriptor.name) and any(
            version.get("vnfSoftwareVersion") in (None, descriptor.version)
            and descriptor.version in (version.get("vnfdVersions") or [descriptor.version])
            for version in versions
        ):
            return True
    return False

"""Subscriptions of the ETSI interfaces."""

from __future__ import annotations

from typing import Any

from coven.agent.notifying.targets import Notified
from coven.agent.store import Row
from coven.rest import web
from coven.rest.routes import LISTING, route
from coven.rest.sol.changes import IndicatorChanges
from coven.rest.sol.exchange import Interface, demand, link, root
from coven.rest.sol.versions import SERVED


class Subscriptions(Interface):
    """Of one interface."""

    def created(self, interface: str, body: Row) -> Row:
        """A new subscription, whose endpoint answers. Raises Refused with 422 when it does not."""
        deliveries, authentication = self.deliveries, body.get("authentication", {})
        deliveries.targets.check(body["callbackUri"], "callbackUri")
        Notified(deliveries.targets, body["callbackUri"], authentication).test()
        filter = body.get("filter", {})
        verbosity = body.get("verbosity", "FULL") if interface == "vnflcm" else None
        row = deliveries.outbox.subscribe(interface, body["callbackUri"], filter, authentication, root(), verbosity)
        deliveries.begin(row)
        web.located(root() + _path(row))
        return _shown(row)

    def listed(self, interface: str) -> list[Row]:
        return [_shown(row) for row in self.deliveries.outbox.subscriptions(interface)]

    def one(self, interface: str, identity: str) -> Row:
        """Raises Refused with 404."""
        return _shown(self.deliveries.outbox.subscription(interface, identity))

    def removed(self, interface: str, identity: str) -> None:
        self.deliveries.outbox.unsubscribe(interface, identity, lambda row: demand(_shown(row)))
        self.deliveries.end(identity)


def _path(row: Row) -> str:
    return f"/{row['interface']}/v{SERVED[row['interface']].major}/subscriptions/{row['id']}"


def _shown(row: Row) -> Row:
    """Without what it authenticates with."""
    shown = {"id": row["id"], "callbackUri": row["callback"], "_links": {"self": link(_path(row))}}
    return {**shown, **{part: row[part] for part in ("filter", "verbosity") if row[part]}}


class IndicatorSubscriptions(Subscriptions):
    """SOL002 8.4.5, 8.4.6."""

    def start(self) -> None:
        self._changes.start()

    def close(self) -> None:
        self._changes.close()

    def __init__(self, *rest: Any):
        super().__init__(*rest)
        self._changes = IndicatorChanges(self.agent, self.manner, self.deliveries)

    @route("GET", "/vnfind/v1/subscriptions", "The subscriptions to indicators", reply="VnfIndicatorSubscriptions",
           query=LISTING)  # fmt: skip
    def list_subscriptions(self) -> list[Row]:
        return self.listed("vnfind")

    @route("POST", "/vnfind/v1/subscriptions", "Subscribe to indicators; the endpoint is tested", status=201,
           reply="VnfIndicatorSubscription", body="VnfIndicatorSubscriptionRequest", errors=(409, 507))  # fmt: skip
    def subscribe(self, body: Row) -> Row:
        return self.created("vnfind", body)

    @route("GET", "/vnfind/v1/subscriptions/{subscriptionId}", "A subscription", reply="VnfIndicatorSubscription")
    def read_subscription(self, subscriptionId: str) -> Row:
        return self.one("vnfind", subscriptionId)

    @route("DELETE", "/vnfind/v1/subscriptions/{subscriptionId}", "End a subscription", status=204, errors=(412, 507))
    def unsubscribe(self, subscriptionId: str) -> None:
        self.removed("vnfind", subscriptionId)

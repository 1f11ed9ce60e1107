"""Subscriptions to what happens to VNF instances (SOL002 5.4.18, 5.4.19)."""

from __future__ import annotations

from typing import Any

from coven.agent.store import Row
from coven.rest.routes import LISTING, route
from coven.rest.sol.subscriptions import Subscriptions
from coven.rest.sol.vnflcm.notifications import LifecycleChanges

_ALL = "/vnflcm/v2/subscriptions"
_ONE = f"{_ALL}/{{subscriptionId}}"


class LifecycleSubscriptions(Subscriptions):
    def __init__(self, *rest: Any):
        super().__init__(*rest)
        LifecycleChanges(self.agent, self.deliveries)

    @route("GET", _ALL, "The subscriptions to what happens to VNF instances", reply="LccnSubscriptions", query=LISTING)
    def list_lifecycle_subscriptions(self) -> list[Row]:
        return self.listed("vnflcm")

    @route("POST", _ALL, "Subscribe to what happens to VNF instances; the endpoint is tested", status=201,
           reply="LccnSubscription", body="LccnSubscriptionRequest", errors=(409, 507))  # fmt: skip
    def subscribe_to_lifecycle(self, body: Row) -> Row:
        return self.created("vnflcm", body)

    @route("GET", _ONE, "A subscription", reply="LccnSubscription")
    def read_lifecycle_subscription(self, subscriptionId: str) -> Row:
        return self.one("vnflcm", subscriptionId)

    @route("DELETE", _ONE, "End a subscription", status=204, errors=(412, 507))
    def unsubscribe_from_lifecycle(self, subscriptionId: str) -> None:
        self.removed("vnflcm", subscriptionId)

"""Occurrences of operations, whoever began them, and what may be decided of one (SOL002 5.4.12 to 5.4.17)."""

from __future__ import annotations

from typing import Any

from coven.agent.states import CancelMode, Decision
from coven.agent.store import Row
from coven.rest import web
from coven.rest.routes import LISTING, route
from coven.rest.sol.exchange import Interface, root
from coven.rest.sol.vnflcm import shown

_PATH = f"{shown.OCCURRENCES}/{{vnfLcmOpOccId}}"
_BEGIN: dict[str, Any] = {"status": 202, "body": "Nothing", "errors": (409, 507)}


class Occurrences(Interface):
    @route("GET", shown.OCCURRENCES, "The operations that there were and are", reply="VnfLcmOpOccs", query=LISTING)
    def list_occurrences(self) -> list[Row]:
        return [shown.occurrence(self.agent, row, root()) for row in self.agent.store.operations()]

    @route("GET", _PATH, "One of them", reply="VnfLcmOpOcc")
    def read_occurrence(self, vnfLcmOpOccId: str) -> Row:
        return shown.occurrence(self.agent, self.agent.occurrence(vnfLcmOpOccId), root())

    @route("POST", f"{_PATH}/retry", "Try one again that rests in FAILED_TEMP", **_BEGIN)
    def retry_occurrence(self, vnfLcmOpOccId: str) -> None:
        self._decided(vnfLcmOpOccId, Decision.RETRY)

    @route("POST", f"{_PATH}/rollback", "Roll one back that rests in FAILED_TEMP", **_BEGIN)
    def roll_occurrence_back(self, vnfLcmOpOccId: str) -> None:
        self._decided(vnfLcmOpOccId, Decision.ROLLBACK)

    @route("POST", f"{_PATH}/fail", "Leave one FAILED that rests in FAILED_TEMP", reply="VnfLcmOpOcc",
           body="Nothing", errors=(409, 507))  # fmt: skip
    def fail_occurrence(self, vnfLcmOpOccId: str) -> Row:
        return shown.occurrence(self.agent, self.agent.decide(vnfLcmOpOccId, Decision.FAIL), root())

    @route("POST", f"{_PATH}/cancel", "Give one up that goes on", status=202, body="CancelMode", errors=(409,))
    def cancel_occurrence(self, vnfLcmOpOccId: str, body: Row) -> None:
        row = self.agent.cancel(vnfLcmOpOccId, CancelMode(body["cancelMode"]))
        web.located(root() + shown.occurrence_path(row))

    def _decided(self, identity: str, decision: Decision) -> None:
        row = self.agent.decide(identity, decision)
        web.located(root() + shown.occurrence_path(row))

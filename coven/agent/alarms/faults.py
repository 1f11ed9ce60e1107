"""What can be wrong with a VNF, and what of it is so now: by its status document, whose parts say how well they are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from coven.agent.store import moment
from coven.keeper.health.state import Health

SOON_SECONDS = 14 * 86400.0  #: before its end a certificate is expiring


class Fault(StrEnum):
    VNF_DOWN = "vnf_down"
    VNFC_DOWN = "vnfc_down"
    VNFC_STUCK = "vnfc_stuck"
    VNFC_OVERLOADED = "vnfc_overloaded"
    PORT_DOWN = "port_down"
    PORT_OVERLOADED = "port_overloaded"
    UNACCOUNTED = "packets_unaccounted"
    CERTIFICATE = "certificate_expiring"


class Severity(StrEnum):
    """ETSI's PerceivedSeverityType, as far as it is used."""

    CRITICAL = "CRITICAL"
    MAJOR = "MAJOR"
    MINOR = "MINOR"
    WARNING = "WARNING"
    CLEARED = "CLEARED"


class Resource(StrEnum):
    """ETSI's FaultyResourceType, as far as it is used."""

    COMPUTE = "COMPUTE"
    NETWORK = "NETWORK"


@dataclass(frozen=True)
class Kind:
    """Of faults. `event`: ETSI's EventType."""

    severity: Severity
    event: str
    resource: Resource
    cause: str


KINDS = {
    Fault.VNF_DOWN: Kind(Severity.CRITICAL, "PROCESSING_ERROR_ALARM", Resource.COMPUTE,
                         "what carries the VNF's packets does not work"),
    Fault.VNFC_DOWN: Kind(Severity.MAJOR, "PROCESSING_ERROR_ALARM", Resource.COMPUTE, "a VNFC's process has ended"),
    Fault.VNFC_STUCK: Kind(Severity.MAJOR, "PROCESSING_ERROR_ALARM", Resource.COMPUTE,
                           "a VNFC takes none of the packets that wait for it"),
    Fault.VNFC_OVERLOADED: Kind(Severity.MINOR, "QOS_ALARM", Resource.COMPUTE,
                                "more packets come than a VNFC works on"),
    Fault.PORT_DOWN: Kind(Severity.MAJOR, "COMMUNICATIONS_ALARM", Resource.NETWORK, "a port has no link"),
    Fault.PORT_OVERLOADED: Kind(Severity.MINOR, "QOS_ALARM", Resource.NETWORK,
                                "a port loses packets for lack of room"),
    Fault.UNACCOUNTED: Kind(Severity.MAJOR, "PROCESSING_ERROR_ALARM", Resource.COMPUTE,
                            "packets are unaccounted for"),
    Fault.CERTIFICATE: Kind(Severity.WARNING, "COMMUNICATIONS_ALARM", Resource.NETWORK,
                            "the certificate of the management interface expires soon"),
}  # fmt: skip

_HEALTH = {
    "vnfcs": {Health.DOWN: Fault.VNFC_DOWN, Health.STUCK: Fault.VNFC_STUCK, Health.OVERLOADED: Fault.VNFC_OVERLOADED},
    "ports": {Health.DOWN: Fault.PORT_DOWN, Health.OVERLOADED: Fault.PORT_OVERLOADED},
}
_FORWARDER = ("hung", "down", "failed")


@dataclass(frozen=True)
class Condition:
    """A fault that is there now. `place`: which VNFC or port, or ''; `since`: in seconds since 1970, if known."""

    fault: Fault
    place: str
    why: str
    since: float | None = None
    severity: Severity | None = None  #: where it is not the kind's

    @property
    def how_bad(self) -> Severity:
        return self.severity or KINDS[self.fault].severity


def conditions(status: Mapping[str, Any]) -> Iterator[Condition]:
    """What a status document tells."""
    forwarder = status["forwarder"]
    if forwarder["state"] in _FORWARDER:
        yield Condition(Fault.VNF_DOWN, "", f"its forwarder is {forwarder['state']}: {forwarder['why'] or 'it ended'}")
    for parts, faults in _HEALTH.items():
        for name, part in status[parts].items():
            health = part["health"]
            if (fault := faults.get(health["state"])) is not None:
                yield Condition(fault, name, health["why"] or f"it is {health['state']}", _seconds(health["since"]))
    if places := dict(_unaccounted(status)):
        told = ", ".join(f"{place} {count:+d}" for place, count in places.items())
        yield Condition(Fault.UNACCOUNTED, "", f"packets unaccounted for: {told}")


def _unaccounted(status: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Where law 1 does not hold."""
    places = {"the VNF": status, **status["ports"], **status["vnfcs"],
              **{name: status[name] for name in ("classifier", "nsh") if name in status}}  # fmt: skip
    yield from ((name, place["unaccounted"]) for name, place in places.items() if place["unaccounted"])


def unreachable(why: str) -> Condition:
    """Of a VNF whose keeper does not answer, or that could not be brought back."""
    return Condition(Fault.VNF_DOWN, "", why)


def expiring(file: str, ends: float) -> Iterator[Condition]:
    """Of a certificate that ends then (seconds since 1970)."""
    left = ends - time.time()
    if left < SOON_SECONDS:
        why = f"{file} expires" if left > 0 else f"{file} has expired"
        severity = Severity.WARNING if left > 0 else Severity.MAJOR
        yield Condition(Fault.CERTIFICATE, "", f"{why}: {moment(ends)}", ends - SOON_SECONDS, severity)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()

"""Whether all of a VNF works, and if not, why: what `GET .../health` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coven.agent.keepers.talk import KeeperTalk
from coven.agent.store import Row
from coven.base.report import port_troubles
from coven.keeper.health.state import Health
from itf.mistakes import Mistake, Refused

_FORWARDER = {
    "hung": "the forwarder hangs: nothing has moved for {silent_seconds:g} s; it is ended and started again",
    "down": "the forwarder ended and is started again soon",
    "failed": "the forwarder cannot start, which is tried again and again; coven start makes everything anew",
}


def health(agent: KeeperTalk, name: str) -> Row:
    """The health document. Raises Refused with 404."""
    vnf = agent.vnf(name)
    found: Row = {"status": "not instantiated", "vnfcs": {}, "unaccounted": 0, "why": [], "parts": {}}
    if vnf["instantiation_state"] != "INSTANTIATED":
        found["why"] = [str(Mistake.from_dict(error)) for error in vnf["errors"]]
        return found
    stood = agent.stands(name)
    try:
        status = agent.ask(name, "status")
    except Refused as refused:
        return {**found, "status": "degraded", "why": [str(m) for m in refused.mistakes]}
    state = status.get("state", vnf["operational_state"])
    agent.agree(name, state, stood)
    found["vnfcs"] = {vnfc: str(each.get("state")) for vnfc, each in status.get("vnfcs", {}).items()}
    found["unaccounted"] = status.get("unaccounted", 0)
    found["why"] = reasons(status)
    found["parts"] = _parts(status)
    healthy = "stopped" if state == "STOPPED" else "healthy"
    return {**found, "status": "degraded" if found["why"] else healthy}


def _parts(status: Mapping[str, Any]) -> Row:
    """The health of the VNF, called nothing, and of each of its VNFCs and ports."""
    named = {"": status, **status.get("vnfcs", {}), **status.get("ports", {})}
    return {name: {key: part["health"][key] for key in ("state", "since", "why")}
            for name, part in named.items() if "health" in part}  # fmt: skip


def reasons(status: Mapping[str, Any]) -> list[str]:
    """What is not as it should be in a status document."""
    why = []
    forwarder = status.get("forwarder", {})
    if (said := _FORWARDER.get(str(forwarder.get("state")))) is not None:
        why.append(said.format(**forwarder) + (f" ({forwarder['why']})" if forwarder.get("why") else ""))
    why += [
        f"{vnfc} is {each.get('state')}"
        for vnfc, each in status.get("vnfcs", {}).items() if each.get("state") != "running"
    ]  # fmt: skip
    for name, part in (*status.get("vnfcs", {}).items(), *status.get("ports", {}).items()):
        health = part.get("health", {})
        if health.get("state") in (Health.STUCK, Health.OVERLOADED):
            why.append(f"{name} is {health['state']}: {health.get('why')}")
        elif health.get("says"):
            why.append(f"{name} says: {health['says']}")
    why += port_troubles(status)
    if status.get("unaccounted"):
        why.append(f"{status['unaccounted']} packets are unaccounted for")
    return why

"""`coven health`: how well a VNF and each part of it is."""

from __future__ import annotations

import argparse
import json
from urllib.parse import quote

from coven.base import tables
from coven.cli.client import agent_of
from coven.keeper.health.state import Health
from itf.printable import printable

WELL = (Health.READY, Health.PROGRESSING)
WHOLE = ""  #: the VNF itself, among its parts


def health(given: argparse.Namespace) -> int:
    """Status 1 when not all is well."""
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    found = client.get(f"/v1/vnfs/{quote(name)}/health")
    parts = found["parts"]
    state = parts[WHOLE]["state"] if WHOLE in parts else found["status"]
    if given.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(f"{name} is {found['status'] if found['status'] == 'stopped' else state}")
        for why in found["why"]:
            print(printable(f"  {why}", "\n"))
        rows = [[part, each["state"], each["since"], each["why"] or ""]
                for part, each in parts.items() if part != WHOLE]  # fmt: skip
        if rows:
            print(f"\n{tables.table(['', 'state', 'since', 'why'], rows)}")
    return 1 if found["status"] == "degraded" or (WHOLE in parts and state not in WELL) else 0

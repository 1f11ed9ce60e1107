"""`coven bottleneck`: what limits a running VNF, why, and what would help."""

from __future__ import annotations

import argparse
import json
from typing import Any
from urllib.parse import quote

from agents.bottleneck import duration
from coven.base import tables
from coven.cli.client import agent_of


def bottleneck(given: argparse.Namespace) -> int:
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    told = client.get(f"/v1/vnfs/{quote(name)}/bottleneck", seconds=given.seconds)
    if given.json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    print(paragraph(told))
    print()
    rows = [[vnfc, f"{each['arrived']:.0f}", f"{each['served']:.0f}", f"{each['lost']:.0f}", f"{each['cores']:.0%}",
             duration(each["seconds"]) if each["seconds"] else ""] for vnfc, each in told["vnfcs"].items()]  # fmt: skip
    rows.append(["the forwarder", "", "", "", f"{told['forwarder']['cores']:.0%}", ""])
    print(tables.table(["", "arrived/s", "served/s", "lost/s", "of a core", "a packet"], rows))
    return 0


def paragraph(told: dict[str, Any]) -> str:
    found = told["bottleneck"]
    if found is None:
        return f"nothing limits it at this load: {told['received']:.0f} packets a second come, and none waits for long"
    lines = [f"{found['why']}.", f"it allows {found['allows']:.0f} packets a second. What would help:"]
    return "\n".join([*lines, *(f"  - {each}" for each in found["helps"])])

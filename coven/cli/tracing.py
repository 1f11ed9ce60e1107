"""`coven trace`: what becomes of the packets that pass a running VNF now."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any
from urllib.parse import quote

from coven.cli.client import agent_of
from itf.mistakes import Mistake

ROUND_SECONDS = 5.0  #: that the agent is asked to wait at once
MOST = 1000  #: packets of one answer


def trace(given: argparse.Namespace) -> int:
    """Until so many packets have been told of, or the time is over, or Ctrl-C."""
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    path = f"/v1/vnfs/{quote(name)}/trace"
    left, end = given.count, None if given.seconds is None else time.monotonic() + given.seconds
    lost = 0
    while True:  # once at least: whether that can be counted to, the agent says
        wait = ROUND_SECONDS if end is None else max(0.1, min(ROUND_SECONDS, end - time.monotonic()))
        answer = client.get(path, count=min(left, MOST), wait=round(wait, 2), filter=given.filter)
        for packet in answer["packets"]:
            print(json.dumps(packet) if given.json else line(packet), flush=True)
        left -= len(answer["packets"])
        lost += answer["lost"]
        if left <= 0 or (end is not None and time.monotonic() >= end):
            break
    if lost:
        found = f"{lost} steps of packets are missing"
        print(f"coven: {Mistake(found=found, remedy='packets are faster than they can be told: --filter')}",
              file=sys.stderr)  # fmt: skip
    return 0


def line(packet: dict[str, Any]) -> str:
    """As `coven run --explain` says it."""
    from agents.explain import course  # it reads segment.h, which other commands need not wait for

    told = course(packet["came"], packet["steps"], packet["end"])
    why = f" ({packet['why']})" if packet["why"] else ""
    return f"{packet['number']:>5}  {packet['what']}  {packet['came']}: {told}{why}"

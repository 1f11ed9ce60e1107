"""`coven trace`: what becomes of the packets that pass a running VNF now."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from coven.base.problem import Misuse
from coven.cli.client import agent_of
from itf.mistakes import Mistake

LIKE = ("proto", "src", "sport", "dst", "dport")  #: what a packet may be like
ROUND_SECONDS = 5.0  #: that the agent is asked to wait at once
MOST = 1000  #: packets of one answer


def trace(given: argparse.Namespace) -> int:
    """Until so many packets have been told of, or the time is over, or Ctrl-C."""
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    path = f"/v1/vnfs/{quote(name)}/trace"
    left, end = given.count, None if given.seconds is None else time.monotonic() + given.seconds
    lost = passed = 0
    after = None
    while True:  # once at least: whether that can be counted to, the agent says
        wait = ROUND_SECONDS if end is None else max(0.1, min(ROUND_SECONDS, end - time.monotonic()))
        answer = client.get(path, count=min(left, MOST), wait=round(wait, 2), filter=given.filter, every=given.every,
                            rate=given.rate, after=after)  # fmt: skip
        for packet in answer["packets"]:
            for told in [json.dumps(packet)] if given.json else [line(packet), *([] if given.brief else hops(packet))]:
                print(told, flush=True)
        left -= len(answer["packets"])
        lost += answer["lost"]
        passed += answer["passed"]
        after = answer["next"]
        if left <= 0 or (end is not None and time.monotonic() >= end):
            break
    if passed:
        remedy = "--filter, --every, or a greater --rate, which costs more"
        print(f"coven: {Mistake(found=f'{passed} packets were not looked at', remedy=remedy)}", file=sys.stderr)
    if lost:
        found = f"{lost} steps of packets are missing"
        print(f"coven: {Mistake(found=found, remedy='packets are faster than they can be told: --filter')}",
              file=sys.stderr)  # fmt: skip
    return 0


def line(packet: dict[str, Any]) -> str:
    """As `coven run --explain` says it."""
    from agents.explain import course  # it reads segment.h, which other commands need not wait for

    told = course(packet["came"], packet["steps"], packet["end"])
    said = "; ".join(filter(None, (packet["why"], packet["note"])))
    return f"{packet['number']:>5}  {packet['what']}  {packet['came']}: {told}{f' ({said})' if said else ''}"


def hops(packet: dict[str, Any]) -> list[str]:
    """A line a VNFC: verdict, how long it had the packet, its note, what it changed, mark and context."""
    width = max((len(hop["vnfc"]) for hop in packet["hops"]), default=0)
    return [f"         {hop['vnfc']:<{width}}  {'  '.join(_told(hop))}" for hop in packet["hops"]]


def _told(hop: dict[str, Any]) -> Iterator[str]:
    verdict = f"drop {hop['reason']}" if hop["verdict"] == "drop" else hop["verdict"]
    yield verdict + (f"[{hop['output']}]" if hop["output"] else "")
    waited, had = hop["ring_seconds"], hop["vnfc_seconds"]
    parts = f" ({waited * 1e6:.0f} in its ring, {had * 1e6:.0f} in it)" if waited is not None else ""
    yield f"{hop['seconds'] * 1e6:.0f} us{parts}"
    if hop["note"]:
        yield f'"{hop["note"]}"'
    yield from hop["changed"]
    if hop["mark"]:
        yield f"mark {hop['mark']}"
    if hop["context"]:
        yield f"context {hop['context']}"


def why(given: argparse.Namespace) -> int:
    """One packet's fate in a paragraph; status 1 when none came to an end."""
    if not given.inject and (given.port or given.send):
        option = "--port" if given.port else "--send"
        raise Misuse(Mistake(field=option, found="no --inject", expected="both: it is of a packet that is made"))
    client = agent_of(given)
    path = f"/v1/vnfs/{quote(client.only_vnf(given.vnf))}/why"
    like = {key: getattr(given, key) for key in LIKE if getattr(given, key) is not None}
    end = time.monotonic() + given.wait
    while True:
        wait = round(max(0.1, min(ROUND_SECONDS, end - time.monotonic())), 2)
        if given.inject:
            asked = {**like, "send": given.send, "wait": wait, **({"port": given.port} if given.port else {})}
            answer = client.ask("POST", path, asked)
        else:
            answer = client.get(path, wait=wait, **like)
        if answer["packet"] is not None or given.inject or time.monotonic() >= end:
            break
    if answer["packet"] is None and not given.inject:  # the agent knows of the last round only
        from agents.why import nothing

        answer["why"] = nothing(" ".join(f"{key} {value}" for key, value in like.items()), given.wait, False)
    print(json.dumps(answer) if given.json else answer["why"])
    return 0 if answer["packet"] is not None else 1

"""`coven logs`: what VNFCs and keeper said, and with `--follow` what they say from now on."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any
from urllib.parse import quote

from coven.cli.client import WAIT, Client, again, agent_of
from itf.mistakes import Kind, Refused
from itf.printable import printable

PAUSE = 1.0  #: seconds between two questions that had no news in them
MOST = 10_000  #: lines of one answer


def logs(given: argparse.Namespace) -> int:
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    path = f"/v1/vnfs/{quote(name)}/logs"
    answer = client.get(path, vnfc=given.vnfc, lines=given.lines)
    if given.json and not given.follow:
        print(json.dumps(answer["lines"], indent=2, ensure_ascii=False))
        return 0
    _show(answer, given.json)
    return _follow(client, path, answer["next"], given) if given.follow else 0


def _follow(client: Client, path: str, after: str, given: argparse.Namespace) -> int:
    """Until the VNF is no more, or Ctrl-C. An agent that is away is waited for, and its address looked up again."""
    silent = False
    while True:
        began = time.monotonic()
        try:
            answer = client.get(path, vnfc=given.vnfc, lines=MOST, after=after, wait=WAIT)
        except Refused as refused:
            if refused.kind in (Kind.CONFLICT, Kind.ABSENT):
                print(f"coven: {refused.mistakes[0].found}: that was all", file=sys.stderr)
                return 0
            if refused.kind != Kind.UNAVAILABLE:
                raise
            if not silent:
                print(f"coven: waiting: {refused.mistakes[0].found}", file=sys.stderr)
            silent = True
            time.sleep(PAUSE)
            client = Client(again(client.address), given.ca)
            continue
        silent = False
        if answer["missed"]:
            print("coven: what was said before this is not kept", file=sys.stderr)
        _show(answer, given.json)
        after = answer["next"]
        if not answer["lines"]:
            time.sleep(max(0.0, PAUSE - (time.monotonic() - began)))


def _show(answer: dict[str, Any], as_json: bool) -> None:
    for line in answer["lines"]:
        if as_json:
            print(json.dumps(line, ensure_ascii=False))
            continue
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line["time"]))
        # what a VNFC writes must not steer the terminal
        print(printable(f"{at} {line['vnfc']}: {line['line']}", "\t"))
    sys.stdout.flush()

"""`coven capture`: packets of a running VNF, into a pcapng file, a pipe, or as lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from coven.base.problem import Misuse
from coven.base.report import missing
from coven.cli.client import agent_of
from itf.mistakes import Mistake, Refused

if TYPE_CHECKING:
    from agents.pcapng import Blocks, Packet


def capture(given: argparse.Namespace) -> int:
    """Until so many packets have come, the time is over, whoever reads has enough, or Ctrl-C."""
    if given.write == "-" and sys.stdout.isatty():
        raise Misuse(Mistake(field="-w", found="a terminal", expected="a pipe",
                             remedy="coven capture -w - | wireshark -k -i -, or -w FILE"))  # fmt: skip
    from agents.pcapng import Blocks  # it reads segment.h, which other commands need not wait for

    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    pieces = client.stream(
        f"/v1/vnfs/{quote(name)}/capture", at=given.at, drops="true" if given.drops else None, filter=given.filter,
        snaplen=given.snaplen, seconds=given.for_, count=given.count,
    )  # fmt: skip
    blocks = Blocks()
    with ExitStack() as opened:
        pieces = chain([next(pieces, b"")], pieces)  # what is refused empties no file
        write: Callable[[bytes], object] | None = None
        if given.write == "-":
            write = sys.stdout.buffer.write
        elif given.write is not None:
            write = opened.enter_context(Path(given.write).open("wb")).write
        try:
            _take(pieces, blocks, write)
        except KeyboardInterrupt:  # how most captures end
            pass
        except ValueError as problem:
            raise Refused(Mistake(found=f"{client.address.url} sends {problem}"), title="no capture") from None
    if given.write is not None:
        _say_what_came(blocks)
    _say_what_is_missing(blocks)
    return 0


def _take(pieces: Iterator[bytes], blocks: Blocks, write: Callable[[bytes], object] | None) -> None:
    """Whole blocks only: a file is one at any moment."""
    for piece in pieces:
        for block, packet in blocks.feed(piece):
            if write is not None:
                write(block)
            elif packet is not None:
                print(line(packet))
        if write is None or write == sys.stdout.buffer.write:
            sys.stdout.flush()


def line(packet: Packet) -> str:
    """One packet at one place, for people."""
    from agents.summary import summary

    at = datetime.fromtimestamp(packet.time_ns / 1e9).astimezone()
    what = summary(packet.data, packet.interface.link, packet.len)
    said = "".join(f"  {comment}" for comment in packet.comments)
    return f"{at:%H:%M:%S.%f}  {packet.interface.name}  {what}{said}"


def _say_what_came(blocks: Blocks) -> None:
    by_name = ", ".join(f"{each.captured} at {each.name}" for each in blocks.interfaces)
    print(f"coven: packets captured: {by_name or 'none'}", file=sys.stderr)


def _say_what_is_missing(blocks: Blocks) -> None:
    missed = {each.name: each.figures.get("missed", 0) for each in blocks.interfaces}
    if (mistake := missing(missed)) is not None:
        print(f"coven: {mistake}", file=sys.stderr)

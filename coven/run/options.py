"""The options of `coven run`, and what they mean: interfaces, captures, pipes."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from coven.base.problem import Misuse
from coven.base.seconds import seconds
from coven.keeper.plan import BACKENDS, PortPlan
from itf.mistakes import Mistake, Refused

CAPTURES = (".pcap", ".pcapng")
EXPLAINED = 50  #: captures of fewer packets are explained unless one says otherwise
STREAM = "-"  #: standard input, or output, as a capture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", help="folder, CSAR, zip or descriptor file")
    parser.add_argument(
        "--in", dest="into", metavar="X", help="interface of port in, or the capture that it reads, - for stdin"
    )
    parser.add_argument("--out", metavar="Y", help="interface of port out, or the capture that it writes, - for stdout")
    parser.add_argument("--back", metavar="FILE", help="capture of what leaves by port in")
    parser.add_argument(
        "--port", action="append", default=[], metavar="NAME=READ[,WRITE]",
        help="interface of a port, or the captures that it reads and writes",
    )  # fmt: skip
    parser.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="of all ports; auto takes the best that works"
    )
    parser.add_argument("--take", action="store_true", help="interfaces that somebody else uses, too")
    parser.add_argument(
        "--set", action="append", default=[], metavar="VNFC.KEY=VALUE", help="configuration; VALUE is YAML"
    )
    parser.add_argument("--for", dest="seconds", type=seconds, metavar="SECONDS", help="end after that time")
    parser.add_argument(
        "--latency", choices=("low", "normal"), default="normal", help="low: everything on one core"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, - for stdout")
    parser.add_argument(
        "--explain", action=argparse.BooleanOptionalAction, default=None,
        help=f"a line for each packet: what it was, each VNFC's verdict, why (default: captures of fewer than "
        f"{EXPLAINED} packets)",
    )  # fmt: skip
    parser.add_argument(
        "--watch", action="store_true", help="whenever the package is saved: check it, take it up, keep running"
    )
    parser.add_argument("--capture", metavar="FILE", help="write what passes there as pcapng, - for stdout")
    parser.add_argument("--at", metavar="PLACE[,PLACE]", help="with --capture: places, as coven capture has them")
    parser.add_argument("--drops", action="store_true", help="with --capture: only what is dropped, there or anywhere")
    parser.add_argument("--filter", metavar="EXPRESSION", help="with --capture: only those that match (pcap-filter)")
    parser.add_argument("--debug", metavar="VNFC", help="leave it its terminal, and never end it as hung")


def is_capture(text: str) -> bool:
    path = Path(text)
    return text == STREAM or text.endswith(CAPTURES) or path.is_file() or path.is_fifo()


def _is_interface(text: str) -> bool:
    """Whether that can only have meant an interface: there is one of that name, and no file."""
    try:
        socket.if_nametoindex(text)
    except OSError:
        return False
    return not Path(text).exists()


def bindings(arguments: argparse.Namespace, names: list[str]) -> dict[str, PortPlan]:
    """What every port is bound to. Raises Refused with all mistakes."""
    read: dict[str, str] = {}
    write: dict[str, str] = {}
    mistakes: list[Mistake] = []

    def give(into: dict[str, str], name: str, what: str, option: str) -> None:
        if name in into and into[name] != what:
            mistakes.append(Mistake(field=option, found=f"port {name} twice", expected="each port once"))
        into[name] = what

    if arguments.into is not None:
        give(read, "in", arguments.into, "--in")
    for text in arguments.port:
        name, equals, rest = text.partition("=")
        first, _, second = rest.partition(",")
        if not (equals and name and (first or second)):
            mistakes.append(Mistake(field="--port", found=text, expected="NAME=READ[,WRITE]"))
            continue
        if first:
            give(read, name, first, "--port")
        if second:
            give(write, name, second, "--port")
    given = [*read.values(), *write.values()]
    capture = (
        arguments.backend == "pcap"
        or arguments.back is not None
        or bool(write)
        or any(map(is_capture, given))
    )
    if arguments.out is not None:
        capture = capture or (not read and is_capture(arguments.out))
        give(write if capture else read, "out", arguments.out, "--out")
    if arguments.back is not None:
        give(write, "in", arguments.back, "--back")
    if arguments.backend not in ("auto", "pcap") and capture:
        mistakes.append(
            Mistake(field="--backend", found=f"{arguments.backend} with captures", expected="pcap, or auto")
        )
    for name in sorted((read.keys() | write.keys()) - set(names)):
        mistakes.append(
            Mistake(field="--port", found=name, expected=f"a port of the package: {', '.join(names)}")
        )
    for name, what in write.items() if capture else ():
        if _is_interface(what):
            remedy = f"a file of that name is ./{what}; with interfaces every port has one: --in IF --out IF"
            found = f"the interface {what}, and captures to read"
            mistakes.append(Mistake(field=f"--{name}", found=found, expected="a capture to write", remedy=remedy))
    if list(read.values()).count(STREAM) > 1 or list(write.values()).count(STREAM) > 1:
        mistakes.append(Mistake(field="--port", found="- twice", expected="one port that reads, one that writes it"))
    if capture and not read:
        mistakes.append(Mistake(field="--in", found="no capture to read", expected="one at least", remedy="--in FILE"))
    if mistakes:
        raise Misuse(mistakes)
    if capture:
        return {name: PortPlan("pcap", None, read.get(name), write.get(name)) for name in names}
    return {
        name: PortPlan(arguments.backend, read[name], take=arguments.take) for name in names if name in read
    }


@contextlib.contextmanager
def streams(ports: Mapping[str, PortPlan], folder: Path) -> Iterator[dict[str, PortPlan]]:
    """The ports with files in `folder` for standard input, standard output and pipes: what is read is taken in whole
    before, what is written is handed on at the end. Raises Refused where there is no room for it."""
    made = dict(ports)
    out: Path | None = None
    for name, port in ports.items():
        if port.read is not None and (port.read == STREAM or Path(port.read).is_fifo()):
            copy = folder / f"{name}.in"
            try:
                which = 0 if port.read == STREAM else port.read
                with open(which, "rb", closefd=which != 0) as source, copy.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            except OSError as problem:
                mistake = Mistake.of(problem, file=port.read, field=f"ports.{name}.read")
                raise Refused(mistake, title="not read") from None
            made[name] = replace(made[name], read=str(copy))
        if port.write == STREAM:
            out = folder / f"{name}.out"
            made[name] = replace(made[name], write=str(out))
    yield made
    if out is not None and out.exists():
        with out.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer, 1 << 20)
        sys.stdout.flush()

"""`coven run`: a package in the foreground, without an agent; and the same for a package's test cases.

Packets come from interfaces or captures. It ends at the captures' end, after `--for`, or on SIGINT or
SIGTERM; then everything is undone and the figures are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import shutil
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from coven.base.places import Places
from coven.base.problem import Misuse
from coven.base.report import report
from coven.base.terminal import width
from coven.keeper import hosting
from coven.keeper.folder_lock import Held, alone, hold
from coven.keeper.hosts.build import Builds
from coven.keeper.journal import JOURNAL, Busy, Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.main import on_signals, recover
from coven.keeper.plan import BACKENDS, Plan, PortPlan
from coven.keeper.status import not_accounted
from coven.keeper.vnf import Vnf
from coven.package import archive as package
from coven.package.settings import parse_settings
from coven.run.tracing import Explanation
from itf.mistakes import Mistake, Refused

OK, FAILED, USAGE, UNACCOUNTED = 0, 1, 2, 3
CAPTURES = (".pcap", ".pcapng")
STREAM = "-"  #: standard input, or output, as a capture
RUN_PREFIX = "run-"  #: folders of foreground runs, beside those of agents' VNFs
EXPLAINED = 50  #: captures of fewer packets are explained unless one says otherwise
SMALL_PACKET = 65536  #: bytes in a capture that a packet takes at most, by and large
_held: dict[Path, int] = {}  #: this process's run folders, each with its lock
STATISTICS_SECONDS = 2.0  #: a forwarder that died in the middle of publishing is replaced within that time


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
    parser.add_argument("--for", dest="seconds", type=_seconds, metavar="SECONDS", help="end after that time")
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
    parser.add_argument("--debug", metavar="VNFC", help="leave it its terminal, and never end it as hung")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"found {text}, expected a number of seconds above 0")
    return value


# what the arguments mean


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
                mistake = Mistake(file=port.read, field=f"ports.{name}.read", found=problem.strerror)
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


# running


class Foreground:
    """A VNF in this process. Leaves nothing behind: `with Foreground(plan, ...) as run: run.vnf...`."""

    def __init__(
        self, plan: Plan, loop: Loop, *, echo: bool = False, progress: Callable[[str], None] = lambda _: None
    ):
        self.plan = plan
        self.loop = loop
        self.folder = plan.build.parent
        self.journal = Journal(self.folder / JOURNAL)
        self.logs = Logs(echo=echo)
        self.vnf: Vnf
        self._progress = progress
        self._after: list[Callable[[], None]] = []

    def after(self, call: Callable[[], None]) -> None:
        """Call that when everything has ended."""
        self._after.append(call)

    def __enter__(self) -> Foreground:
        try:
            self.vnf = hosting.instantiate(self.plan, self.loop, self.journal, self.logs, self._progress)
        except BaseException:
            self._forget()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.vnf.end()
        self.vnf.close()
        for call in self._after:
            call()
        self._forget()

    def _forget(self) -> None:
        self.journal.finish()
        self.logs.close()
        remove_folder(self.folder)

    def forward(self, ended: Callable[[], bool]) -> None:
        """Forward until the captures' end or until `ended`. Raises Refused if it cannot begin."""
        answers: list[list[Mistake]] = []
        self.vnf.start(answers.append)
        self.loop.run_until(lambda: bool(answers) or ended())
        if answers and answers[0]:
            raise Refused(answers[0], title="not started")
        self.loop.run_until(lambda: ended() or self.vnf.done or self._failed())
        self.vnf.quiesce()

    def _failed(self) -> bool:
        """on_failure: stop."""
        return not self.vnf.forwarding

    def status(self) -> dict[str, Any]:
        figures: list[dict[str, Any]] = []

        def readable() -> bool:
            try:
                figures.append(self.vnf.status())
            except TimeoutError:
                return False
            return True

        if not self.loop.run_until(readable, STATISTICS_SECONDS):
            raise Refused(
                Mistake(found="the forwarder's figures stay half-written"), title="failed"
            )
        return figures[0]


def make_folder() -> Path:
    """A folder for one run; what runs that were killed have left is undone on the way."""
    base = Places.find().make().run
    for old in base.glob(RUN_PREFIX + "*"):
        try:
            with alone(old):
                if not recover(old).failed:
                    shutil.rmtree(old, ignore_errors=True)
        except (Held, Busy, OSError):
            continue
    folder = base / f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}"
    _held[folder] = hold(folder)
    return folder


def remove_folder(folder: Path) -> None:
    """One of `make_folder`'s, at the end of its run."""
    shutil.rmtree(folder, ignore_errors=True)
    if (fd := _held.pop(folder, None)) is not None:
        os.close(fd)


def run_captures(
    descriptor: Path,
    ports: Mapping[str, Mapping[str, str | None]],
    set: Mapping[str, dict[str, Any]],
    seed: int,
    builds: Builds | None = None,
) -> dict[str, Any]:
    """Run captures through a package with fixed clock and random numbers; returns the status document.

    ports: name -> {"read": FILE, "write": FILE}, either may be missing. set: {vnfc: {key: value}}. builds: what
    other runs of the package have built. Raises Refused with all mistakes.
    """
    plan = Plan(
        name=descriptor.stem,
        package=descriptor.parent,
        descriptor=descriptor.name,
        build=make_folder() / "build",
        ports={
            name: PortPlan("pcap", None, each.get("read"), each.get("write")) for name, each in ports.items()
        },
        instance="test",
        config=dict(set),
        seed=seed,
        builds=builds,
    )
    with Foreground(plan, Loop()) as run:
        run.forward(lambda: False)
        return {**run.status(), "logs": run.logs.tail(None, 1000)}


@contextlib.contextmanager
def many_runs() -> Iterator[Callable[..., dict[str, Any]]]:
    """`run_captures` for packages that stay as they are meanwhile: each VNFC is built once."""
    with tempfile.TemporaryDirectory(prefix="coven-builds-") as folder:
        yield functools.partial(run_captures, builds=Builds(Path(folder)))


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0 ok, 1 failed, 2 usage, 3 unaccounted packets."""
    try:
        with package.opened(arguments.package) as source:
            descriptor = source.load()
            try:
                ports = bindings(arguments, list(descriptor.ports))
                _check_writable(arguments.json)
                settings = parse_settings(arguments.set)
                if arguments.debug is not None and arguments.debug not in descriptor.vnfcs:
                    known = ", ".join(descriptor.vnfcs)
                    raise Refused(Mistake(field="--debug", found=arguments.debug, expected=f"a VNFC: {known}"))
                if arguments.watch and package.is_zip(Path(arguments.package)):
                    expected = "a folder or a descriptor file, to be edited"
                    raise Refused(Mistake(field="--watch", found="a zip", expected=expected))
            except Refused as refused:
                print(refused, file=sys.stderr)
                return USAGE
            if arguments.json == Path(STREAM) and any(port.write == STREAM for port in ports.values()):
                print(Misuse(Mistake(field="--json", found="- beside a capture to -", expected="one of them")),
                      file=sys.stderr)  # fmt: skip
                return USAGE
            arguments.piped = any(port.write == STREAM for port in ports.values())
            with tempfile.TemporaryDirectory(prefix="coven-run-") as scratch, streams(ports, Path(scratch)) as ports:
                plan = Plan(
                    name=descriptor.name, package=source.folder, descriptor=source.descriptor_file,
                    build=make_folder() / "build", ports=ports, instance=uuid.uuid4().hex, config=settings,
                    latency=arguments.latency, debug=arguments.debug,
                )  # fmt: skip
                loop = Loop()
                ending: list[bool] = []
                on_signals(loop, lambda: ending.append(True))
                if arguments.seconds is not None:
                    loop.later(arguments.seconds, lambda: ending.append(True))
                if arguments.watch:
                    from coven.run.watch import watch

                    return watch(plan, source.label, arguments, loop, lambda: bool(ending))
                return run_once(plan, arguments, loop, lambda: bool(ending))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return FAILED


def run_once(
    plan: Plan, arguments: argparse.Namespace, loop: Loop, ended: Callable[[], bool],
    ready: Callable[[Foreground], None] = lambda _: None,
) -> int:  # fmt: skip
    """Run until the captures' end or `ended`, then say what came of it; the exit status. `ready` is called before
    the first packet. Raises Refused."""
    with Foreground(plan, loop, echo=True) as run:
        if not plan.capture:
            for name, facts in run.vnf.facts.items():
                print(f"{name}: {facts.interface} ({facts.backend}: {facts.why})", file=sys.stderr)
            print("forwarding; Ctrl-C ends", file=sys.stderr)
        if arguments.debug is not None:
            _debugged(run, arguments.debug)
        ready(run)
        with _explained(run, arguments):
            run.forward(ended)
        status = run.status()
        failed = any(host.state == "failed" for host in run.vnf.hosts.values())
    if arguments.json != Path("-"):
        print(report(status), file=sys.stderr if arguments.piped else sys.stdout)
    if arguments.json is not None:
        _write_json(arguments.json, status)
    if not_accounted(status):
        return UNACCOUNTED
    failed = failed or any(port["incomplete"] for port in status["ports"].values())
    return FAILED if failed else OK


def _debugged(run: Foreground, name: str) -> None:
    """Time to attach a debugger before the first packet: a Python VNFC stops where its source says breakpoint()."""
    host = run.vnf.hosts[name]
    print(f"{name} is process {host.pid}: gdb -p {host.pid}, strace -p {host.pid}", file=sys.stderr)
    if host.plan.vnfc.language != "python" and sys.stdin.isatty():
        print("Enter lets packets come", end=" ", file=sys.stderr, flush=True)
        sys.stdin.readline()


@contextlib.contextmanager
def _explained(run: Foreground, arguments: argparse.Namespace) -> Iterator[None]:
    """Says what becomes of each packet while it forwards: at once if that was asked for; without a word about it,
    in the end, if there were few."""
    wanted = arguments.explain
    if wanted is None and run.plan.capture and arguments.json != Path("-"):
        sizes = [Path(port.read).stat().st_size for port in run.plan.ports.values() if port.read]
        wanted = None if sum(sizes) <= EXPLAINED * SMALL_PACKET else False
    elif wanted is None:
        wanted = False
    if wanted is False:
        yield
        return
    stream = sys.stderr if arguments.piped or arguments.json == Path("-") else sys.stdout
    lines: list[str] = []
    say = (lambda line: print(line, file=stream, flush=True)) if wanted else lines.append
    explanation = Explanation(run.vnf, run.loop, say, width(stream))
    try:
        yield
        explanation.finish()
        if lines and explanation.packets < EXPLAINED:
            print("\n".join(lines), file=stream)
        if wanted or (lines and explanation.packets < EXPLAINED):
            print(file=stream)
    finally:
        run.after(explanation.close)


def _check_writable(path: Path | None) -> None:
    """Before a long run, rather than after it."""
    if path is not None and path != Path("-") and (path.is_dir() or not path.parent.is_dir()):
        found = "a folder" if path.is_dir() else f"no folder {path.parent}"
        raise Misuse(Mistake(file=str(path), field="--json", found=found, expected="a file that can be written"))


def _write_json(path: Path, status: dict[str, Any]) -> None:
    text = json.dumps(status, indent=2) + "\n"
    if path == Path("-"):
        sys.stdout.write(text)
        return
    try:
        path.write_text(text)
    except OSError as problem:
        mistake = Mistake.of(problem, file=str(path), field="--json", expected="a file that can be written")
        raise Refused(mistake) from None


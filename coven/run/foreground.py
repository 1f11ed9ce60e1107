"""`coven run`: a package in the foreground, without an agent; and the same for a package's test cases.

Packets come from interfaces or captures. It ends at the captures' end, after `--for`, or on SIGINT or
SIGTERM; then everything is undone and the figures are shown.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from coven.base.places import Places
from coven.base.problem import Misuse
from coven.base.report import report
from coven.base.terminal import width
from coven.keeper import hosting
from coven.keeper.hosts.build import Builds
from coven.keeper.journal import JOURNAL, Busy, Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.main import on_signals, recover
from coven.keeper.plan import BACKENDS, Plan, PortPlan
from coven.keeper.status import not_accounted
from coven.keeper.vnf import Vnf
from coven.package import archive as package
from coven.package.descriptor import load
from coven.package.languages import operator_libs
from coven.package.settings import parse_settings
from coven.run.tracing import Explanation
from itf.mistakes import Mistake, Refused
from pps.frameworks import FRAMEWORKS

OK, FAILED, USAGE, UNACCOUNTED = 0, 1, 2, 3
CAPTURES = (".pcap", ".pcapng")
RUN_PREFIX = "run-"  #: folders of foreground runs, beside those of agents' VNFs
EXPLAINED = 50  #: captures of fewer packets are explained unless one says otherwise
SMALL_PACKET = 65536  #: bytes in a capture that a packet takes at most, by and large
STATISTICS_SECONDS = 2.0  #: a forwarder that died in the middle of publishing is replaced within that time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("package", metavar="PACKAGE", help="folder, zip or descriptor file")
    parser.add_argument(
        "--in", dest="into", metavar="X", help="interface or capture of port in (--port in=X)"
    )
    parser.add_argument("--out", metavar="Y", help="interface of port out, or the capture that it writes")
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
    return text.endswith(CAPTURES) or Path(text).is_file()


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
    if capture and not read:
        mistakes.append(Mistake(field="--in", found="no capture to read", expected="one at least", remedy="--in FILE"))
    if mistakes:
        raise Misuse(mistakes)
    if capture:
        return {name: PortPlan("pcap", None, read.get(name), write.get(name)) for name in names}
    return {
        name: PortPlan(arguments.backend, read[name], take=arguments.take) for name in names if name in read
    }


# running


class Foreground:
    """A VNF in this process. Leaves nothing behind: `with Foreground(plan, ...) as run: run.vnf...`."""

    def __init__(
        self, plan: Plan, loop: Loop, *, echo: bool = False, progress: Callable[[str], None] = lambda _: None,
        builds: Builds | None = None,
    ):  # fmt: skip
        self.plan = plan
        self.builds = builds
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
            self.vnf = hosting.instantiate(
                self.plan, self.loop, self.journal, self.logs, self._progress, self.builds
            )
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
        shutil.rmtree(self.folder, ignore_errors=True)

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
            if not recover(old).failed:
                shutil.rmtree(old, ignore_errors=True)
        except (Busy, OSError):
            continue
    folder = base / f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}"
    folder.mkdir(mode=0o700)
    return folder


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
    libs = operator_libs(load(descriptor))
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
        libs=libs,
    )
    with Foreground(plan, Loop(), builds=builds) as run:
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
            plan = Plan(
                name=descriptor.name, package=source.folder, descriptor=source.descriptor_file,
                build=make_folder() / "build", ports=ports, instance=uuid.uuid4().hex, config=settings,
                latency=arguments.latency, debug=arguments.debug, libs=operator_libs(descriptor),
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
        print(report(status))
    if arguments.json is not None:
        _write_json(arguments.json, status)
    if not_accounted(status):
        return UNACCOUNTED
    return FAILED if failed else OK


def _debugged(run: Foreground, name: str) -> None:
    """Time to attach a debugger before the first packet: a Python VNFC stops where its source says breakpoint()."""
    host = run.vnf.hosts[name]
    print(f"{name} is process {host.pid}: gdb -p {host.pid}, strace -p {host.pid}", file=sys.stderr)
    if not FRAMEWORKS[host.plan.vnfc.language].stops_itself and sys.stdin.isatty():
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
    stream = sys.stderr if arguments.json == Path("-") else sys.stdout
    lines: list[str] = []
    say = (lambda line: print(line, file=stream, flush=True)) if wanted else lines.append
    explanation = Explanation(run.vnf, run.loop, say, width(stream))
    try:
        yield
        explanation.finish()
        if lines and explanation.packets < EXPLAINED:
            print("\n".join(lines))
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
        raise Refused(
            Mistake(file=str(path), field="--json", found=problem.strerror, expected="a file that can be written")
        ) from None


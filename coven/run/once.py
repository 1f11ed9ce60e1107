"""One run from its first packet to its report: what is explained, written, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from coven.base.problem import Misuse
from coven.base.report import report
from coven.base.terminal import width
from coven.keeper.hosts.state import State
from coven.keeper.life.status import not_accounted
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan
from coven.run.capturing import captured
from coven.run.foreground import Foreground
from coven.run.options import EXPLAINED
from coven.run.tracing import Explanation
from itf.mistakes import Mistake, Refused
from pps.frameworks import FRAMEWORKS

OK, FAILED, USAGE, UNACCOUNTED = 0, 1, 2, 3
SMALL_PACKET = 65536  #: bytes in a capture that a packet takes at most, by and large


def run_once(
    plan: Plan, arguments: argparse.Namespace, loop: Loop, ended: Callable[[], bool],
    ready: Callable[[Foreground], None] = lambda _: None,
) -> int:  # fmt: skip
    """Run until the captures' end or `ended`, then say what came of it; the exit status. `ready` is called before
    the first packet. Raises Refused."""
    with Foreground(plan, loop, echo=True) as run:
        if not plan.capture:
            for name, facts in run.vnf.ports.facts.items():
                print(f"{name}: {facts.interface} ({facts.backend}: {facts.why})", file=sys.stderr)
            print("forwarding; Ctrl-C ends", file=sys.stderr)
        if arguments.debug is not None:
            _debugged(run, arguments.debug)
        ready(run)
        with captured(run, arguments), _explained(run, arguments):
            run.forward(ended)
        status = run.status()
        failed = any(host.state == State.FAILED for host in run.vnf.hosts.values())
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
    stream = sys.stderr if arguments.piped or arguments.json == Path("-") else sys.stdout
    lines: list[str] = []
    say = (lambda line: print(line, file=stream, flush=True)) if wanted else lines.append
    explanation = Explanation(run.vnf, say, width(stream))
    try:
        yield
        explanation.finish()
        if lines and explanation.packets < EXPLAINED:
            print("\n".join(lines), file=stream)
        if wanted or (lines and explanation.packets < EXPLAINED):
            print(file=stream)
    finally:
        run.after(explanation.close)


def check_writable(path: Path | None) -> None:
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

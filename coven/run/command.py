"""`coven run`: a package in the foreground, without an agent.

Packets come from interfaces or captures. It ends at the captures' end, after `--for`, or on SIGINT or SIGTERM; then
everything is undone and the figures are shown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from pathlib import Path

from coven.base.problem import Misuse
from coven.keeper.loop import Loop
from coven.keeper.main import on_signals
from coven.keeper.plan import Plan
from coven.package import archive as package
from coven.package.languages import operator_libs
from coven.package.settings import parse_settings
from coven.run import capturing
from coven.run.folder import make_folder
from coven.run.once import FAILED, USAGE, check_writable, run_once
from coven.run.options import STREAM, bindings, streams
from coven.run.watch import watch
from itf.mistakes import Mistake, Refused


def main(arguments: argparse.Namespace) -> int:
    """Returns the exit status: 0 ok, 1 failed, 2 usage, 3 unaccounted packets."""
    try:
        with package.opened(arguments.package) as source:
            descriptor = source.load()
            try:
                ports = bindings(arguments, list(descriptor.ports))
                check_writable(arguments.json)
                settings = parse_settings(arguments.set)
                if arguments.debug is not None and arguments.debug not in descriptor.vnfcs:
                    known = ", ".join(descriptor.vnfcs)
                    raise Refused(Mistake(field="--debug", found=arguments.debug, expected=f"a VNFC: {known}"))
                if arguments.watch and package.is_zip(Path(arguments.package)):
                    expected = "a folder or a descriptor file, to be edited"
                    raise Refused(Mistake(field="--watch", found="a zip", expected=expected))
                arguments.piped = any(port.write == STREAM for port in ports.values())
                if arguments.piped and arguments.json == Path(STREAM):
                    raise Misuse(Mistake(field="--json", found="- beside a capture to -", expected="one of them"))
                capturing.check(arguments)
                arguments.piped = arguments.piped or arguments.capture == STREAM
            except Refused as refused:
                print(refused, file=sys.stderr)
                return USAGE
            with tempfile.TemporaryDirectory(prefix="coven-run-") as scratch, streams(ports, Path(scratch)) as ports:
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
                    return watch(plan, source.label, arguments, loop, lambda: bool(ending))
                return run_once(plan, arguments, loop, lambda: bool(ending))
    except Refused as refused:
        print(refused, file=sys.stderr)
        return FAILED

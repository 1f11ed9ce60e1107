"""A VNF in this process, without an agent: for `coven run`, and over captures for a package's test cases."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from coven.base.terminal import width
from coven.keeper.hosts.build import Builds
from coven.keeper.journal import JOURNAL, Journal
from coven.keeper.life import hosting
from coven.keeper.life.vnf import Vnf
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan, PortPlan
from coven.package.descriptor import load
from coven.package.languages import operator_libs
from coven.run.folder import make_folder, remove_folder
from coven.run.tracing import Explanation
from itf.mistakes import Mistake, Refused

STATISTICS_SECONDS = 2.0  #: a forwarder that died in the middle of publishing is replaced within that time


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
            self.vnf = hosting.instantiate(self.plan, self.loop, self.journal, self.logs, self._progress, self.builds)
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
        self.loop.run_until(lambda: ended() or self.vnf.forwarder.done or self._failed())
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
            raise Refused(Mistake(found="the forwarder's figures stay half-written"), title="failed")
        return figures[0]


def run_captures(
    descriptor: Path,
    ports: Mapping[str, Mapping[str, str | None]],
    set: Mapping[str, dict[str, Any]],
    seed: int,
    say: Callable[[str], None] | None = None,
    builds: Builds | None = None,
) -> dict[str, Any]:
    """Run captures through a package with fixed clock and random numbers; returns the status document.

    ports: name -> {"read": FILE, "write": FILE}, either may be missing. set: {vnfc: {key: value}}. say: gets a line for
    each packet; then `ends` in the result says how each ended, by its number. builds: what other runs of the package
    have built. Raises Refused with all mistakes.
    """
    libs = operator_libs(load(descriptor))
    plan = Plan(
        name=descriptor.stem,
        package=descriptor.parent,
        descriptor=descriptor.name,
        build=make_folder() / "build",
        ports={name: PortPlan("pcap", None, each.get("read"), each.get("write")) for name, each in ports.items()},
        instance="test",
        config=dict(set),
        seed=seed,
        libs=libs,
    )
    with Foreground(plan, Loop(), builds=builds) as run:
        ends: dict[int, str] = {}
        explanation = Explanation(run.vnf, say, width(), ends.__setitem__) if say is not None else None
        if explanation is not None:
            run.after(explanation.close)
        run.forward(lambda: False)
        if explanation is not None:
            explanation.finish()
        return {**run.status(), "logs": run.logs.tail(None, 1000), "ends": ends}


@contextlib.contextmanager
def many_runs() -> Iterator[Callable[..., dict[str, Any]]]:
    """`run_captures` for packages that stay as they are meanwhile: each VNFC is built once."""
    with tempfile.TemporaryDirectory(prefix="coven-builds-") as folder:
        yield functools.partial(run_captures, builds=Builds(Path(folder)))

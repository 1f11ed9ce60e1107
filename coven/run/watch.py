"""`coven run --watch`: on save check, swap, keep running.

Each version that is run is a copy of the package, so that what is being edited never reaches a VNFC by halves. With
interfaces, VNFCs whose sources changed are swapped without losing a packet (`coven.keeper.hosts.swap`); another
descriptor starts the VNF anew. With captures the run begins again. A version with a mistake changes nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from coven.base.inotify import Inotify
from coven.keeper.hosts.build import Ready
from coven.keeper.life import hosting
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Loop, Timer
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, load
from coven.package.languages import operator_libs
from coven.package.versions import Digests, concerned, differing, digests
from coven.run.folder import make_folder
from coven.run.foreground import Foreground
from coven.run.once import FAILED, OK, run_once
from itf.mistakes import Mistake, Refused
from pps.confine.confinement import Confinement

QUIET_SECONDS = 0.1  #: an editor saves in several steps
_LEFT_OUT = ("tests", "__pycache__", "*~", "*.swp", "*.pcap", "*.pcapng", ".*")


def say(text: str) -> None:
    print(f"watch: {text}", file=sys.stderr, flush=True)


class Package:
    """The folder that its author edits."""

    def __init__(self, plan: Plan, label: str):
        self.folder = plan.package
        self.descriptor = plan.descriptor
        self.label = label
        self.known: Digests = {}  #: as of the last version, right or wrong

    def copy(self, target: Path) -> set[str]:
        """Copy it; the files that are not what they were when it was copied last. Raises OSError."""
        shutil.copytree(self.folder, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))
        target.chmod(0o755)  # VNFC hosts have a uid of their own
        before, self.known = self.known, digests(target)
        return differing(before, self.known)

    def differs(self) -> bool:
        """Whether it is not what it was when it was copied last."""
        with tempfile.TemporaryDirectory(prefix="coven-watch-") as scratch:
            known = self.known
            try:
                return bool(self.copy(Path(scratch) / "package"))
            finally:
                self.known = known

    def load(self, copy: Path) -> Descriptor:
        return load(copy / self.descriptor, self.label)


@contextmanager
def watched(folder: Path, loop: Loop, changed: Callable[[], None]) -> Iterator[None]:
    """Call `changed` when something in the folder was saved and then left alone for a moment."""
    inotify = Inotify(folder)
    timer: list[Timer] = []

    def happened() -> None:
        if list(inotify.read()):
            for each in timer:
                each.cancel()
            timer[:] = [loop.later(QUIET_SECONDS, changed)]

    loop.read(inotify.fd, happened)
    try:
        yield
    finally:
        for each in timer:
            each.cancel()
        loop.forget(inotify.fd)
        inotify.close()


class Session:
    """A VNF that runs over interfaces while its package is being edited. `anew` is set when only another start can
    take a change up."""

    def __init__(self, package: Package, plan: Plan, vnf: Vnf):
        self.package = package
        self.plan = plan
        self.vnf = vnf
        self.anew = False
        self._checking = False
        self._versions = 1

    def changed(self) -> None:
        if self._checking or self.vnf.hosts.swaps:  # one version after the other
            self.vnf.loop.later(QUIET_SECONDS, self.changed)
            return
        self._versions += 1
        folder = self.plan.build.parent / f"version-{self._versions}"
        plan = replace(self.plan, package=folder / "package", build=folder / "build")
        try:
            folder.mkdir()
            names = self.package.copy(plan.package)
            if not names:
                shutil.rmtree(folder)
                return
            descriptor = self.package.load(plan.package)
            self._check(replace(plan, libs=operator_libs(descriptor)), descriptor, names)
        except Refused as refused:
            self._refuse(refused.mistakes)
        except OSError as problem:
            self._refuse([Mistake.of(problem, file=problem.filename)])

    def _refuse(self, mistakes: list[Mistake]) -> None:
        say("not taken up, the version before keeps running:")
        for mistake in mistakes:
            print(f"  {mistake}".replace("\n", "\n  "), file=sys.stderr, flush=True)

    def _check(self, plan: Plan, descriptor: Descriptor, names: set[str]) -> None:
        """Build it in a thread of its own: what runs is looked after meanwhile."""
        confinement = hosting.confine()

        def checked(result: Any, problem: BaseException | None) -> None:
            self._checking = False
            if isinstance(problem, Refused):
                self._refuse(problem.mistakes)
            elif isinstance(problem, OSError):
                self._refuse([Mistake.of(problem, file=problem.filename)])
            elif problem is not None:
                raise problem
            elif result[0]:
                self._refuse(result[0])
            else:
                self._take_up(plan, descriptor, names, confinement, result[1])

        self._checking = True
        self.vnf.loop.work(lambda: hosting.check(plan, descriptor, confinement), checked)

    def _take_up(
        self, plan: Plan, descriptor: Descriptor, names: set[str], confinement: Confinement, ready: Mapping[str, Ready]
    ) -> None:
        said = ", ".join(sorted(names))
        schemas = {Path(v.schema_file).name for v in descriptor.vnfcs.values() if v.schema_file}
        if names & {self.package.descriptor} or {Path(name).name for name in names} & schemas:
            say(f"{said} changed: checked; the VNF starts anew")
            self.anew = True
            return
        for vnfc in (descriptor.vnfcs[name] for name in descriptor.vnfcs if name in concerned(descriptor, names)):
            for warning in ready[vnfc.name].warnings:
                say(warning.as_warning())
            host = hosting.host(plan, vnfc, confinement, self.vnf, ready[vnfc.name],
                                self.vnf.hosts[vnfc.name].config, f"{self._versions}.")  # fmt: skip
            self.vnf.hosts.swap(host, self._answer(said, vnfc.name))

    def _answer(self, said: str, name: str) -> Callable[[list[Mistake]], None]:
        def answered(mistakes: list[Mistake]) -> None:
            if mistakes:
                self._refuse(mistakes)
            else:
                say(f"{said} changed: checked, {name} swapped")

        return answered


def watch(plan: Plan, label: str, arguments: argparse.Namespace, loop: Loop, ending: Callable[[], bool]) -> int:
    """Run version after version of a package until `ending`; the last run's exit status. Raises OSError."""
    package = Package(plan, label)
    saved: list[bool] = []
    sessions: list[Session] = []
    outcome = OK

    def changed() -> None:
        if sessions:
            sessions[-1].changed()
        else:
            saved.append(True)

    def ready(run: Foreground) -> None:
        if not run.plan.capture:
            sessions[:] = [Session(package, run.plan, run.vnf)]

    with watched(package.folder, loop, changed):
        while True:
            saved.clear()
            sessions.clear()
            folder = plan.build.parent
            package.copy(folder / "package")
            told = False
            try:
                descriptor = package.load(folder / "package")
                version = replace(plan, package=folder / "package", libs=operator_libs(descriptor))
                outcome = run_once(version, arguments, loop, lambda: ending() or any(s.anew for s in sessions), ready)
            except Refused as refused:
                outcome = FAILED
                print(refused, file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            anew = any(session.anew for session in sessions)
            sessions.clear()
            while not ending() and not anew:
                if not told:
                    say(f"waiting for a change in {package.folder}; Ctrl-C ends")
                    told = True
                loop.run_until(lambda: bool(saved) or ending())
                saved.clear()
                anew = package.differs()
            if ending():
                return outcome
            plan = replace(plan, build=make_folder() / "build")

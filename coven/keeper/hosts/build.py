"""Compiling and checking the sources of all VNFCs, each in confinement, one a core at once."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from coven.base.places import SYSTEM_RUN
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, Vnfc
from itf import limits
from itf.mistakes import Mistake, Refused
from pps.confine.confinement import Bind, Built, ConfineError, Confinement
from pps.confine.uids import UidLease
from pps.frameworks import FRAMEWORKS
from pps.mistakes import SOURCE, BuildError

MOST_WARNINGS = 50  #: of one VNFC that are told


@dataclass(frozen=True)
class Ready:
    """A VNFC that can be started."""

    command: list[str]  #: without `--fds`
    artifact: Path  #: what was made of the sources
    binds: list[Bind] = field(default_factory=list)  #: what its host sees, read-only, beside the package
    env: dict[str, str] = field(default_factory=dict)
    engine: str | None = None  #: how it runs, where there is a choice
    warnings: list[Mistake] = field(default_factory=list)  #: of its compiler


class Builds:
    """What was built, kept over many runs of a package that stays as it is meanwhile. The folder is the caller's."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers = itertools.count()
        self._ready: dict[tuple[object, ...], Ready] = {}

    def of(self, vnfc: Vnfc, plan: Plan, make: Callable[[Path], Ready]) -> Ready:
        """What `make` gives, called once with a folder for it: nothing is kept of what raises."""
        how = vnfc.language, vnfc.engine, *vnfc.sources, None, *vnfc.libs
        key = plan.package, vnfc.name, vnfc.memory_mb, *how
        if key not in self._ready:
            self._ready[key] = make(self._folder / str(next(self._numbers)) / vnfc.name)
        return self._ready[key]


def build_all(
    descriptor: Descriptor, plan: Plan, confinement: Confinement, builds: Builds | None
) -> tuple[dict[str, Ready], list[Mistake]]:
    """Every VNFC's Ready, and the mistakes in all their sources. `builds`: shared with other runs of the package."""
    plan.build.mkdir(mode=0o755, parents=True, exist_ok=True)
    ready: dict[str, Ready] = {}
    mistakes: list[Mistake] = []
    vnfcs = list(descriptor.vnfcs.values())
    if not vnfcs:
        return ready, mistakes
    with ThreadPoolExecutor(min(len(vnfcs), len(os.sched_getaffinity(0)))) as workers:
        for vnfc, done in [(vnfc, workers.submit(_build, vnfc, plan, confinement, builds)) for vnfc in vnfcs]:
            try:
                ready[vnfc.name] = done.result()
            except Refused as refused:
                mistakes += refused.mistakes
            except ConfineError as problem:
                found = Mistake(field=f"vnfcs.{vnfc.name}", found=problem.found, remedy=problem.remedy)
                mistakes.append(found)
            except OSError as problem:
                mistakes.append(Mistake.of(problem, file=problem.filename, field=f"vnfcs.{vnfc.name}"))
    return ready, mistakes


def _build(vnfc: Vnfc, plan: Plan, confinement: Confinement, builds: Builds | None) -> Ready:
    if builds is not None:
        return builds.of(vnfc, plan, lambda folder: _build_in(folder, vnfc, plan, confinement))
    return _build_in(plan.build / vnfc.name, vnfc, plan, confinement)


def _build_in(folder: Path, vnfc: Vnfc, plan: Plan, confinement: Confinement) -> Ready:
    framework = FRAMEWORKS[vnfc.language]()
    framework.choose_engine(vnfc.engine)
    if plan.libs is not None:
        framework.allow(plan.libs)
    sources = [plan.package / source for source in vnfc.sources]
    shutil.rmtree(folder, ignore_errors=True)
    artifact = folder / framework.artifact_name(vnfc.name)
    visible = list(framework.visible())
    try:
        command = framework.build_command(sources, plan.package, artifact, list(vnfc.libs))
    except BuildError as error:
        raise Refused([_in_descriptor(vnfc, plan, each) for each in error.mistakes], title="not built") from None
    built = _run(command, plan.package, folder, visible, confinement)
    if built.ended or built.returncode != 0:
        raise Refused(_failure(vnfc, built, framework.parse_errors(built.output, plan.package)), title="not built")
    command = framework.limit_heap(framework.host_command(artifact, vnfc.name), vnfc.memory_mb)
    found = framework.parse_warnings(built.output, plan.package)
    warnings = [_named(vnfc, each) for each in found[:MOST_WARNINGS]]
    if more := len(found) - len(warnings):
        warnings.append(_of_source(vnfc, f"{more} warnings more"))
    return Ready(
        command, artifact, [*visible, folder], engine=framework.engine_of(command), warnings=warnings
    )


def _run(
    command: Sequence[str], package: Path, folder: Path, visible: Sequence[Path], confinement: Confinement
) -> Built:
    lease = UidLease.take(SYSTEM_RUN) if confinement.level.name == "full" else None
    try:
        return confinement.run_build(
            command, package=package, out=folder, binds_ro=visible, uid=lease.uid if lease else None
        )
    finally:
        if lease is not None:
            lease.release()


def _failure(vnfc: Vnfc, built: Built, found: list[Mistake]) -> list[Mistake]:
    if built.ended:
        return [replace(_of_source(vnfc, built.ended), expected="a build within its limits")]
    if (limit := limits.in_output(built.output)) is not None:
        return [Mistake(field=f"vnfcs.{vnfc.name}", found=limit[0], expected="more", remedy=limit[1])]
    if found:
        return [_named(vnfc, each) for each in found]
    lines = built.output.strip().splitlines()[-3:] or [f"the compiler ended with status {built.returncode}"]
    return [_of_source(vnfc, " / ".join(lines))]


def _of_source(vnfc: Vnfc, found: str) -> Mistake:
    return Mistake(file=vnfc.sources[0], field=f"vnfcs.{vnfc.name}.{SOURCE}", found=found)


def _named(vnfc: Vnfc, mistake: Mistake) -> Mistake:
    """What a framework found, with its field in the words of the descriptor."""
    return replace(mistake, field=f"vnfcs.{vnfc.name}.{mistake.field}")


def _in_descriptor(vnfc: Vnfc, plan: Plan, mistake: Mistake) -> Mistake:
    """The same for what is wrong in the descriptor, where it is stated there."""
    if mistake.file is not None:
        return _named(vnfc, mistake)
    line, column = vnfc.line, None
    if (lib := re.fullmatch(r"libs\[(\d+)\]", mistake.field or "")) and vnfc.lib_places:
        line, column = vnfc.lib_places[int(lib[1])]
    return replace(_named(vnfc, mistake), file=plan.descriptor, line=line, column=column)

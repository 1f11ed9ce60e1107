"""Compiling and checking the sources of all VNFCs, each in confinement, one a core at once."""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coven.base.operator import serve_config
from coven.base.places import SYSTEM_RUN
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, Vnfc
from itf import limits
from itf.mistakes import Mistake, Refused
from pps.confine.confinement import Bind, Built, ConfineError, Confinement
from pps.confine.uids import UidLease
from pps.frameworks import FRAMEWORKS

MOST_WARNINGS = 50  #: of one VNFC that are told


@dataclass(frozen=True)
class Ready:
    """A VNFC that can be started."""

    command: list[str]  #: without `--fds`
    artifact: Path  #: what was made of the sources
    binds: list[Bind] = field(default_factory=list)  #: what its host sees, read-only, beside the package
    env: dict[str, str] = field(default_factory=dict)
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
    descriptor: Descriptor, plan: Plan, confinement: Confinement
) -> tuple[dict[str, Ready], list[Mistake]]:
    """Every VNFC's Ready, and the mistakes in all their sources."""
    plan.build.mkdir(mode=0o755, parents=True, exist_ok=True)
    ready: dict[str, Ready] = {}
    mistakes: list[Mistake] = []
    vnfcs = list(descriptor.vnfcs.values())
    if not vnfcs:
        return ready, mistakes
    with ThreadPoolExecutor(min(len(vnfcs), len(os.sched_getaffinity(0)))) as workers:
        for vnfc, done in [(vnfc, workers.submit(_build, vnfc, plan, confinement)) for vnfc in vnfcs]:
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


def _build(vnfc: Vnfc, plan: Plan, confinement: Confinement) -> Ready:
    if plan.builds is not None:
        return plan.builds.of(vnfc, plan, lambda folder: _build_in(folder, vnfc, plan, confinement))
    return _build_in(plan.build / vnfc.name, vnfc, plan, confinement)


def _build_in(folder: Path, vnfc: Vnfc, plan: Plan, confinement: Confinement) -> Ready:
    framework = FRAMEWORKS[vnfc.language]()
    if (choose := getattr(framework, "choose_engine", None)) is not None:
        choose(vnfc.engine)
    if vnfc.libs and (libs := serve_config().libs) is not None and (allow := getattr(framework, "allow", None)):
        allow(libs)
    sources = [plan.package / source for source in vnfc.sources]
    shutil.rmtree(folder, ignore_errors=True)
    artifact = folder / framework.artifact_name(vnfc.name)
    visible = list(framework.visible())
    try:
        command = framework.build_command(sources, plan.package, artifact, list(vnfc.libs))
    except Exception as problem:
        errors = getattr(problem, "errors", None)
        if errors is None:
            raise
        raise Refused(_mistakes(vnfc, plan, errors, in_descriptor=True), title="not built") from None
    built = _run(command, plan.package, folder, visible, confinement)
    if built.ended or built.returncode != 0:
        errors = framework.parse_errors(built.output, plan.package)
        raise Refused(_failure(vnfc, plan, built, errors), title="not built")
    command = framework.host_command(artifact, vnfc.name)
    if (limit := getattr(framework, "limit_heap", None)) is not None:
        command = limit(command, vnfc.memory_mb)
    parse = getattr(framework, "parse_warnings", None)
    found = parse(built.output, plan.package) if parse is not None else []
    warnings = _mistakes(vnfc, plan, found[:MOST_WARNINGS], in_descriptor=False)
    if more := len(found) - len(warnings):
        warnings.append(Mistake(file=vnfc.sources[0], field=f"vnfcs.{vnfc.name}.source", found=f"{more} warnings more"))
    return Ready(command, artifact, [*visible, folder], warnings=warnings)


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


def _failure(vnfc: Vnfc, plan: Plan, built: Built, errors: list[dict[str, Any]]) -> list[Mistake]:
    if built.ended:
        return [
            Mistake(
                file=vnfc.sources[0], field=f"vnfcs.{vnfc.name}.source", found=built.ended,
                expected="a build within its limits"
            )
        ]
    if (limit := limits.in_output(built.output)) is not None:
        return [Mistake(field=f"vnfcs.{vnfc.name}", found=limit[0], expected="more", remedy=limit[1])]
    found = _mistakes(vnfc, plan, errors, in_descriptor=False)
    if found:
        return found
    lines = built.output.strip().splitlines()[-3:] or [f"the compiler ended with status {built.returncode}"]
    return [Mistake(file=vnfc.sources[0], field=f"vnfcs.{vnfc.name}.source", found=" / ".join(lines))]


def _mistakes(vnfc: Vnfc, plan: Plan, errors: list[dict[str, Any]], *, in_descriptor: bool) -> list[Mistake]:
    """What a framework found, with fields in the words of the descriptor."""
    mistakes = []
    for error in errors:
        place = dict(error)
        place["field"] = f"vnfcs.{vnfc.name}.{error.get('field') or 'source'}"
        if in_descriptor and not place.get("file"):
            place["file"], place["line"] = plan.descriptor, vnfc.line
            if (lib := re.fullmatch(r"libs\[(\d+)\]", str(error.get("field")))) and vnfc.lib_places:
                place["line"], place["column"] = vnfc.lib_places[int(lib[1])]
        mistakes.append(Mistake.from_dict({key: value or None for key, value in place.items()}))
    return mistakes

"""From a plan to a running VNF: descriptor, sources, confinement, ports, hosts; all mistakes at once.

Whatever fails, everything that was done is undone before the mistakes are raised.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from coven.base.places import SYSTEM_RUN
from coven.keeper.forwarder.wiring import Wiring, quota
from coven.keeper.hosts import build
from coven.keeper.hosts.cores import Cores
from coven.keeper.hosts.placement import Placement
from coven.keeper.hosts.process import HostPlan, Launch
from coven.keeper.journal import Journal
from coven.keeper.life.vnf import Vnf
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, Vnfc, load
from coven.package.languages import unavailable
from itf.mistakes import Mistake, Refused, suggest
from pps.confine.confinement import ConfineError, Confinement, Prepared, detect, inner_pid
from pps.confine.memory_group import sweep
from pps.confine.uids import UidLease
from pps.framework import build_folder
from pps.frameworks import FRAMEWORKS

#: native products, built by `make native`
NATIVE = build_folder()

Progress = Callable[[str], None]


def instantiate(
    plan: Plan, loop: Loop, journal: Journal, logs: Logs, progress: Progress = lambda _: None,
    builds: build.Builds | None = None,
) -> Vnf:  # fmt: skip
    """Bring a VNF up to where `start` makes it forward. Raises Refused with all mistakes, all undone."""
    descriptor = load(plan.package / plan.descriptor)
    confinement = confine()
    placement = Placement(plan.latency)
    progress("building")
    mistakes, ready, wiring = check(plan, descriptor, confinement, builds)
    if wiring is None:
        raise Refused(mistakes, title="not instantiated")
    vnf = Vnf(plan, descriptor, wiring, NATIVE / "coven-forwarder", placement, loop, journal, logs)
    try:
        progress("opening ports")
        mistakes += vnf.ports.open_missing(plan.missing)
        if mistakes:
            raise Refused(mistakes, title="not instantiated")
        for name, built in ready.items():
            for warning in built.warnings:
                logs.say(name, warning.as_warning())
        progress("starting VNFCs")
        # named by us alone, so that whoever comes after a dead keeper can remove them
        prefix = f"{os.getpid()}.{secrets.token_hex(4)}."
        journal.write("memory_groups", prefix=prefix)
        vnf.memory_groups = prefix
        vnf.on_end = lambda: sweep(confinement.controller, prefix)
        configs = descriptor.configured(plan.config)
        vnf.instantiate(
            {
                name: host(plan, vnfc, confinement, vnf, ready[name], configs[name])
                for name, vnfc in descriptor.vnfcs.items()
            }
        )
        requests = {name: started.requests for name, started in vnf.hosts.items()}
        if mistakes := not_offered(descriptor, requests):
            raise Refused(mistakes, title="not instantiated")
    except BaseException:
        vnf.end()
        vnf.close()
        raise
    return vnf


def not_offered(descriptor: Descriptor, requests: Mapping[str, list[dict[str, Any]]]) -> list[Mistake]:
    """Indicators and coordination actions that the descriptor promises and no VNFC has among its `requests`."""
    mistakes = []
    indicators = zip(descriptor.indicators, descriptor.indicator_lines, strict=True)
    promised = [(f"indicators[{number}]", *each) for number, each in enumerate(indicators)]
    promised += [(f"coordination[{number}]", *each) for number, each in enumerate(descriptor.coordination.items())]
    for field, text, line in promised:
        name, _, request = text.partition(".")
        offered = [each["name"] for each in requests[name]]
        if request not in offered:
            mistakes.append(
                Mistake(file=descriptor.file, line=line, field=field, found=text,
                        expected=f"an agent request that {name} offers", remedy=suggest(request, offered))
            )  # fmt: skip
    return mistakes


def confine() -> Confinement:
    """Raises Refused where VNFCs cannot be confined at all."""
    try:
        return Confinement(detect(NATIVE), NATIVE)
    except ConfineError as problem:
        raise Refused(Mistake(field="confinement", found=problem.found, remedy=problem.remedy)) from None


def check(
    plan: Plan, descriptor: Descriptor, confinement: Confinement, builds: build.Builds | None = None,
    wired: Descriptor | None = None,
) -> tuple[list[Mistake], dict[str, build.Ready], Wiring | None]:
    """What can be known before anything runs: languages, sources, configuration, rules. `wired`: what the wiring is of,
    if it has more ports."""
    mistakes = unavailable(descriptor)
    ready: dict[str, build.Ready] = {}
    wiring = None
    if not mistakes:
        ready, found = build.build_all(descriptor, plan, confinement, builds)
        mistakes += found
    try:
        descriptor.configured(plan.config)
    except Refused as refused:
        mistakes += refused.mistakes
    try:
        wiring = Wiring(
            wired or descriptor,
            read=[name for name, port in plan.ports.items() if port.read],
            written=[name for name, port in plan.ports.items() if port.write],
            paths=plan.paths,
        )
    except Refused as refused:
        mistakes += refused.mistakes
    return mistakes, ready, wiring


@dataclass
class Started:
    """A confined host and what it was lent."""

    process: subprocess.Popen[bytes]
    prepared: Prepared
    lease: UidLease | None
    cores: Cores | None = None

    def inner_pid(self) -> int:
        return inner_pid(self.process)

    def oom_kills(self) -> int:
        return self.prepared.group.oom_kills() if self.prepared.group is not None else 0

    def close(self) -> None:
        if self.cores is not None:
            self.cores.collect()
        if self.prepared.group is not None:
            self.prepared.group.remove()
        if self.lease is not None:
            self.lease.release()


class Home(Protocol):
    """What hosts are started for: a VNF, or a trial."""

    placement: Placement
    memory_groups: str
    logs: Logs

    def port_messages(self) -> dict[str, dict[str, Any]]: ...


def host(
    plan: Plan, vnfc: Vnfc, confinement: Confinement, vnf: Home, ready: build.Ready, config: dict[str, object],
    version: str = "",
) -> HostPlan:  # fmt: skip
    """How a VNFC's process is started. `version` tells it from another of the same VNFC that is there already."""
    debug = plan.debug == vnfc.name
    copied = {str(ready.artifact): vnfc.sources[0]} if vnfc.language == "exec" else {}
    vnf.logs.call(vnfc.name, {**copied, f"{plan.package}/": ""})
    return HostPlan(
        vnfc=vnfc,
        quota=quota(vnfc.hold_max),
        launch=_launcher(plan, vnfc, confinement, vnf.placement, ready, vnf.memory_groups + version, debug, vnf.logs),
        config=config,
        ports=vnf.port_messages(),
        confinement=confinement.level.name,
        engine=ready.engine,
        memory_limit=confinement.memory_limit_kind,
        capture=plan.capture,
        seed=plan.seed + vnfc.number if plan.seed is not None else secrets.randbits(32),
        debug=debug,
        build=plan.build,
        package=plan.package,
    )


def _launcher(
    plan: Plan, vnfc: Vnfc, confinement: Confinement, placement: Placement, ready: build.Ready, prefix: str,
    debug: bool, logs: Logs,
) -> Launch:  # fmt: skip
    framework = FRAMEWORKS[vnfc.language]

    def launch(fds: tuple[int, int, int, int]) -> Started:
        lease = UidLease.take(SYSTEM_RUN) if confinement.level.name == "full" else None
        uid = lease.uid if lease else None
        try:
            cores = Cores(plan.build.parent / f"cores.{vnfc.name}", vnfc.name, ready, uid, logs) if debug else None
            prepared = confinement.command(
                [*ready.command, "--fds", ",".join(map(str, fds))],
                package=plan.package,
                binds_ro=ready.binds,
                binds_rw=cores.binds(plan.package, confinement.level.name != "reduced") if cores else (),
                uid=uid,
                fds=fds,
                memory_mb=vnfc.memory_mb,
                env={**ready.env, **(cores.environment if cores else {})},
                group=prefix + vnfc.name,
                debug=debug,
                tcp=framework.tcp,
            )
            with placement.on(placement.host(framework.light)):
                if debug:
                    return Started(prepared.popen(), prepared, lease, cores)
                pipe = subprocess.PIPE
                return Started(prepared.popen(subprocess.DEVNULL, pipe, pipe), prepared, lease)
        except BaseException as problem:
            if lease is not None:
                lease.release()
            if isinstance(problem, ConfineError):
                field = f"vnfcs.{vnfc.name}"
                raise Refused(Mistake(field=field, found=problem.found, remedy=problem.remedy)) from None
            raise

    return launch

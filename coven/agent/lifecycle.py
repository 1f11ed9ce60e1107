"""The life of VNFs: what may be asked of them and when, by states and operations as ETSI names them.

What an agent's death interrupts is finished or rolled back by the next agent, and what still runs is adopted; so is
what a boot ended started again.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from coven.agent.bindings import check_disjoint, read_ports, stay
from coven.agent.cleaning import sweep
from coven.agent.decisions import Decisions
from coven.agent.keepers.line import CONFIGURE_SECONDS, QUICK_SECONDS
from coven.agent.keepers.processes import Keepers
from coven.agent.keepers.watch import KeeperWatch
from coven.agent.operations import OPERATIONS, USUAL, Terms
from coven.agent.standing import as_it_was
from coven.agent.states import State
from coven.agent.store import Row, Store, busy, conflict, resting
from coven.base.control_addresses import Address
from coven.base.places import Places
from coven.base.problem import joined
from coven.keeper.client import Keeper, Unreachable
from coven.keeper.forwarder.service_paths import ServicePaths, without_figures
from coven.keeper.recovery import Left
from coven.package.languages import unavailable
from coven.package.model import Descriptor
from coven.package.versions import carried
from itf.mistakes import Mistake, Refused

log = logging.getLogger("coven.agent")


class Lifecycle(Decisions):
    def __init__(
        self, places: Places, store: Store, keepers: Keepers, recover: Callable[[Path], Left],
        control: Mapping[str, Address],
    ):  # fmt: skip
        super().__init__(places, store, keepers, recover, control)
        keepers.died = self._keeper_died
        self.watch = KeeperWatch(
            self._idle, lambda name: Keeper(self.directory(name)), self.lines, self.heal, self.agree, self._upgrading
        )

    def _upgrading(self) -> list[str]:
        return [row["vnf"] for row in self.store.unfinished() if row["operation"] == "UPGRADE"]

    def close(self) -> None:
        """Let operations that are going on come to their end; keepers live on."""
        self._closing.set()
        self.watch.close()
        for worker in list(self._workers):
            worker.join()
        self.listener.close()
        self.control.close_all()

    def delete(self, name: str) -> None:
        """Delete a VNF. Raises Refused with 409 unless it is NOT_INSTANTIATED and nothing is going on."""
        with self.store.transaction():
            vnf = self.vnf(name)
            if (running := self.store.unfinished(name)) and resting(running[0]):
                raise busy(running[0])
            if running:
                remedy = f"wait until it is over: GET /v1/operations/{running[0]['id']}?wait=20"
                raise conflict(f"{name} has an operation going on: {running[0]['operation']}", remedy)
            if vnf["instantiation_state"] != "NOT_INSTANTIATED":
                raise conflict(f"{name} is INSTANTIATED", f"first: coven terminate {name}")
            self.store.remove_vnf(name)
        for build in self.places.builds.glob(f"{vnf['instance']}*"):  # of two versions after an upgrade
            shutil.rmtree(build, ignore_errors=True)

    # what may be asked

    def instantiate(self, name: str, request: Row, wrong: Sequence[Mistake] = (), terms: Terms = USUAL) -> Row:
        """Begin to instantiate. `wrong`: what of {ports?, config?, start?, latency?} was no such thing and left out.

        Raises Refused when anything is wrong or it is not the time.
        """
        vnf = self.vnf(name)
        descriptor = self.descriptor(vnf["package"])
        mistakes = unavailable(descriptor)
        ports = read_ports(descriptor, request.get("ports", {}), mistakes)
        config = _configured(descriptor, request, vnf["config"] or descriptor.config, mistakes)
        if wrong or mistakes:
            raise Refused(joined(wrong, mistakes), title="instantiation refused")
        request = {"start": False, "latency": "normal", **request, "ports": ports, "config": config}
        with self.store.transaction():
            vnf = self.vnf(name)
            if vnf["instantiation_state"] != "NOT_INSTANTIATED" and not self.store.unfinished(name):
                raise conflict(f"{name} is INSTANTIATED", f"coven terminate {name}")
            check_disjoint(name, ports, self._claims())
            operation = self._begin(vnf, "instantiate", request, terms)
            self._claim(operation)
        return self._run(operation)

    def upgrade(self, name: str, request: Row, wrong: Sequence[Mistake] = (), terms: Terms = USUAL) -> Row:
        """Begin to put another version of its package in its place: {package, ports?, config?}, where `ports` binds
        those that are new. What is configured stays where the new version takes it; `left_out` in the operation's
        request names the rest. Raises Refused when anything is wrong or it is not the time."""
        with self._config_locks[name]:  # what is being configured is so, or is refused
            return self._begin_upgrade(name, request, wrong, terms)

    def _begin_upgrade(self, name: str, request: Row, wrong: Sequence[Mistake], terms: Terms) -> Row:
        vnf = self.vnf(name)
        old, new = self.descriptor(vnf["package"]), self.descriptor(request["package"])
        mistakes = unavailable(new)
        if new.name != old.name:
            mistakes.append(Mistake(field="package", found=new.name, expected=f"another version of {old.name}",
                                    remedy="create a VNF of its own from it"))  # fmt: skip
        instantiated = vnf["instantiation_state"] == "INSTANTIATED"
        ports = stay(new, vnf["ports"], request.get("ports", {}), mistakes) if instantiated else {}
        config, left_out = carried(old, vnf["config"] or old.config, new)
        config = _configured(new, request, config, mistakes)
        if wrong or mistakes:
            raise Refused(joined(wrong, mistakes), title="upgrade refused")
        if request["package"] == vnf["package"]:
            raise conflict(f"{name} is {vnf['package']} already")
        paths = vnf["paths"]
        try:
            ServicePaths(new, paths)
        except Refused as refused:
            left_out += refused.mistakes
            paths = None
        whole = {
            **request, "ports": ports, "config": config, "paths": paths, "latency": vnf["latency"],
            "left_out": [mistake.as_dict() for mistake in left_out],
        }  # fmt: skip
        with self.store.transaction():
            vnf = self.vnf(name)
            check_disjoint(name, ports, self._claims())
            operation = self._begin(vnf, "upgrade", whole, terms)
            self._claim(operation)
        return self._run(operation)

    def connect(self, name: str, request: Row, terms: Terms = USUAL) -> Row:
        """Begin to bind ports to other interfaces: {ports, links?}; those that it does not name stay.

        Raises Refused when anything is wrong or it is not the time."""
        descriptor = self.descriptor(self.vnf(name)["package"])
        mistakes: list[Mistake] = []
        with self.store.transaction():
            vnf = self.vnf(name)
            if vnf["instantiation_state"] != "INSTANTIATED" and not self.store.unfinished(name):
                raise conflict(f"{name} is NOT_INSTANTIATED", f"coven instantiate {name}")
            ports = read_ports(descriptor, {**vnf["ports"], **request["ports"]}, mistakes)
            if mistakes:
                raise Refused(mistakes, title="other connections refused")
            check_disjoint(name, ports, self._claims())
            operation = self._begin(vnf, "connect", {"links": vnf["links"], **request, "ports": ports}, terms)
        return self._run(operation)

    def modify(self, name: str, change: Callable[[Row], Row], terms: Terms = USUAL) -> Row:
        """Begin to change what is known of a VNF: `change` makes whole {title?, about?, config?} out of it as it is.

        Raises Refused: as `change` does, and with 409."""
        with self._config_locks[name]:
            vnf = self.vnf(name)
            operation = self._begin(vnf, "modify", change(vnf), terms)
        return self._run(operation)

    def replace_keeper(self, name: str, terms: Terms = USUAL) -> Row:
        """Begin to make all that runs of a VNF anew, in the state that it is in. Raises Refused with 409."""
        with self.store.transaction():
            vnf = self.vnf(name)
            if vnf["instantiation_state"] != "INSTANTIATED" and not self.store.unfinished(name):
                raise conflict(f"{name} is NOT_INSTANTIATED", f"coven instantiate {name}")
            operation = self._begin(vnf, "heal", {}, terms)
        return self._run(operation)

    def _claims(self) -> list[Row]:
        """The VNFs with their ports, and those that operations are about to bind, or may yet."""
        pending = [row for row in self.store.unfinished() if row["request"].get("ports")]
        return [*self.store.vnfs(), *({"name": row["vnf"], "ports": row["request"]["ports"]} for row in pending)]

    def instantiated(self) -> list[str]:
        return [vnf["name"] for vnf in self.store.vnfs() if vnf["instantiation_state"] == "INSTANTIATED"]

    def runs_from(self, folder: Path) -> list[str]:
        """The VNFs with processes that may still read from a package's folder. Raises Refused with 503 when a keeper
        does not say."""
        return [name for name in self.instantiated() if str(folder) in self.ask(name, "ping").get("packages", [])]

    def operate(self, name: str, kind: str, terms: Terms = USUAL) -> Row:
        """Begin to start, stop or terminate. Raises Refused, with 503 when the keeper does not answer: then only
        termination works."""
        stuck = unborn = False
        if kind == "terminate":
            unborn = not terms.rests and self._cut_short(name)
        elif (stood := self.stands(name)) is not None and self._instantiated(name):
            said = self.ask(name, "ping")
            self.agree(name, said.get("state"), stood)
            stuck = kind == "start" and said.get("forwarder") == "failed"
        with self.store.transaction():
            vnf = self.vnf(name)
            if not self.store.unfinished(name):
                if vnf["instantiation_state"] != "INSTANTIATED" and not unborn:
                    raise conflict(f"{name} is NOT_INSTANTIATED", f"coven instantiate {name}")
                wanted = OPERATIONS[kind][1]
                if wanted is not None and vnf["operational_state"] == wanted and not stuck:
                    raise conflict(f"{name} is {wanted} already")
            operation = self._begin(vnf, kind, {}, terms)
        return self._run(operation)

    def _instantiated(self, name: str) -> bool:
        return bool(self.vnf(name)["instantiation_state"] == "INSTANTIATED")

    def _idle(self) -> dict[str, object]:
        """The VNFs that should have a keeper and have no operation going on, each with what `agree` wants."""
        found = {vnf["name"]: self.stands(vnf["name"]) for vnf in self.store.vnfs() if
                 vnf["instantiation_state"] == "INSTANTIATED"}  # fmt: skip
        return {name: stood for name, stood in found.items() if stood is not None}

    # keepers that died, agents that died

    def _keeper_died(self, directory: Path) -> None:
        """Called by the watcher: nobody asked this keeper to end."""
        name = directory.name
        log.warning("the keeper of %s died", name)
        if self._closing.is_set():
            return
        with contextlib.suppress(Refused):  # deleted, or an operation is going on that will see for itself
            self.heal(name)

    def resume(self) -> None:
        """At the start of an agent: settle what the last one left, adopt what runs, bring back the rest."""
        for operation in self.store.unfinished():
            self._settle(operation)
        for line in sweep(self.places.run, {vnf["name"] for vnf in self.store.vnfs()}, self.recover):
            log.info("%s", line)
        for vnf in self.store.vnfs():
            directory = self.directory(vnf["name"])
            if vnf["instantiation_state"] != "INSTANTIATED":
                if directory.is_dir():
                    self._take_down(vnf["name"])
                continue
            keeper = Keeper(directory)
            pid = keeper.pid() if directory.is_dir() else None
            try:
                if pid is None:
                    raise Unreachable("no keeper")
                self._take_over(vnf, keeper)
                log.info("adopted %s (keeper %d)", vnf["name"], pid)
                self._open_control(vnf["name"])
                self.keepers.watch(directory, pid, ours=False)
                self.listener.follow(directory)
            except (Unreachable, Refused) as error:
                if pid is not None and isinstance(error, Unreachable) and error.late:
                    self.keepers.watch(directory, pid, ours=False)  # it hangs: given its time, as always
                    continue
                with contextlib.suppress(Refused):
                    self.heal(vnf["name"])
        self.watch.start()

    def _take_over(self, vnf: Row, keeper: Keeper) -> None:
        """What an earlier agent had done and could not write down is as the keeper says."""
        said = keeper.call("ping", QUICK_SECONDS)
        self.agree(vnf["name"], said.get("state"), self.stands(vnf["name"]))
        # a change that the earlier agent began may be going on still: VNFCs have taken up some of it
        config = keeper.call("list", CONFIGURE_SECONDS, settled=True).get("config")
        if config and vnf["config"] and config != vnf["config"]:
            log.warning("%s is configured otherwise than was written down: its keeper says so", vnf["name"])
            self.store.set_vnf(vnf["name"], config=config)
        paths = without_figures(keeper.call("paths", QUICK_SECONDS)["paths"])
        if paths != ServicePaths(self.descriptor(vnf["package"]), vnf["paths"]).table():
            log.warning("%s has other service paths than were written down: its keeper says so", vnf["name"])
            self.store.set_vnf(vnf["name"], paths=paths)

    def _settle(self, operation: Row) -> None:
        """Finish or roll back an operation that was going on when the agent died."""
        name, kind = operation["vnf"], operation["operation"]
        vnf = self.store.vnf(name)
        died = Refused(
            Mistake(found="the agent ended during the operation"), title="interrupted"
        )
        if vnf is None or vnf["instance"] != operation["instance"]:
            self._over(operation, State.FAILED, [died.mistakes[0].as_dict()])
            return
        keeper = Keeper(self.directory(name))
        try:
            if resting(operation):  # and is undone
                return
            if operation["state"] == State.ROLLING_BACK and operation["rests"]:
                self._back(operation)
                return
            if operation["state"] in (State.FAILED_TEMP, State.ROLLING_BACK):
                raise died
            if kind == "TERMINATE":
                self._act(operation)
            elif kind == "OPERATE":
                self._resume_operate(operation, keeper)
            elif kind in ("UPGRADE", "CHANGE_EXT_CONN"):
                raise died  # unless the keeper has become it
            elif kind == "MODIFY_INFO":
                if vnf["instantiation_state"] == "INSTANTIATED":  # it may be about that change still
                    keeper.call("list", CONFIGURE_SECONDS, settled=True)
                self._modify(operation)
            else:
                self._resume_bring_up(operation, vnf, keeper)
        except (Refused, Unreachable, OSError) as error:
            if isinstance(error, Unreachable):
                error = died
            begun = operation["state"] in (State.STARTING, State.PROCESSING)
            healing = kind == "HEAL" and begun and error is died and not operation["rests"]
            if healing:
                with contextlib.suppress(Refused, Unreachable, OSError):  # healing tries that, too
                    self._take_down(name)  # what it had begun
            if healing or (kind in ("OPERATE", "MODIFY_INFO") and keeper.pid() is None):
                # no keeper is left: healing brings it back as it was before
                self._over(operation, State.ROLLED_BACK, [died.mistakes[0].as_dict()])
                return
            self._failed(operation, error)
            return
        self._over(operation, State.COMPLETED, [])

    def _resume_operate(self, operation: Row, keeper: Keeper) -> None:
        keeper.call("start" if operation["target"] == "STARTED" else "stop")
        self._operates(operation["vnf"], operation["target"])

    def _resume_bring_up(self, operation: Row, vnf: Row, keeper: Keeper) -> None:
        if operation["operation"] == "HEAL":
            request, start = as_it_was(vnf), vnf["operational_state"] == "STARTED"
        else:
            request, start = operation["request"], operation["request"]["start"]
        if not keeper.directory.is_dir():
            raise Unreachable("no keeper")
        keeper.call("status", timeout=2.0)  # a keeper that is still building does not answer
        if start:
            keeper.call("start", missing=operation["operation"] == "HEAL")
        self._is_up(vnf["name"], request, start)


def _configured(descriptor: Descriptor, request: Row, present: Row, mistakes: list[Mistake]) -> Row:
    """The configuration that a request makes of the present one; what is wrong with it goes to `mistakes`."""
    try:
        return descriptor.configured(request.get("config", {}), present)
    except Refused as refused:
        mistakes += refused.mistakes
        return present

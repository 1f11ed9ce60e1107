"""What there is of a VNF on this machine: brought up and taken down, and what the store says of it then.

What a row of the store says of an instantiated VNF, and of one that is not, is written by one function each.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from coven.agent.control.listeners import ControlSockets
from coven.agent.keepers.listener import Listener
from coven.agent.keepers.processes import Keepers
from coven.agent.keepers.talk import KeeperTalk
from coven.agent.store import Row, Store
from coven.base.control_addresses import Address
from coven.base.places import Places
from coven.keeper.client import Keeper
from coven.keeper.plan import Plan, PortPlan
from coven.keeper.recovery import Busy, Left
from coven.package.descriptor import DESCRIPTOR
from coven.package.languages import operator_libs
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

STORE_SECONDS = 2.0  #: between tries to write to a full disk


class Standing(KeeperTalk):
    listener: Listener

    def __init__(
        self, places: Places, store: Store, keepers: Keepers, recover: Callable[[Path], Left],
        control: Mapping[str, Address],
    ):  # fmt: skip
        """`control`: the VNFs whose Click handlers are reachable over loopback TCP, too."""
        super().__init__()
        self.places = places
        self.store = store
        self.keepers = keepers
        self.recover = recover
        self.control = ControlSockets(places.run, control)
        self._closing = threading.Event()

    # writing down

    def _insist(self, write: Callable[[], None]) -> None:
        """Write down what is so already, however long the disk is full."""
        while True:
            try:
                write()
                return
            except Refused as refused:
                if refused.kind != Kind.NO_SPACE:
                    raise
                if self._closing.wait(STORE_SECONDS):
                    return  # the next agent settles it

    def _tell(self, operation: Row, **values: Any) -> None:
        """Write down how it goes on, if that can be."""
        with contextlib.suppress(Refused):
            self.store.set_operation(operation["id"], **values)

    # what the store says of a VNF

    def _is_up(self, name: str, request: Row, start: bool) -> None:
        self.store.set_vnf(
            name, instantiation_state="INSTANTIATED", operational_state="STARTED" if start else "STOPPED",
            ports=request["ports"], config=request["config"], latency=request["latency"], errors=[],
            links=request.get("links", []),
        )  # fmt: skip

    def _operates(self, name: str, state: str) -> None:
        self.store.set_vnf(name, operational_state=state)

    def _not_instantiated(self, name: str, errors: Sequence[Row] = ()) -> None:
        """Nothing of it runs; what belonged to that life goes with it."""
        self.store.set_vnf(
            name, instantiation_state="NOT_INSTANTIATED", operational_state=None, ports={}, paths=None,
            errors=list(errors), links=[],
        )  # fmt: skip

    # up and down

    def _plan(self, vnf: Row, package: str, request: Row, missing: bool = False) -> Plan:
        """What a keeper is to run. `missing`: interfaces that are not there are waited for."""
        row = self.store.package(package)
        assert row is not None  # a package in use cannot be deleted
        return Plan(
            name=vnf["name"], instance=vnf["instance"], package=Path(row["folder"]), descriptor=DESCRIPTOR,
            build=self.places.builds / vnf["instance"],
            ports={port: PortPlan(**facts) for port, facts in request["ports"].items()}, config=request["config"],
            latency=request["latency"], paths=request["paths"], missing=missing,
            libs=operator_libs(self.descriptor(package)),
        )  # fmt: skip

    def _bring_up(self, operation: Row, request: Row, start: bool, missing: bool = False) -> None:
        """`missing`: interfaces that are not there are waited for."""
        name = operation["vnf"]
        vnf = self.vnf(name)
        wanted = self._plan(vnf, vnf["package"], {**request, "paths": vnf["paths"]}, missing)
        for build in wanted.build.parent.glob(f"{wanted.build.name}.*"):  # of versions between; none runs any more
            shutil.rmtree(build, ignore_errors=True)
        wanted.build.mkdir(parents=True, exist_ok=True)
        directory = self.directory(name)
        self.recover_directory(directory)

        def progress(text: str) -> None:
            self._tell(operation, progress=text)

        keeper = self.keepers.start(directory, wanted, progress)
        self.listener.follow(directory)
        if operation["operation"] == "INSTANTIATE":
            self.control.open(name)
        else:
            self._open_control(name)
        if start:
            keeper.call("start", missing=wanted.missing)
        self._is_up(name, request, start)

    def _open_control(self, name: str) -> None:
        """For a VNF that runs already, or again: that goes on, whatever became of its sockets."""
        try:
            self.control.open(name)
        except Refused as refused:
            log.warning("%s: %s", name, refused)

    def recover_directory(self, directory: Path) -> None:
        """Undo what a dead keeper left, by its journal; what cannot be undone stays in it."""
        self.control.close(directory.name)
        if not directory.is_dir():
            return
        try:
            left = self.recover(directory)
        except (Busy, RuntimeError) as error:
            raise Refused(
                Mistake(file=str(directory), found=str(error), expected="a dead keeper's journal, undone"),
                title="not undone", kind=Kind.FAULT,
            ) from None  # fmt: skip
        for failure in left.failed:
            log.error("%s: not undone: %s", directory.name, failure)
        if not left.failed:
            shutil.rmtree(directory, ignore_errors=True)

    def _take_down(self, name: str) -> None:
        directory = self.directory(name)
        self.keepers.forget(directory)
        self.control.close(name)
        Keeper(directory).end()
        self.recover_directory(directory)


def as_it_was(vnf: Row) -> Row:
    """The request that brings a VNF back after its keeper died."""
    return {key: vnf[key] for key in ("ports", "config", "latency", "links")}

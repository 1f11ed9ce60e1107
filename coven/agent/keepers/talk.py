"""What the agent asks of keepers on behalf of callers: answers, configuration, service paths; and who is right when its
memory and a keeper say different things: the keeper.

What a keeper took up and the agent's memory could not be told (a full disk) is taken back.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coven.agent.keepers.line import QUICK_SECONDS, Lines, frozen, unavailable
from coven.agent.keepers.watch import HUNG_SECONDS, LOOK_SECONDS
from coven.agent.store import Row, Store, busy, conflict, missing
from coven.base.places import Places
from coven.keeper.client import Keeper, Unreachable
from coven.keeper.forwarder.service_paths import without_figures
from coven.package.archive import foreign
from coven.package.descriptor import DESCRIPTOR, Descriptor, load
from itf.mistakes import Mistake, Refused, suggest

log = logging.getLogger("coven.agent")


class KeeperTalk:
    places: Places
    store: Store

    def __init__(self) -> None:
        self.lines = Lines()
        #: the file of the certificate by which the agent is reached, and its end (seconds since 1970), if there is one
        self.certificate: Callable[[], tuple[str, float] | None] = lambda: None
        self._config_locks: dict[str, threading.Lock] = defaultdict(threading.Lock)

    def vnf(self, name: str) -> Row:
        row = self.store.vnf(name)
        if row is None:
            raise missing(f"VNF called {name}", suggest(name, [v["name"] for v in self.store.vnfs()]))
        return row

    def directory(self, name: str) -> Path:
        return self.places.run / name

    def descriptor(self, package: str) -> Descriptor:
        row = self.store.package(package)
        if row is None:
            raise missing(f"package {package}")
        if (row["csar"] or {}).get("foreign"):
            found = f"the {row['csar']['kind']} {row['name']} {row['version']} of {row['provider']}"
            raise foreign(found, package)
        return load(Path(row["folder"]) / DESCRIPTOR, DESCRIPTOR)

    def keeper(self, name: str) -> Keeper:
        """The keeper of an instantiated VNF. Raises Refused with 409 when there is none."""
        if self.vnf(name)["instantiation_state"] != "INSTANTIATED":
            raise conflict(f"{name} is NOT_INSTANTIATED", f"coven instantiate {name}")
        return Keeper(self.directory(name))

    def ask(self, vnf: str, op: str, **arguments: Any) -> Row:
        """A keeper's answer. Raises Refused, with 503 and the reason when the keeper does not answer."""
        keeper = self.keeper(vnf)
        try:
            return self.lines.ask(vnf, keeper, op, **arguments)
        except Unreachable as error:
            raise self._silence(vnf, keeper, error) from None

    def capture(self, vnf: str, **arguments: Any) -> socket.socket:
        """A connection from which a capture can be read. Raises Refused, as `ask` does."""
        keeper = self.keeper(vnf)
        try:
            with self.lines.place(vnf):
                return keeper.capture(QUICK_SECONDS, **arguments)
        except Unreachable as error:
            raise self._silence(vnf, keeper, error) from None

    def _silence(self, name: str, keeper: Keeper, error: Unreachable) -> Refused:
        """Why a keeper does not answer, and what becomes of it."""
        title = "keeper unreachable"
        if running := self.store.unfinished(name):
            operation = running[0]
            progress = f": {operation['progress']}" if operation["progress"] else ""
            found = f"the keeper of {name} does not answer while {operation['operation']} is going on{progress}"
            refused = unavailable(found, title=title)
            refused.mistakes += [Mistake.from_dict(each) for each in operation["errors"]]
            return refused
        pid = keeper.pid()
        if pid is None:
            return unavailable(
                f"{name} has no keeper: it ended", f"it is brought back within {LOOK_SECONDS:g} s", title
            )
        if not error.late:
            return unavailable(f"the keeper of {name}, process {pid}, does not answer: {error}", title=title)
        silent = self.lines.silent(name) or QUICK_SECONDS
        why = " (a signal stopped that process)" if frozen(pid) else ""
        return unavailable(
            f"the keeper of {name}, process {pid}, hangs: no answer for {silent:.0f} s{why}",
            f"it is ended, and so brought back, after {HUNG_SECONDS:g} s of silence", title,
        )  # fmt: skip

    # who is right

    def stands(self, name: str) -> object:
        """What `agree` is to be called with: taken before the keeper is asked. None while an operation is going on."""
        return None if self.store.unfinished(name) else (self.store.newest(name) or {}).get("id", "")

    def agree(self, name: str, state: Any, stood: object) -> None:
        """A keeper said in which state its VNF is. That is so, unless an operation began since it was asked."""
        if state not in ("STARTED", "STOPPED") or stood is None:
            return
        with contextlib.suppress(Refused), self.store.transaction():  # on a full disk, later
            vnf = self.store.vnf(name)
            if vnf is None or vnf["instantiation_state"] != "INSTANTIATED" or self.stands(name) != stood:
                return
            if vnf["operational_state"] != state:
                log.warning("%s is %s, not %s: its keeper says so", name, state, vnf["operational_state"])
                self.store.set_vnf(name, operational_state=state)

    # changes while it runs

    def configure(self, name: str, wanted: Row, replace: bool) -> dict[str, Row]:
        """Change the configuration as `reconfigure` does: by what is stated, on the present one or on the default."""
        descriptor = self.descriptor(self.vnf(name)["package"])
        return self.reconfigure(name, lambda before: descriptor.configured(wanted, None if replace else before))

    def reconfigure(self, name: str, change: Callable[[dict[str, Row]], dict[str, Row]]) -> dict[str, Row]:
        """Change the configuration, live if it runs: all or, when a VNFC refuses or it cannot be written down, nothing.
        `change` makes the new one out of the present one, between which nobody else changes it. Returns it."""
        return self._reconfigure(name, change, {})

    def _reconfigure(
        self, name: str, change: Callable[[dict[str, Row]], dict[str, Row]], facts: Row, within: str | None = None
    ) -> dict[str, Row]:
        """`facts`: what else is written down of the VNF then; `within`: the operation that does it."""
        with self._config_locks[name]:
            vnf = self.vnf(name)
            self._check_idle(name, within)
            before = vnf["config"] or self.descriptor(vnf["package"]).config
            after = change(before)
            changed = [vnfc for vnfc in after if after[vnfc] != before.get(vnfc)]
            live = vnf["instantiation_state"] == "INSTANTIATED" and bool(changed)
            if live:
                self.ask(name, "configure", configs={vnfc: after[vnfc] for vnfc in changed})

            def back() -> None:
                if live:
                    self.ask(name, "configure", configs={vnfc: before[vnfc] for vnfc in changed})

            with self._or_back(name, back):
                self.store.set_vnf(name, config=after, **facts)
            return after

    def _check_idle(self, name: str, within: str | None = None) -> None:
        for running in self.store.unfinished(name):
            if running["id"] != within:
                raise busy(running)

    def set_paths(self, name: str, wanted: list[Any]) -> list[Row]:
        """Another table of service paths, at once; kept for the next keeper, until the VNF is terminated."""
        with self._config_locks[name]:
            self._check_idle(name)
            before = without_figures(self.ask(name, "paths")["paths"])
            table: list[Row] = self.ask(name, "paths", paths=wanted)["paths"]
            with self._or_back(name, lambda: self.ask(name, "paths", paths=before)):
                self.store.set_vnf(name, paths=without_figures(table))
            return table

    @staticmethod
    @contextlib.contextmanager
    def _or_back(name: str, back: Callable[[], Any]) -> Any:
        """What fails is taken back; what cannot be taken back is told with it."""
        try:
            yield
        except Refused as refused:
            try:
                back()
            except Refused as second:
                log.error("%s: not taken back: %s", name, second)
                refused.mistakes.append(Mistake(found="and what was changed already could not be taken back"))
                refused.mistakes += second.mistakes
            raise

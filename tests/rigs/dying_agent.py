"""An agent that kills itself at a step of its operations: the file says how many steps are left.

A step is anything that an operation writes down or asks of a keeper, and that is both before and after it is done.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from coven.agent.keepers.processes import Keepers
from coven.agent.standing import Standing
from coven.agent.store import Store
from coven.keeper.client import Keeper

STEPS: tuple[tuple[type, str], ...] = (
    (Store, "begin"), (Store, "set_operation"), (Store, "set_vnf"), (Keeper, "call"), (Keeper, "end"),
    (Keepers, "start"), (Standing, "recover_directory"),
)  # fmt: skip


def arm(file: Path) -> None:
    """From now on, whenever that file is there, its number of steps is what is left."""
    lock = threading.Lock()

    def step() -> None:
        with lock:
            if file.exists():
                left = int(file.read_text())
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                    signal.pause()
                file.write_text(str(left - 1))

    def stepping(function: Callable[..., Any], always: bool) -> Callable[..., Any]:
        def called(*given: Any, **named: Any) -> Any:
            # others look after keepers all the time; an operation is begun and decided by whoever asks for it
            counts = always or threading.current_thread().name.startswith(("operation", "MainThread"))
            if counts:
                step()
            found = function(*given, **named)
            if counts:
                step()
            return found

        return called

    for owner, name in STEPS:
        setattr(owner, name, stepping(getattr(owner, name), name in ("begin", "set_operation")))

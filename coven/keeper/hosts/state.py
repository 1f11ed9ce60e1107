"""The states of a VNFC's process, and which may follow which."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Of a VNFC's process, as status shows it."""

    STOPPED = "stopped"
    STARTING = "starting"  #: its process runs, and has not said that it is ready
    RUNNING = "running"
    DOWN = "down"  #: it ended, and is started again after a back-off
    FAILED = "failed"  #: its first start failed, or it ended with on_failure: stop; only a start brings it back


TRANSITIONS = {
    State.STOPPED: {State.STARTING},
    State.STARTING: {State.RUNNING, State.DOWN, State.STOPPED, State.FAILED},
    State.RUNNING: {State.DOWN, State.STOPPED},
    State.DOWN: {State.STARTING, State.STOPPED, State.FAILED},
    State.FAILED: {State.STARTING},
}

"""The states of an operation, and who may move it from one to another (ETSI's LcmOperationStateType)."""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    STARTING = "STARTING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    FAILED_TEMP = "FAILED_TEMP"
    FAILED = "FAILED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"


#: One that was begun through vnflcm rests in FAILED_TEMP until somebody decides; others go on from there by themselves.
#: From ROLLING_BACK one goes to FAILED_TEMP if it rests, else to FAILED; to COMPLETED when it turns out to be done.
TRANSITIONS = {
    State.STARTING: {State.PROCESSING, State.ROLLED_BACK, State.FAILED},
    State.PROCESSING: {State.COMPLETED, State.FAILED_TEMP, State.FAILED, State.ROLLED_BACK},
    State.FAILED_TEMP: {State.PROCESSING, State.ROLLING_BACK, State.FAILED},
    State.ROLLING_BACK: {State.ROLLED_BACK, State.FAILED_TEMP, State.FAILED, State.COMPLETED},
    State.COMPLETED: set[State](),
    State.FAILED: set[State](),
    State.ROLLED_BACK: set[State](),
}
#: in which an operation is not over
UNFINISHED = tuple(state for state, further in TRANSITIONS.items() if further)


class Decision(StrEnum):
    """What somebody may ask of an operation."""

    RETRY = "retry"
    ROLLBACK = "rollback"
    FAIL = "fail"
    CANCEL = "cancel"


#: from which states, and where to
DECISIONS = {
    Decision.RETRY: {State.FAILED_TEMP: State.PROCESSING},
    Decision.ROLLBACK: {State.FAILED_TEMP: State.ROLLING_BACK},
    Decision.FAIL: {State.FAILED_TEMP: State.FAILED},
    Decision.CANCEL: {
        State.STARTING: State.ROLLED_BACK, State.PROCESSING: State.FAILED_TEMP, State.ROLLING_BACK: State.FAILED_TEMP,
    },
}  # fmt: skip


class CancelMode(StrEnum):
    GRACEFUL = "GRACEFUL"
    FORCEFUL = "FORCEFUL"


def reachable(state: State) -> frozenset[State]:
    """Where an operation may be when it is written down next: a full disk may leave steps out."""
    found, left = {state}, [state]
    while left:
        new = TRANSITIONS[left.pop()] - found
        found |= new
        left += new
    return frozenset(found)

"""Agent requests: asking one of a VNFC, and what they have come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from itf.mistakes import Mistake, Refused

REQUEST_SECONDS = 1.0  #: a VNFC has that long to answer

Answer = Callable[[dict[str, Any] | None], None]

_KINDS: Mapping[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}


def fitted(declared: Sequence[Mapping[str, Any]], given: Sequence[Any]) -> list[Any]:
    """The arguments of a request to an executable, which has no SDK that would judge them: as declared, defaults filled
    in. Raises Refused with all that is wrong."""
    mistakes: list[Mistake] = []
    if len(given) > len(declared):
        mistakes.append(Mistake(field="args", found=f"{len(given)} arguments", expected=f"at most {len(declared)}"))
    made = list(given[: len(declared)])
    for argument, value in zip(declared, made, strict=False):
        kinds = _KINDS.get(argument["type"])
        if kinds is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            mistakes.append(Mistake(field=argument["name"], found=repr(value)[:60], expected=argument["type"]))
    for argument in declared[len(made) :]:
        if "default" in argument:
            made.append(argument["default"])
        else:
            mistakes.append(Mistake(field=argument["name"], found="nothing", expected=argument["type"] or "a value"))
    if mistakes:
        raise Refused(mistakes, title="not asked")
    return made


@dataclass
class Requests:
    """What a VNFC's agent requests came to, over all its processes."""

    asked: int = 0
    timed_out: int = 0
    seconds: float = 0.0  #: that it was busy with them, as it says itself

    def add(self, other: Requests) -> None:
        self.asked += other.asked
        self.timed_out += other.timed_out
        self.seconds += other.seconds


class Host(Protocol):
    asked: Requests

    def ask(self, message: dict[str, Any], seconds: float, done: Answer) -> None: ...


def request(host: Host, name: str, args: Any, done: Answer) -> None:
    """Ask one; `done` gets the answer, or None after REQUEST_SECONDS, or at once when there is nobody to ask."""

    def answered(answer: dict[str, Any] | None) -> None:
        if answer is None:
            host.asked.timed_out += 1
        elif isinstance(took := answer.get("seconds"), int | float):
            host.asked.seconds += min(max(float(took), 0.0), REQUEST_SECONDS)
        done(answer)

    host.asked.asked += 1
    host.ask({"op": "request", "name": name, "args": args}, REQUEST_SECONDS, answered)

"""What the author of a Python VNFC imports.

    from vnfc import forward, drop, reason
    telnet = reason("telnet", "telnet is not allowed here")
    def handle(packet):
        return drop(telnet) if packet.tcp and packet.tcp.dport == 23 else forward()

Declare reasons, counters, gauges, histograms and agent requests at module level; define `handle(packet)`
or `handle_burst(burst)`, and `configure(config)` if there is something to configure. The fast parts are
in the extension `_vnfc`; this module adds what reads better in Python.
"""

from __future__ import annotations

import difflib
import random as _random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from _vnfc import (
    back,
    consume,
    counter,
    drop,
    emit,
    forward,
    gauge,
    histogram,
    hold,
    new_packet,
    now,
    reason,
    release,
    timer,
    wall,
    write_log,
)

__all__ = [
    "after", "back", "config", "consume", "counter", "drop", "emit", "every", "forward", "gauge", "health",
    "histogram", "hold", "log", "new_packet", "now", "ports", "random", "reason", "release", "request", "state", "wall",
]  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


class Config(Mapping[str, Any]):
    """The VNFC's configuration: `config["block"]` or `config.block`. Read-only; `coven config` changes it."""

    def __init__(self, values: Mapping[str, Any]):
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, key: str) -> Any:
        try:
            return self._values[key]
        except KeyError:
            raise KeyError(self._missing(key)) from None

    def __getattr__(self, key: str) -> Any:
        if key.startswith("__"):
            raise AttributeError(key)
        try:
            return self._values[key]
        except KeyError:
            raise AttributeError(self._missing(key)) from None

    def __setattr__(self, key: str, value: Any) -> None:
        raise AttributeError("the configuration is read-only here: `coven config` changes it")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)

    def _missing(self, key: str) -> str:
        hint = _did_you_mean(key, self._values) or ": give it under `config:` in vnf.yaml"
        return f"config has no {key!r}{hint}"

    def _replace(self, values: Mapping[str, Any]) -> None:
        object.__setattr__(self, "_values", dict(values))


@dataclass(frozen=True)
class Port:
    """One of the VNF's ports. `mac` is None where there is none (a capture); `mtu` in bytes."""

    name: str
    number: int
    mac: str | None
    mtu: int


@dataclass(frozen=True)
class Request:
    """One agent request, as declared with `@request`."""

    name: str
    why: str
    unit: str
    function: Callable[..., Any]
    changes: bool = False


#: the configuration in force (what `configure` was given last)
config = Config({})
#: the VNF's ports by name
ports: dict[str, Port] = {}
#: plain values (None, bool, int, float, str, bytes, list, tuple, dict, set): they survive a crash
state: dict[Any, Any] = {}
#: a random.Random of this VNFC's own: repeatable in tests
random = _random.Random()

_requests: dict[str, Request] = {}


def log(*parts: Any) -> None:
    """Write a line to `coven logs`. At most 100 lines a second are kept, the rest are counted."""
    write_log(" ".join(map(str, parts)))


def every(seconds: float) -> Callable[[Function], Function]:
    """`@every(0.5)`: call the function each so many seconds, between bursts."""
    if not isinstance(seconds, (int, float)):
        raise TypeError("every() wants seconds: write @every(0.5) above the function")

    def decorate(function: Function) -> Function:
        timer(float(seconds), function, True)
        return function

    return decorate


def after(seconds: float, function: Callable[[], Any]) -> None:
    """Call the function once, so many seconds from now, between bursts."""
    timer(float(seconds), function, False)


def request(name: Any = None, why: str = "", unit: str = "", changes: bool = False) -> Any:
    """`@request("hits", "packets dropped so far", "packets")`: answer an agent request of that name.

    Annotate the arguments with int, float, str or bool: they are checked before the function is called.
    The answer is what the function returns: plain values (numbers, text, lists, dicts).
    With `changes=True` asking changes something: who asks must have the right to operate the VNF.
    """
    if callable(name):  # plain @request
        return request()(name)

    def decorate(function: Function) -> Function:
        called = name or function.__name__
        if called in _requests:
            raise ValueError(f"the request {called!r} is declared twice")
        about = why or (function.__doc__ or "").strip().split("\n")[0]
        _requests[called] = Request(called, about, unit, function, changes)
        return function

    return decorate


def health(function: Function) -> Function:
    """`@health`: how the VNFC itself finds that it is. Asked once a second: "ok", nothing, or a sentence."""
    if "health" in _requests:
        raise ValueError("health is declared twice")

    _requests["health"] = Request("health", "how it finds that it is: ok, or what is not", "", function)
    return function


def _did_you_mean(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f": did you mean {close[0]!r}?" if close else ""


def __getattr__(name: str) -> Any:
    raise AttributeError(f"vnfc has no {name!r}" + _did_you_mean(name, __all__))

"""Numbers of seconds: as a command line states them, and moments as documents have them."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import UTC, datetime


def seconds(text: str) -> float:
    """For `type=` of an option. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise ArgumentTypeError(f"found {text}, expected a number of seconds above 0")
    return value


_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def lasting(text: str) -> float:
    """The same, also in minutes, hours or days: 90m, 12h, 30d."""
    unit = _UNITS.get(text[-1:])
    try:
        return seconds(text) if unit is None else seconds(text[:-1]) * unit
    except ArgumentTypeError:
        raise ArgumentTypeError(f"found {text}, expected a time above 0, as 3600, 90m, 12h or 30d") from None


def moment(seconds: float, precision: str = "seconds") -> str:
    """Seconds since 1970 as RFC 3339 has them, in UTC. `precision`: a timespec of datetime's."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")

"""A number of seconds, as a command line states it."""

from __future__ import annotations

from argparse import ArgumentTypeError


def seconds(text: str) -> float:
    """For `type=` of an option. Raises ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1e9:
        raise ArgumentTypeError(f"found {text}, expected a number of seconds above 0")
    return value

"""What others wrote, so that showing it steers no terminal."""

from __future__ import annotations


def printable(text: str, besides: str = "") -> str:
    """Characters that cannot be shown become `?`, but those in `besides`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in besides else "?" for c in text)


def one_line(text: str) -> str:
    """The same on one line."""
    return printable(" ".join(text.split()))

"""Fixtures of this folder."""

from tests.rigs.confined import confinement

__all__ = ["confinement"]

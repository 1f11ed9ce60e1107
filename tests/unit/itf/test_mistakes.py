"""What somebody meant who wrote something else."""

from __future__ import annotations

import pytest

from itf.mistakes import suggest

COMMANDS = ["start", "stats", "status", "stop", "upgrade"]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("stauts", "did you mean status?"),
        ("satrt", "did you mean start?"),
        ("stat", "did you mean stats?"),
        ("upgrad", "did you mean upgrade?"),
        ("zzz", "known: start, stats, status, stop, upgrade"),
    ],
)
def test_the_nearest_word(word: str, said: str) -> None:
    assert suggest(word, COMMANDS) == said

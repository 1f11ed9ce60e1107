"""Which languages can be run here: tests leave out those whose run time is missing, and say so."""

from __future__ import annotations

from pps.frameworks import FRAMEWORKS, missing

LANGUAGES = ("c", "python", "click", "java", "javascript")


def here() -> list[str]:
    """The languages whose run time is installed, in the order of LANGUAGES."""
    return [language for language in LANGUAGES if language in FRAMEWORKS and missing(language) is None]

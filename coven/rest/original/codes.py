"""What the calls of the prototype answer: a number as text, which means something else for each call, or a text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from coven.base.problem import STATUS
from itf.mistakes import Mistake, Refused


class Code(StrEnum):
    """Of `/configure/` and of packages."""

    DONE = "0"
    RUNNING = "-1"
    CONFIGURED = "-2"  #: already
    BAD_YAML = "-3"
    BAD_PPS = "-4"
    BAD_VNS = "-5"
    BAD_NSHP = "-6"
    BAD_AGENT = "-7"
    NOT_WRITTEN = "-8"
    NO_PACKAGE = "-9"


NOT_CONFIGURED = "-2"  #: of `/start/`
NOTHING_TO_RESET = "-2"  #: of `/reset/`
NOT_LAUNCHED = "-1"  #: of `/launch/`, whatever `/configure/` said
NOT_RUNNING = "-1"  #: of `/stop/`

UNAVAILABLE = "ERROR: THE MANAGEMENT AGENT IS NOT AVAILABLE"
INVALID_FILE = "ERROR: INVALID FILE!!"
INVALID_REQUEST = "ERROR: INVALID REQUEST!!"
NOT_REACHED = "ERROR: COULD NOT CONNECT THE EXTEND AGENT!!"
NO_ANSWER = "ERROR: THE EXTEND AGENT DID NOT ANSWER!!"


@dataclass(frozen=True)
class Reply:
    """What a call answers, on either wire."""

    text: str
    status: int = HTTPStatus.OK

    @classmethod
    def of(cls, refused: Refused) -> Reply:
        """For what the prototype has no number."""
        said = "; ".join([refused.title, *(str(mistake).replace("\n", " ") for mistake in refused.mistakes)])
        return cls(f"ERROR: {said}", int(STATUS[refused.kind]))


class Failed(Exception):
    """A call fails with a code. The reasons, for which the wire has no room, are for the log."""

    def __init__(self, code: Code, mistakes: list[Mistake]):
        self.code, self.mistakes = code, mistakes
        super().__init__(code)

    def __str__(self) -> str:
        return "\n".join([self.code, *map(str, self.mistakes)])

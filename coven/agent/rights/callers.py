"""Who calls, and what they may."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    READ = "read"
    OPERATE = "operate"
    ONBOARD = "onboard"
    CAPTURE = "capture"
    ADMIN = "admin"


#: what a scope contains besides itself
_CONTAINS = {
    Scope.OPERATE: {Scope.READ}, Scope.ONBOARD: {Scope.READ}, Scope.CAPTURE: {Scope.READ}, Scope.ADMIN: set(Scope),
}  # fmt: skip


@dataclass(frozen=True)
class Caller:
    """Whoever is known by a token, a password or a certificate. `scopes`: as they were granted."""

    name: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    def may(self, scope: Scope) -> bool:
        return any(scope == each or scope in _CONTAINS.get(each, ()) for each in self.scopes)


ROOT = Caller("admin", frozenset({Scope.ADMIN}))  #: who has the token in the state folder
ANYONE = Caller("anyone", frozenset({Scope.ADMIN}))  #: where nobody is asked

NOBODY = Caller("nobody known")

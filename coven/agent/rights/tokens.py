"""Who may do what: tokens and client certificates with scopes, each for a time, revocable.

A token is 256 random bits, so that its SHA-256 is all that is kept; a name that a client certificate bears stands for
what was granted to that name. How long a comparison takes says nothing: all are compared, none byte by byte.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coven.agent.rights.callers import ROOT, Caller, Scope
from coven.agent.store import Row, Store, conflict, missing, moment, now
from itf.mistakes import suggest

ACCESS_SECONDS = 3600  #: that an access token of OAuth 2.0 lasts
MOST_ACCESS = 1000  #: access tokens at once: beyond, the oldest goes


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class _Access:
    caller: Caller
    ends: float  #: CLOCK_MONOTONIC


class Tokens:
    """All of them. `root`: the token in the state folder, which may do everything and is no one's to revoke."""

    def __init__(self, store: Store, root: str):
        self._store = store
        self._root = digest(root)
        self._lock = threading.Lock()
        self._granted = store.tokens()
        self._access: dict[str, _Access] = {}  #: by digest, the oldest first

    def create(
        self, name: str, scopes: Iterable[Scope], seconds: float | None, certificate: bool
    ) -> tuple[Row, str | None]:
        """Grant scopes to a name, for so many seconds or for good: the record, and the token, which is nowhere else.
        `certificate`: to who presents a client certificate of that common name instead. Raises Refused with 409."""
        secret = None if certificate else secrets.token_urlsafe(32)
        row: Row = {
            "name": name, "digest": None if secret is None else digest(secret), "scopes": sorted(scopes),
            "created": now(), "expires": None if seconds is None else moment(time.time() + seconds),
        }  # fmt: skip
        with self._lock:
            if name == ROOT.name or any(each["name"] == name for each in self._granted):
                raise conflict(f"a token called {name} exists", "choose another name, or revoke it", "name taken")
            self._store.add_token(row)
            self._granted = self._store.tokens()
        return _shown(row), secret

    def listed(self) -> list[Row]:
        return [_shown(row) for row in self._granted]

    def revoke(self, name: str) -> None:
        """Raises Refused with 404."""
        with self._lock:
            if name not in (known := [row["name"] for row in self._granted]):
                raise missing(f"token called {name}", suggest(name, known))
            self._store.remove_token(name)
            self._granted = self._store.tokens()
            self._access = {key: each for key, each in self._access.items() if each.caller.name != name}

    # who asks

    def by_secret(self, secret: str, name: str | None = None) -> Caller | None:
        """Whose token or, without `name`, access token this is."""
        given = digest(secret)
        if name is not None:
            found = self.by_digest(given)
            return found if found is not None and hmac.compare_digest(found.name.encode(), name.encode()) else None
        return self.by_kept(given)

    def by_kept(self, given: str) -> Caller | None:
        """Whose token or access token has this digest."""
        with self._lock:
            access = self._access.get(given)
        if access is None or access.ends <= time.monotonic():
            return self.by_digest(given)
        return access.caller if self._left(access.caller.name) > 0 else None

    def _left(self, name: str) -> float:
        """Seconds until what was granted to a name expires, by the clock as it is now."""
        ends = next((_ends(row) for row in self._granted if row["name"] == name), None if name == ROOT.name else 0.0)
        return math.inf if ends is None else ends - time.time()

    def by_digest(self, given: str) -> Caller | None:
        """Whose token has this digest."""
        found = ROOT if hmac.compare_digest(given, self._root) else None
        for row in self._granted:
            if row["digest"] is not None and hmac.compare_digest(given, row["digest"]):
                found = _valid(row)
        return found

    def by_certificate(self, name: str) -> Caller | None:
        return next((_valid(row) for row in self._granted if row["digest"] is None and row["name"] == name), None)

    def access(self, caller: Caller, scopes: Iterable[Scope]) -> tuple[str, int]:
        """A token for those of a caller's scopes, and the seconds that it lasts: an hour, or until what it came from
        expires (RFC 6749, 4.4.3). It goes with the agent."""
        secret = secrets.token_urlsafe(32)
        seconds = max(0, int(min(ACCESS_SECONDS, self._left(caller.name))))
        ends = time.monotonic() + ACCESS_SECONDS
        with self._lock:
            self._access[digest(secret)] = _Access(Caller(caller.name, frozenset(scopes)), ends)
            while len(self._access) > MOST_ACCESS:
                del self._access[next(iter(self._access))]
        return secret, seconds


def _ends(row: Row) -> float | None:
    """When a record expires, in seconds since 1970."""
    return None if row["expires"] is None else datetime.fromisoformat(row["expires"]).timestamp()


def _valid(row: Row) -> Caller | None:
    """Who a record stands for, until it expires."""
    if (ends := _ends(row)) is not None and ends <= time.time():
        return None
    return Caller(row["name"], frozenset(map(Scope, row["scopes"])))


def _shown(row: Row) -> Row:
    kept = {key: value for key, value in row.items() if key != "digest"}
    return {**kept, "certificate": row["digest"] is None, "expired": _valid(row) is None}

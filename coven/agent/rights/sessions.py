"""Sessions of the page: what a browser has in place of a token, so that no page's script, and no other service of the
machine that a cookie goes to, ever has the token itself.

A session names the credential that it was begun with by its digest, and says when it ends, under a MAC whose key comes
of the agent's own token: nothing is kept, it outlives a restart of the agent, and it ends with its credential.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time

from coven.agent.rights.callers import Caller
from coven.agent.rights.tokens import Tokens

SECONDS = 12 * 3600  #: that a session lasts


class Sessions:
    def __init__(self, tokens: Tokens, root: str):
        self._tokens = tokens
        self._key = hmac.digest(root.encode(), b"coven page session", "sha256")

    def begin(self, digest: str, seconds: float = SECONDS) -> str:
        """A session of whoever has the token of this digest."""
        said = f"{digest}.{int(time.time() + seconds)}"
        return f"{said}.{self._mac(said)}"

    def caller(self, session: str) -> Caller | None:
        """Whose session this is; None: it is none, it has ended, or its token is worth nothing any more."""
        said, _, mac = session.rpartition(".")
        if not hmac.compare_digest(mac.encode(), self._mac(said).encode()):
            return None
        digest, ends = said_by(session)
        return self._tokens.by_digest(digest) if ends > time.time() else None

    def _mac(self, said: str) -> str:
        return base64.urlsafe_b64encode(hmac.digest(self._key, said.encode(), hashlib.sha256)).decode().rstrip("=")


def said_by(session: str) -> tuple[str, int]:
    """The digest and the end (seconds since the epoch) that a session names, which `Sessions.caller` has found good."""
    digest, ends, _ = session.split(".", 2)
    return digest, int(ends)

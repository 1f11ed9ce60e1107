"""Who asks, and whether they may: by a token, a name and a token (BASIC), or a client certificate (SOL013 8.3); the
page by its session."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from coven.agent.rights.attempts import Attempts
from coven.agent.rights.callers import ANYONE, Caller, Scope
from coven.agent.rights.sessions import Sessions, said_by
from coven.agent.rights.tokens import Tokens, digest
from coven.base.places import is_loopback
from itf.mistakes import Kind, Mistake, Refused

Header = Callable[[str], str | None]

READING = ("GET", "HEAD")
SCHEMES = "Bearer TOKEN, or Basic NAME:TOKEN in base64"


@dataclass(frozen=True)
class Origin:
    """Where a request comes from."""

    address: str
    certificate: str | None = None  #: the common name in a client certificate that was verified
    secure: bool = False  #: it came by TLS


UNKNOWN = Origin("unknown")


@dataclass(frozen=True)
class Credential:
    """What somebody presents; `name` None: a token alone."""

    secret: str
    name: str | None = None

    @property
    def digest(self) -> str:
        return digest(f"{self.name or ''}\0{self.secret}")

    @property
    def token_digest(self) -> str:
        """As tokens are kept."""
        return digest(self.secret)


class Gate:
    """`tokens` None: nobody is asked (the server allows that on loopback only)."""

    def __init__(self, tokens: Tokens | None, sessions: Sessions | None = None):
        self.tokens = tokens
        self.sessions = sessions
        self._attempts = Attempts()

    def caller(self, header: Header, method: str, origin: Origin) -> Caller:
        """Who asks, by the headers of a request; to be called once for each.

        Raises Refused: 400 for what is no credential, 401 for a wrong one, 403 for a page of another origin, 429 after
        too many wrong ones."""
        check_origin(header)
        if self.tokens is None:
            check_host(header)
            return ANYONE
        credential = presented(header)
        if credential is None:
            if (known := self._in_session(header, method)) is not None:
                return known
            known = self.tokens.by_certificate(origin.certificate) if origin.certificate is not None else None
            if known is None:
                raise unauthenticated("no token")
            return known
        return self.holder(credential, origin)

    def _in_session(self, header: Header, method: str) -> Caller | None:
        """Whose session the browser has. It sends that along by itself, so it counts only where the browser says that
        the page which asks is ours. Raises Refused with 403."""
        session = session_of(header)
        known = self.sessions.caller(session) if self.sessions is not None and session is not None else None
        if known is None:
            return None
        site = _other_site(header)
        if site is not None or (method not in READING and not header("Origin")):
            found = header("Sec-Fetch-Site") or "nothing"
            raise _forbidden("Origin", found, "a request of the agent's own page")
        return known

    def lasting(self, header: Header, origin: Origin) -> Callable[[], Caller | None]:
        """What tells later whose a request is that was let in, None once it would be no more. No secret is kept."""
        tokens = self.tokens
        if tokens is None:
            return lambda: ANYONE
        if (credential := presented(header)) is not None:
            kept = credential.token_digest
            return lambda: tokens.by_kept(kept)
        session = session_of(header)
        if self.sessions is not None and session is not None and self.sessions.caller(session) is not None:
            digest_of, ends = said_by(session)
            return lambda: tokens.by_digest(digest_of) if ends > time.time() else None
        name = origin.certificate
        return lambda: tokens.by_certificate(name) if name is not None else None

    def holder(self, credential: Credential, origin: Origin) -> Caller:
        """Whose credential this is. Raises Refused with 401 or 429."""
        assert self.tokens is not None
        wait = self._attempts.wait(origin.address, credential.digest)
        if wait is not None:
            mistake = Mistake(field="Authorization", found="too many wrong tokens from your address",
                              remedy=f"wait {wait:.0f} s")  # fmt: skip
            raise Refused(mistake, title="too many attempts", kind=Kind.TOO_MANY, retry=int(wait) + 1)
        known = self.tokens.by_secret(credential.secret, credential.name)
        if known is None:
            self._attempts.failed(origin.address)
            raise unauthenticated("no valid token")
        self._attempts.succeeded(credential.digest)
        return known

    def owner(self, credential: Credential, origin: Origin) -> Caller:
        """Whose token this is; an access token gives no more of them. Raises Refused with 401 or 429."""
        assert self.tokens is not None
        caller = self.holder(credential, origin)
        if self.tokens.by_digest(credential.token_digest) is None:
            raise unauthenticated("an access token")
        return caller


class Judged:
    """Whether what lasts is over: it has `ended`, or whoever began it may not have it any more, which is asked every so
    many seconds."""

    def __init__(
        self, owner: Callable[[], Caller | None], scope: Scope, seconds: float,
        ended: Callable[[], bool] = lambda: False,
    ):  # fmt: skip
        self._owner, self._scope, self._seconds, self._ended = owner, scope, seconds, ended
        self._due = time.monotonic() + seconds

    def is_over(self) -> bool:
        if self._ended():
            return True
        if time.monotonic() < self._due:
            return False
        caller = self._owner()
        if caller is None or not caller.may(self._scope):
            return True  # and stays so: it is asked again
        self._due = time.monotonic() + self._seconds
        return False


def admit(caller: Caller, scope: Scope) -> None:
    """Raises Refused with 403."""
    if not caller.may(scope):
        scopes = ", ".join(sorted(caller.scopes))
        mistake = Mistake(field="Authorization", found=f"{caller.name} has the scopes {scopes}", expected=scope)
        raise Refused(mistake, title="not permitted", kind=Kind.FORBIDDEN)


def unauthenticated(found: str) -> Refused:
    remedy = "the token is in the file `token` of the agent's state folder; others: coven token create"
    mistake = Mistake(field="Authorization", found=found, expected=SCHEMES, remedy=remedy)
    return Refused(mistake, title="unauthorized", kind=Kind.UNAUTHENTICATED)


def presented(header: Header) -> Credential | None:
    """The credential in a request's headers. Raises Refused with 400 for what has not the form of one."""
    text = header("Authorization")
    if not text:
        token = header("X-Auth-Token")  # what clients of OpenStack send
        return None if token is None else Credential(token.strip())
    scheme, _, rest = text.partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credential(rest)
    if scheme.lower() == "basic":
        try:
            name, colon, secret = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeError, ValueError):
            name = colon = secret = ""
        if colon:
            return Credential(secret, name)
    mistake = Mistake(field="Authorization", found="something else", expected=SCHEMES)
    raise Refused(mistake, title="malformed credential", kind=Kind.UNREADABLE)


def cookie_name(header: Header) -> str:
    """Of the session: cookies do not tell the ports of a host apart, agents do."""
    port = (header("Host") or "").rpartition(":")[2]
    return f"coven-{port}" if port.isdigit() else "coven"


def session_of(header: Header) -> str | None:
    """The session in a request's cookies (RFC 6265, 4.2.1)."""
    name = cookie_name(header)
    for pair in (header("Cookie") or "").split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value
    return None


def check_origin(header: Header) -> None:
    """Raises Refused with 403 for a page of another origin."""
    # a web page that the user visits could ask a loopback agent in the user's name
    origin, host = header("Origin"), header("Host") or ""
    try:
        ours = not origin or urlsplit(origin).netloc == host
    except ValueError:
        ours = False
    if not ours:
        raise _forbidden("Origin", origin or "", "no other origin")


def check_host(header: Header) -> None:
    """Raises Refused with 403 for what can mean another machine than this one."""
    if not is_loopback(_host(header)):
        raise _forbidden("Host", header("Host") or "", "localhost")


def check_literal_host(header: Header) -> None:
    """Raises Refused with 403 for a name that is not localhost: whoever owns a name may let it mean this machine, and
    pages of that name are then of the same origin (DNS rebinding)."""
    name = _host(header)
    try:
        if name != "localhost":
            ipaddress.ip_address(name)
    except ValueError:
        raise _forbidden("Host", header("Host") or "", "an IP address, or localhost") from None


def check_site(header: Header) -> None:
    """Raises Refused with 403 where a browser says that another site's page asks: an image's GET has no Origin."""
    if (site := _other_site(header)) is not None:
        raise _forbidden("Sec-Fetch-Site", site, "no page of another origin")


def _host(header: Header) -> str:
    """The name or address that a request was sent to; nothing for what is none."""
    try:
        return urlsplit(f"//{header('Host') or ''}").hostname or ""
    except ValueError:
        return ""


def _other_site(header: Header) -> str | None:
    """What a browser says of the page that asks, where that is not of this origin."""
    site = header("Sec-Fetch-Site")
    return None if site in (None, "same-origin", "none") else site


def _forbidden(field: str, found: str, expected: str) -> Refused:
    return Refused(Mistake(field=field, found=found[:100], expected=expected), title="forbidden", kind=Kind.FORBIDDEN)

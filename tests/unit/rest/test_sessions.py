"""Sessions of the page: whose they are, when they end, and for which requests they count."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.agent.rights.callers import ROOT, Scope
from coven.agent.rights.sessions import Sessions
from coven.agent.rights.tokens import Tokens, digest
from coven.agent.store import Store
from coven.rest.gate import UNKNOWN, Gate, cookie_name
from itf.mistakes import Kind, Refused

SECRET = "s" * 32


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    return Tokens(Store(tmp_path / "agent.db"), SECRET)


def caller(gate: Gate, session: str, method: str = "GET", **more: str) -> object:
    headers = {"Host": "127.0.0.1:8080", "Cookie": f"a=b; coven-8080={session}", **more}
    return gate.caller(lambda name: headers.get(name), method, UNKNOWN)


def test_a_session_is_its_tokens_and_ends_with_it(tokens: Tokens) -> None:
    sessions = Sessions(tokens, SECRET)
    assert sessions.caller(sessions.begin(digest(SECRET))) == ROOT
    _, token = tokens.create("looker", [Scope.READ], None, False)
    assert token is not None
    session = sessions.begin(digest(token))
    found = Sessions(tokens, SECRET).caller(session)
    assert found is not None, "another process knows it, too"
    assert found.name == "looker" and not found.may(Scope.OPERATE)
    assert token not in session
    tokens.revoke("looker")
    assert sessions.caller(session) is None


def test_none_that_has_ended_or_was_not_given_counts(tokens: Tokens) -> None:
    sessions = Sessions(tokens, SECRET)
    session = sessions.begin(digest(SECRET))
    assert sessions.caller(sessions.begin(digest(SECRET), -1)) is None
    said, _, mac = session.rpartition(".")
    for forged in ("", ".", "..", "x", f"{said}1.{mac}", f"{said}.{mac[:-1]}", f"{said}.", "\u00e9." + mac):
        assert sessions.caller(forged) is None, forged
    assert Sessions(tokens, "another" * 5).caller(session) is None


def test_only_requests_of_the_page_itself_count(tokens: Tokens) -> None:
    gate = Gate(tokens, Sessions(tokens, SECRET))
    assert gate.sessions is not None
    session = gate.sessions.begin(digest(SECRET))
    own = "http://127.0.0.1:8080"
    assert caller(gate, session) == ROOT
    assert caller(gate, session, "POST", Origin=own) == ROOT
    for method, headers in (
        ("POST", {}),
        ("POST", {"Origin": own, "Sec-Fetch-Site": "same-site"}),
        ("GET", {"Sec-Fetch-Site": "cross-site"}),
        ("GET", {"Origin": "http://127.0.0.1:9999"}),
        ("POST", {"Origin": "null"}),
    ):
        with pytest.raises(Refused) as refused:
            caller(gate, session, method, **headers)
        assert refused.value.kind == Kind.FORBIDDEN, (method, headers)
    with pytest.raises(Refused) as refused:
        caller(gate, "nonsense")
    assert refused.value.kind == Kind.UNAUTHENTICATED


def test_agents_of_one_host_have_cookies_of_their_own() -> None:
    names = [cookie_name(lambda _, host=host: host) for host in ("127.0.0.1:1", "127.0.0.1:2", "[::1]:3", "agent")]
    assert names == ["coven-1", "coven-2", "coven-3", "coven"]

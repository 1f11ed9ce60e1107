"""A capture ends when whoever began it may not go on, and a browser's pages of other sites are told apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.agent.rights.callers import Caller, Scope
from coven.agent.rights.sessions import Sessions
from coven.agent.rights.tokens import Tokens, digest
from coven.agent.store import Store
from coven.rest.gate import UNKNOWN, Gate, Judged, Origin, check_host, check_literal_host, check_origin, check_site
from itf.mistakes import Refused


def test_a_capture_ends_with_the_right_to_it() -> None:
    caller: list[Caller | None] = [Caller("x", frozenset({Scope.CAPTURE}))]
    judged = Judged(lambda: caller[0], Scope.CAPTURE, 0)
    assert not judged.is_over()
    caller[0] = Caller("x", frozenset())
    assert judged.is_over()
    caller[0] = None
    assert judged.is_over() and judged.is_over()
    assert Judged(lambda: caller[0], Scope.CAPTURE, 0, lambda: True).is_over()


def test_hosts_and_sites() -> None:
    for host in ("localhost:6667", "127.0.0.1", "[::1]:6667", "192.0.2.7:6667"):
        check_literal_host({"Host": host}.get)
    for host in ("", "evil.example:6667", "127.0.0.1.evil.example", "[", "localhost.evil.example"):
        with pytest.raises(Refused):
            check_literal_host({"Host": host}.get)
    for host in ("localhost:8080", "127.0.0.1", "127.1.2.3:8080", "[::1]:8080"):
        check_host({"Host": host}.get)
    for host in ("", "192.0.2.7", "127.0.0.1.evil.example", "[", "[::2]"):
        with pytest.raises(Refused):
            check_host({"Host": host}.get)
    check_origin({"Host": "a:1", "Origin": "http://a:1"}.get)
    for origin in ("http://b:1", "http://["):
        with pytest.raises(Refused):
            check_origin({"Host": "a:1", "Origin": origin}.get)
    for site in ("cross-site", "same-site"):
        with pytest.raises(Refused):
            check_site({"Sec-Fetch-Site": site}.get)
    check_site(lambda name: None)
    check_site({"Sec-Fetch-Site": "none"}.get)


def test_whose_a_request_was_is_told_until_it_is_nobodys(tmp_path: Path) -> None:
    tokens = Tokens(Store(tmp_path / "agent.db"), "s" * 32)
    _, token = tokens.create("x", [Scope.CAPTURE], None, False)
    tokens.create("bearer", [Scope.CAPTURE], None, True)
    assert token is not None
    sessions = Sessions(tokens, "s" * 32)
    gate = Gate(tokens, sessions)
    access, _ = tokens.access(Caller("x", frozenset()), [Scope.CAPTURE])
    cookie = f"coven={sessions.begin(digest(token))}"
    asked = [{"Authorization": f"Bearer {token}"}, {"Authorization": f"Bearer {access}"}, {"Cookie": cookie}]
    owners = [gate.lasting(headers.get, UNKNOWN) for headers in asked]
    by_certificate = gate.lasting(lambda name: None, Origin("192.0.2.1", "bearer"))
    for owner, name in [*((each, "x") for each in owners), (by_certificate, "bearer")]:
        found = owner()
        assert found is not None and found.name == name and found.may(Scope.CAPTURE)
    tokens.revoke("x")
    assert [owner() for owner in owners] == [None] * 3 and by_certificate() is not None
    tokens.revoke("bearer")
    assert by_certificate() is None

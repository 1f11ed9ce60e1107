"""Tokens, attempts and the audit log, by themselves."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from coven.agent.rights import attempts, audit, tokens
from coven.agent.rights.callers import ANYONE, NOBODY, ROOT, Caller, Scope
from coven.agent.rights.tokens import Tokens
from coven.agent.store import Store
from itf.mistakes import Refused


@pytest.fixture
def known(tmp_path: Path) -> Tokens:
    return Tokens(Store(tmp_path / "agent.db"), "the root's")


def test_what_scopes_contain() -> None:
    may = {scope: {each for each in Scope if Caller("x", frozenset({scope})).may(each)} for scope in Scope}
    assert may[Scope.READ] == {Scope.READ} and may[Scope.ADMIN] == set(Scope)
    for scope in (Scope.OPERATE, Scope.ONBOARD, Scope.CAPTURE):
        assert may[scope] == {scope, Scope.READ}
    assert not any(NOBODY.may(each) for each in Scope) and all(ANYONE.may(each) for each in Scope)


def test_whose_a_token_is(known: Tokens) -> None:
    row, secret = known.create("a", {Scope.READ}, None, False)
    assert secret is not None and len(secret) > 40 and (row["certificate"], row["expired"]) == (False, False)
    certificate, none = known.create("vnfm", {Scope.OPERATE}, None, True)
    assert none is None and certificate["certificate"]
    assert known.by_secret("the root's") == ROOT and known.by_secret("the root's", "admin") == ROOT
    assert known.by_secret("the root's", "a") is None and known.by_secret("x") is None
    found = known.by_secret(secret)
    assert found == known.by_secret(secret, "a") == Caller("a", frozenset({Scope.READ}))
    assert known.by_secret(secret, "b") is None and known.by_secret("", "vnfm") is None
    assert known.by_certificate("vnfm") == Caller("vnfm", frozenset({Scope.OPERATE}))
    assert known.by_certificate("a") is None, "it has a token"
    for name in ("a", "vnfm", "admin"):
        with pytest.raises(Refused):
            known.create(name, {Scope.READ}, None, False)


def test_access_tokens_end(known: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    _, secret = known.create("a", {Scope.OPERATE}, None, False)
    caller = known.by_secret(str(secret))
    assert caller is not None
    access, seconds = known.access(caller, {Scope.READ})
    assert seconds == tokens.ACCESS_SECONDS
    assert known.by_secret(access) == Caller("a", frozenset({Scope.READ}))
    assert known.by_secret(access, "a") is None, "it is no password"
    later = tokens.time.monotonic() + tokens.ACCESS_SECONDS + 1
    monkeypatch.setattr(tokens.time, "monotonic", lambda: later)
    assert known.by_secret(access) is None
    monkeypatch.setattr(tokens, "MOST_ACCESS", 2)
    several = [known.access(caller, {Scope.READ})[0] for _ in range(3)]
    assert [known.by_secret(each) is not None for each in several] == [False, True, True]
    known.revoke("a")
    assert known.by_secret(several[-1]) is None


def test_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(attempts.time, "monotonic", lambda: now)
    tried = attempts.Attempts()
    tried.succeeded("good")
    for _ in range(attempts.MOST - 1):
        tried.failed("192.0.2.1")
    assert tried.wait("192.0.2.1", "x") is None
    tried.failed("192.0.2.1")
    assert tried.wait("192.0.2.1", "x") == attempts.WINDOW and tried.wait("192.0.2.2", "x") is None
    assert tried.wait("192.0.2.1", "good") is None, "known"
    now += attempts.WINDOW
    assert tried.wait("192.0.2.1", "x") is None
    monkeypatch.setattr(attempts, "ADDRESSES", 2)
    for address in "abc":
        for _ in range(attempts.MOST):
            tried.failed(address)
    assert [tried.wait(each, "x") is not None for each in "abc"] == [False, True, True], "the oldest are forgotten"


def test_the_audit_log_is_added_to_and_rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "BYTES", 1000)
    (tmp_path / audit.FILE).write_text("what was there\n")
    made = audit.Audit(tmp_path)
    for number in range(30):
        made.note("me", "here", f"POST /{number}", 201)
    made.close()
    files = sorted(tmp_path.iterdir(), key=lambda file: int(file.suffix[1:].replace("log", "0")), reverse=True)
    text = "".join(file.read_text() for file in files)
    assert len(files) > 2 and text.startswith("what was there\n")
    assert [json.loads(line)["what"] for line in text.splitlines()[1:]] == [f"POST /{number}" for number in range(30)]
    assert all(file.stat().st_mode & 0o077 == 0 for file in files[1:]), "those that it made"


def test_an_audit_log_that_cannot_be_settled_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    made = audit.Audit(tmp_path)
    made.note("me", "here", "POST /mine", 201)
    made.note(NOBODY.name, "there", "POST /theirs", 401)  # which nobody is promised
    made.close()
    (told,) = caplog.records
    assert str(tmp_path / audit.FILE) in told.getMessage() and "no space left on the disk" in told.getMessage()
    assert told.exc_info is None


def test_an_access_token_ends_with_what_it_came_from(known: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = known.by_secret(str(known.create("a", {Scope.READ}, 60, False)[1]))
    assert caller is not None
    access, seconds = known.access(caller, {Scope.READ})
    assert 0 < seconds <= 60 and known.by_secret(access) == caller
    later = tokens.time.time() + 61
    monkeypatch.setattr(tokens.time, "time", lambda: later)
    assert known.by_secret(access) is None
    access, seconds = known.access(ROOT, {Scope.ADMIN})
    assert seconds == tokens.ACCESS_SECONDS and known.by_secret(access) is not None


def test_strangers_do_not_push_others_out_of_the_audit_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(audit.time, "monotonic", lambda: now)
    made = audit.Audit(tmp_path)
    for number in range(audit.STRANGERS + 5):
        made.note(NOBODY.name, "there", f"POST /{number}/{'x' * 5000}", 401)
    made.note("me", "here", "POST /mine", 201)
    now += audit.WINDOW
    made.note(NOBODY.name, "there", "POST /later", 401)
    made.close()
    lines = [json.loads(line) for line in (tmp_path / audit.FILE).read_text().splitlines()]
    assert [line["who"] for line in lines] == [NOBODY.name] * audit.STRANGERS + ["me", NOBODY.name]
    assert lines[-1]["left_out"] == 5 and "left_out" not in lines[0] and len(lines[0]["what"]) == audit.MOST

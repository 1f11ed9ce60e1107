"""Whose folders state and runtime are: the system's for its root alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coven.base import places
from coven.base.places import Places, is_loopback


def test_uid_0_of_a_user_namespace_is_an_ordinary_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There the system's folders belong to nobody that is known."""
    lib = tmp_path / "lib"
    lib.mkdir()
    if os.geteuid() == 0:
        os.chown(lib, 65534, 65534)
    monkeypatch.setattr(places, "SYSTEM_STATE", lib / "coven")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("COVEN_STATE", raising=False)
    assert Places.find() == Places(tmp_path / "mine" / "coven", tmp_path / "run" / "coven")


def test_loopback() -> None:
    assert all(map(is_loopback, ("localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.example", "")))

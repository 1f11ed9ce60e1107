"""/etc/coven/coven.yaml: read strictly, every mistake at once with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.errors import Refused
from coven.serve_config import ServeConfig, parse, serve_config

ROOT = Path(__file__).resolve().parents[2]


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert serve_config(tmp_path / "none.yaml") == ServeConfig()


def test_the_file_that_install_brings_is_valid_and_sets_nothing() -> None:
    assert serve_config(ROOT / "install" / "coven.yaml") == ServeConfig()


def test_fields() -> None:
    given = parse(b"listen: '[::1]:9090'\nstate: /srv/coven\n", "c.yaml")
    assert given == ServeConfig("[::1]:9090", "/srv/coven")


def test_every_mistake_at_once() -> None:
    with pytest.raises(Refused) as caught:
        parse(b"listen: here\nstate: relative\nlisen: x\n", "c.yaml")
    places = {(m.file, m.line, m.field) for m in caught.value.mistakes}
    assert places == {("c.yaml", 1, "listen"), ("c.yaml", 2, "state"), ("c.yaml", 3, "lisen")}
    assert any(m.remedy == "did you mean listen?" for m in caught.value.mistakes)

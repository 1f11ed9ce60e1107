"""What the operator lets a package link: asked only for packages that want it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.package.descriptor import load
from coven.package.languages import operator_libs
from itf.mistakes import Refused
from tests.rigs.packages import package

ONE = "vnfcs: {{f: {{source: f.c{}}}}}\nchain: in -> f -> out\n"


@pytest.mark.parametrize(
    ("settings", "libs"), [("libs: [zlib, jansson]", ["jansson", "zlib"]), ("libs: []", []), ("", None)]
)
def test_libs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, libs: list[str] | None) -> None:
    (tmp_path / "coven.yaml").write_text(settings)
    monkeypatch.setenv("COVEN_CONFIG", str(tmp_path / "coven.yaml"))
    with_libs = load(package(tmp_path / "with", ONE.format(", libs: [zlib]"), f_c="") / "vnf.yaml")
    without = load(package(tmp_path / "without", ONE.format(""), f_c="") / "vnf.yaml")
    assert operator_libs(with_libs) == libs
    assert operator_libs(without) is None
    (tmp_path / "coven.yaml").write_text("libz: []\n")
    assert operator_libs(without) is None
    with pytest.raises(Refused):
        operator_libs(with_libs)

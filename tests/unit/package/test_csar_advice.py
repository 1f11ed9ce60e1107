"""What an author hears before a strict VNFM says it; and that what `coven new` makes can be packed."""

from __future__ import annotations

import getpass
import io
import re
from pathlib import Path

import pytest

from coven.base.signatures import Policy
from coven.package.archive import pack, pack_csar, take_in
from coven.package.csar.advice import strict_mistakes
from coven.package.scaffold import languages, new, provider
from tests.rigs.csar_rig import DESCRIPTOR, author, edited, members, zipped


def fields(package: Path) -> list[str | None]:
    return [mistake.field for mistake in strict_mistakes(package)]


@pytest.mark.parametrize("language", languages())
def test_what_is_new_is_a_package_for_anyone(language: str, tmp_path: Path) -> None:
    new(tmp_path / "my-firewall", language)
    taken = take_in(io.BytesIO(pack_csar(tmp_path / "my-firewall")), tmp_path, "x", Policy(strict=True))
    assert taken.csar is not None and taken.csar.reading == "strict"
    assert strict_mistakes(tmp_path / "my-firewall" / "vnf.yaml") == []


@pytest.mark.parametrize("name, stated", [("ann", "ann"), ("null", "null"), ("a b", "example"), ("", "example")])
def test_provider(name: str, stated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(getpass, "getuser", lambda: name)
    assert provider() == stated
    new(tmp_path / "p")
    pack_csar(tmp_path / "p")
    monkeypatch.setattr(getpass, "getuser", lambda: {}[name])
    assert provider() == "example"


def test_folders_and_archives(tmp_path: Path) -> None:
    folder = author(tmp_path / "package")
    assert fields(folder) == []
    made = pack_csar(folder)
    (tmp_path / "x.csar").write_bytes(made)
    assert fields(tmp_path / "x.csar") == []
    crlf = zipped(edited(members(made), "fw.mf", lambda text: text.replace("\n", "\r\n")))
    (tmp_path / "crlf.csar").write_bytes(crlf)
    assert fields(tmp_path / "crlf.csar") == ["crlf"]
    (folder / " leading").touch()
    assert "blank" in str(strict_mistakes(folder)[0])
    (folder / " leading").unlink()
    (folder / "vnf.yaml").write_text(re.sub(r"(provider|license):.*\n", "", DESCRIPTOR))
    assert fields(folder) == ["provider", "license"]
    (tmp_path / "x.zip").write_bytes(pack(folder))
    assert fields(tmp_path / "x.zip") == ["provider", "license"]

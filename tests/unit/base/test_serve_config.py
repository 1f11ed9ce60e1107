"""/etc/coven/coven.yaml: read strictly, every mistake at once with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.base.compat_ports import Ports
from coven.base.control_addresses import Address, read_options
from coven.base.operator import ServeConfig, parse, serve_config
from itf.mistakes import Refused

ROOT = Path(__file__).resolve().parents[3]


def test_no_file_means_defaults(tmp_path: Path) -> None:
    assert serve_config(tmp_path / "none.yaml") == ServeConfig()


def test_the_file_that_install_brings_is_valid_and_sets_nothing() -> None:
    assert serve_config(ROOT / "install" / "coven.yaml") == ServeConfig()


def test_fields() -> None:
    given = parse(b"listen: '[::1]:9090'\nstate: /srv/coven\n", "c.yaml")
    assert given == ServeConfig("[::1]:9090", "/srv/coven")


def test_where_the_original_interface_listens() -> None:
    assert parse(b"coven_compat: '127.0.0.2:1,2'\n", "c.yaml").coven_compat == Ports("127.0.0.2", 1, 2)
    assert parse(b"coven_compat: ''\n", "c.yaml").coven_compat == Ports()
    with pytest.raises(Refused) as caught:
        parse(b"coven_compat: 'a:1'\n", "c.yaml")
    assert caught.value.mistakes[0].field == "coven_compat"


def test_every_mistake_at_once() -> None:
    with pytest.raises(Refused) as caught:
        parse(b"listen: here\nstate: relative\nlisen: x\n", "c.yaml")
    places = {(m.file, m.line, m.field) for m in caught.value.mistakes}
    assert places == {("c.yaml", 1, "listen"), ("c.yaml", 2, "state"), ("c.yaml", 3, "lisen")}
    assert any(m.remedy == "did you mean listen?" for m in caught.value.mistakes)


def test_control_sockets() -> None:
    text = b"control_sockets:\n  fw: {listen: 'localhost:7777', read_only: true}\n  ids: {listen: '[::1]:7777'}\n"
    given = parse(text, "c.yaml").control_sockets
    assert given == {"fw": Address("127.0.0.1", 7777, True), "ids": Address("::1", 7777)}
    both = read_options(["fw=127.0.0.1:1"], given)
    assert both == {"fw": Address("127.0.0.1", 1), "ids": Address("::1", 7777)}


def test_control_sockets_that_cannot_be() -> None:
    text = b"""control_sockets:
  a: {listen: '0.0.0.0:7777'}
  b: {listen: '127.0.0.1:7777', read_only: maybe}
  c: {listen: '127.0.0.1:7777'}
  d: {}
  Wrong Name: {listen: '127.0.0.1:1'}
"""
    with pytest.raises(Refused) as caught:
        parse(text, "c.yaml")
    assert {(m.line, m.field) for m in caught.value.mistakes} == {
        (2, "control_sockets.a.listen"), (3, "control_sockets.b.read_only"), (4, "control_sockets.c"),
        (5, "control_sockets.d.listen"), (6, "control_sockets.Wrong Name"),
    }  # fmt: skip
    assert "knows no token" in str(caught.value) and "b has this one" in str(caught.value)
    with pytest.raises(Refused) as caught:
        read_options(["fw", "fw=192.0.2.1:80", "a=127.0.0.1:1", "b=127.0.0.1:1"], {})
    assert len(caught.value.mistakes) == 3


def test_tls_and_libraries() -> None:
    given = parse(b"listen: 0.0.0.0:8443\ntls_cert: /c.pem\ntls_key: /k.pem\nlibs: [zlib, jansson]\n", "c.yaml")
    assert (given.tls_cert, given.tls_key, given.libs) == ("/c.pem", "/k.pem", {"zlib", "jansson"})
    assert parse(b"libs: []\n", "c.yaml").libs == frozenset()
    assert parse(b"", "c.yaml").libs is None
    with pytest.raises(Refused) as caught:
        parse(b"tls_cert: c.pem\nlibs: [1, {}]\n", "c.yaml")
    assert [m.field for m in caught.value.mistakes] == ["tls_cert", "tls_key", "libs[0]", "libs[1]"]


def test_another_file_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_CONFIG", str(tmp_path / "other.yaml"))
    (tmp_path / "other.yaml").write_text("state: /srv/other\n")
    assert serve_config().state == "/srv/other"


def test_what_packages_must_be() -> None:
    text = b"package_signatures: required\ntrust_anchors: [/etc/coven/trust, /ca.pem]\npackage_reading: strict\n"
    policy = parse(text, "c.yaml").packages
    assert (policy.signatures, policy.anchors, policy.strict) == ("required", ("/etc/coven/trust", "/ca.pem"), True)
    policy = parse(b"package_signatures: off\n", "c.yaml").packages
    assert (policy.signatures, policy.anchors, policy.strict) == ("off", (), False)
    assert parse(b"", "c.yaml").packages.signatures == "verify if signed"
    with pytest.raises(Refused) as caught:
        parse(b"package_signatures: true\ntrust_anchors: [ca.pem, 1]\npackage_reading: loose\n", "c.yaml")
    assert {(m.line, m.field) for m in caught.value.mistakes} == {
        (1, "package_signatures"), (2, "trust_anchors[0]"), (2, "trust_anchors[1]"),
        (3, "package_reading"),
    }  # fmt: skip


def test_a_collector() -> None:
    assert parse(b"otlp: http://127.0.0.1:4318\n", "c.yaml").otlp == "http://127.0.0.1:4318"
    for wrong in (b"127.0.0.1:4318", b"ftp://a", b"'http://'", b"http://a:b"):
        with pytest.raises(Refused) as caught:
            parse(b"otlp: " + wrong + b"\n", "c.yaml")
        assert caught.value.mistakes[0].field == "otlp"

"""What the user-data says to the appliance: the key `coven` of a #cloud-config.

    #cloud-config
    coven:
      port: 8443                    # of the API, on the management address
      management: 0                 # whose address that is: as in ports; by default where the default route is
      certificate: |                # PEM, with its key; made at the first boot where it is not given
        -----BEGIN CERTIFICATE-----
      key: |
        -----BEGIN PRIVATE KEY-----
      token: ...                    # of the API; made at the first boot where it is not given
      vnf:                          # deployed at the first boot
        name: fw                    # the package's, if not given
        package: UEsDBB...          # base64; or {disk: LABEL, file: fw.csar}
        ports: {in: 1, out: "52:54:00:00:00:03"}     # each a MAC address, a name, or the place by PCI address from 0
        config: {filter: {observe: true}}
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coven.base.reading import NAME, Reader
from coven.base.yaml12 import Node, read, show
from itf.mistakes import Mistake, Refused

HEADER = "#cloud-config"
KEY = "coven"
PORT = 8443
LEAST_TOKEN, MOST_PLACES, MOST_TEXT = 16, 64, 1 << 20
FIELDS = ("port", "management", "certificate", "key", "token", "vnf")
VNF_FIELDS = ("name", "package", "ports", "config")

Where = int | str  #: a place by PCI address from 0, or a MAC address or name


@dataclass(frozen=True)
class OnDisk:
    """A package on a file system with that label."""

    label: str
    file: str


@dataclass(frozen=True)
class Vnf:
    package: bytes | OnDisk
    name: str | None = None
    ports: Mapping[str, Where] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wanted:
    port: int = PORT
    management: Where | None = None
    certificate: str | None = None
    key: str | None = None
    token: str | None = None
    vnf: Vnf | None = None


def wanted(text: bytes, file: str) -> tuple[Wanted, list[Mistake]]:
    """What can be gone by, and everything that is wrong: a part with a mistake is left out, the others hold."""
    try:
        whole = read(text, file)
    except Refused as refused:
        return Wanted(), list(refused.mistakes)
    if not isinstance(whole.value, dict):
        return Wanted(), [Mistake(file=file, found=whole.kind, expected=f"a map, as {HEADER} is")]
    if KEY not in whole.value:
        return Wanted(), []
    reader = Reader(file)
    fields = reader.map(whole.value[KEY], KEY, FIELDS)
    port = reader.integer(fields.get("port"), f"{KEY}.port", PORT, 1, 65535)
    management = _where(reader, fields["management"], f"{KEY}.management") if "management" in fields else None
    certificate, key = (_pem(reader, fields.get(name), f"{KEY}.{name}", what)
                        for name, what in (("certificate", "CERTIFICATE"), ("key", "PRIVATE KEY")))  # fmt: skip
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if name in fields and other not in fields:
            reader.wrong(fields[name], f"{KEY}.{other}", "nothing", "both, certificate and key")
    if not (certificate and key):
        certificate = key = None
    token = reader.string(fields.get("token"), f"{KEY}.token") or None
    if token and len(token) < LEAST_TOKEN:
        reader.wrong(fields["token"], f"{KEY}.token", f"{len(token)} characters", f"at least {LEAST_TOKEN}")
        token = None
    vnf = _vnf(reader, fields["vnf"]) if "vnf" in fields else None
    return Wanted(port, management, certificate, key, token, vnf), reader.mistakes


def _where(reader: Reader, node: Node, place: str) -> Where | None:
    value = node.value
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < MOST_PLACES:
            return value
    elif isinstance(value, str) and value and value.isprintable():
        return value
    reader.wrong(node, place, f"{node.kind}: {show(node)}",
                 "a MAC address, an interface's name, or its place by PCI address, from 0")  # fmt: skip
    return None


def _pem(reader: Reader, node: Node | None, place: str, what: str) -> str | None:
    text = reader.string(node, place, limit=MOST_TEXT, line=False)
    if node is not None and text and f"{what}-----" not in text:
        reader.wrong(node, place, f"no {what} block", "PEM")
        return None
    return text or None


def _vnf(reader: Reader, node: Node) -> Vnf | None:
    before = len(reader.mistakes)
    place = f"{KEY}.vnf"
    fields = reader.map(node, place, VNF_FIELDS)
    name = reader.string(fields.get("name"), f"{place}.name") or None
    if name and not NAME.fullmatch(name):
        reader.wrong(fields["name"], f"{place}.name", name, "a-z, 0-9, - and _, beginning with a letter, at most 32")
    package = _package(reader, fields.get("package"), node, f"{place}.package")
    ports: dict[str, Where] = {}
    for port, bound in (reader.map(fields["ports"], f"{place}.ports") if "ports" in fields else {}).items():
        if (where := _where(reader, bound, f"{place}.ports.{port}")) is not None:
            ports[port] = where
    config: Any = {}
    if "config" in fields:
        reader.map(fields["config"], f"{place}.config")
        config = fields["config"].plain() or {}
    if package is None or len(reader.mistakes) > before:
        return None
    return Vnf(package, name, ports, config)


def _package(reader: Reader, node: Node | None, above: Node, place: str) -> bytes | OnDisk | None:
    if node is None:
        reader.wrong(above, place, "nothing", "base64, or {disk: LABEL, file: NAME}")
        return None
    if isinstance(node.value, dict):
        fields = reader.map(node, place, ("disk", "file"))
        label, file = (reader.string(fields.get(name), f"{place}.{name}") for name in ("disk", "file"))
        for name, given in (("disk", label), ("file", file)):
            if not given:
                reader.wrong(node, f"{place}.{name}", "nothing", "{disk: LABEL, file: NAME}")
        if file.startswith("/") or ".." in file.split("/"):
            reader.wrong(fields["file"], f"{place}.file", file, "a file of that disk")
        return OnDisk(label, file)
    text = reader.string(node, place, limit=MOST_TEXT, line=False)
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        reader.wrong(node, place, f"no base64: {error}", "base64, or {disk: LABEL, file: NAME}")
        return None

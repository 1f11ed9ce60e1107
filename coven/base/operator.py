"""`/etc/coven/coven.yaml`: what the operator decides. `coven serve` goes by it when the command line does not say
otherwise; `libs` holds for whatever builds VNFCs on this machine."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from coven.base import compat_ports
from coven.base import control_addresses as control_config
from coven.base.control_addresses import Address
from coven.base.reading import Reader
from coven.base.signatures import IF_SIGNED, POLICIES, Policy
from coven.base.yaml12 import Node, read
from itf.mistakes import Mistake, Refused

CONFIG = Path("/etc/coven/coven.yaml")
OTLP = "otlp"
SIGNATURES, ANCHORS, READING = "package_signatures", "trust_anchors", "package_reading"
FIELDS = (
    "listen", "state", "tls_cert", "tls_key", "tls_client_ca", "libs", "notification_targets",
    "notification_ca", compat_ports.FIELD, SIGNATURES, ANCHORS, READING,
    control_config.FIELD, OTLP,
)  # fmt: skip


@dataclass(frozen=True)
class ServeConfig:
    listen: str | None = None  #: HOST:PORT
    state: str | None = None  #: folder
    tls_cert: str | None = None  #: file
    tls_key: str | None = None  #: file
    tls_client_ca: str | None = None  #: file
    notification_targets: tuple[str, ...] = ()  #: networks that notifications may go to; (): any but loopback and such
    notification_ca: str | None = None  #: file
    libs: frozenset[str] | None = None  #: pkg-config names that C VNFCs may link; None: the default ones
    packages: Policy = field(default_factory=Policy)  #: what is wanted of packages
    coven_compat: compat_ports.Ports | None = None  #: of the original prototype's interface; None: it is off
    control_sockets: dict[str, Address] = field(default_factory=dict)  #: by VNF
    otlp: str | None = None  #: URL of a collector of OpenTelemetry that metrics are sent to


def serve_config(file: Path | None = None) -> ServeConfig:
    """What the file ($COVEN_CONFIG, else CONFIG) says; nothing when there is none. Raises Refused with every
    mistake in it."""
    file = file or Path(os.environ.get("COVEN_CONFIG") or CONFIG)
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return ServeConfig()
    except OSError as error:
        mistake = Mistake.of(error, file=str(file), expected="a file that can be read")
        raise Refused(mistake, title="configuration refused") from None
    return parse(text, str(file))


def parse(text: bytes, name: str) -> ServeConfig:
    reader = Reader(name)
    fields = reader.map(read(text, name), "", FIELDS)
    listen = reader.string(fields.get("listen"), "listen")
    if listen and not listen.rpartition(":")[2].isdigit():
        reader.wrong(fields["listen"], "listen", listen, "HOST:PORT", "for example 127.0.0.1:8080")
    paths = ("state", "tls_cert", "tls_key", "tls_client_ca", "notification_ca")
    files = {name: reader.string(fields.get(name), name) or None for name in paths}
    for name, path in files.items():
        if path and not Path(path).is_absolute():
            reader.wrong(fields[name], name, path, "an absolute path")
    for name, other in (("tls_cert", "tls_key"), ("tls_key", "tls_cert"), ("tls_client_ca", "tls_cert")):
        if files[name] and not files[other]:
            reader.wrong(fields[name], other, "nothing", f"both, {name} and {other}")
    libs = None
    if "libs" in fields:
        items = reader.list(fields["libs"], "libs")
        libs = frozenset(reader.string(item, f"libs[{number}]") for number, item in enumerate(items))
    targets = _networks(reader, fields.get("notification_targets"))
    packages = _packages(reader, fields)
    compat = _compat(reader, fields.get(compat_ports.FIELD))
    control = control_config.read_field(reader, fields.get(control_config.FIELD))
    otlp = reader.string(fields.get(OTLP), OTLP) or None
    if otlp and not _is_url(otlp):
        reader.wrong(fields[OTLP], OTLP, otlp, "the URL of a collector", "for example http://127.0.0.1:4318")
    if reader.mistakes:
        raise Refused(reader.mistakes, title="configuration refused")
    return ServeConfig(
        listen or None, **files, libs=libs, notification_targets=targets, packages=packages, coven_compat=compat,
        control_sockets=control, otlp=otlp,
    )  # fmt: skip


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _compat(reader: Reader, node: Node | None) -> compat_ports.Ports | None:
    if node is None:
        return None
    text = reader.string(node, compat_ports.FIELD)
    try:
        return compat_ports.read_ports(text)
    except ValueError as expected:
        reader.wrong(node, compat_ports.FIELD, text, str(expected))
        return None


def _networks(reader: Reader, node: Node | None) -> tuple[str, ...]:
    found = []
    for number, item in enumerate(reader.list(node, "notification_targets") if node else ()):
        text = reader.string(item, place := f"notification_targets[{number}]")
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError:
            reader.wrong(item, place, text, "a network, as 192.0.2.0/24 or an address")
    return tuple(found)


def _packages(reader: Reader, fields: Mapping[str, Node]) -> Policy:
    trusted = []
    for number, item in enumerate(reader.list(fields[ANCHORS], ANCHORS) if ANCHORS in fields else ()):
        path = reader.string(item, f"{ANCHORS}[{number}]")
        if path and not Path(path).is_absolute():
            reader.wrong(item, f"{ANCHORS}[{number}]", path, "an absolute path, of a PEM file or a folder of them")
        trusted.append(path)
    return Policy(
        reader.choice(fields.get(SIGNATURES), SIGNATURES, IF_SIGNED, POLICIES),
        tuple(filter(None, trusted)),
        reader.choice(fields.get(READING), READING, "lenient", ("lenient", "strict")) == "strict",
    )

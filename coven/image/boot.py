"""`coven image boot`: at every boot, before the agent. What user-data says becomes the agent's certificate, token and
address; what is wrong with it is told on the consoles and in the agent's answers, and the agent comes up all the same.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
from pathlib import Path
from typing import Any

from coven.agent.store import foreign
from coven.base import durable, troubles
from coven.image import console
from coven.image.machine import Machine, release
from coven.image.nics import nics
from coven.image.userdata import HEADER, Wanted, Where, wanted
from coven.serve import tls
from itf.mistakes import Mistake, Refused
from vns.named import first_name

CERTIFICATE_DAYS = 3650
SIGN_SECONDS = 60.0
LOOPBACK = "127.0.0.1"


def user_data(cloud: Path) -> tuple[Wanted, list[Mistake]]:
    """What the user-data wants, and what is wrong with it. Where it is not one #cloud-config, what cloud-init made
    of its parts."""
    try:
        text = (cloud / "user-data.txt").read_bytes()
        if text.strip() and not text.startswith(HEADER.encode()):
            text = (cloud / "cloud-config.txt").read_bytes()
    except OSError:
        return Wanted(), []
    return wanted(text, "user-data") if text.strip() else (Wanted(), [])


def interface(where: Where) -> str:
    """The name of an interface, or for a place its MAC address. Raises Refused when there is none."""
    if isinstance(where, str):
        return where
    known = nics()
    if where < len(known):
        return known[where].address
    listed = ", ".join(f"{number} {nic.name} ({nic.address})" for number, nic in enumerate(known)) or "none"
    raise Refused(Mistake(found=f"no interface {where}", expected=f"one of this machine's: {listed}"))


def _ip(*words: str) -> list[dict[str, Any]]:
    done = subprocess.run(["ip", "-j", *words], capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout or "[]")
    return found


def management(where: Where | None) -> str:
    """The address of the management interface. Raises Refused when there is none."""
    if where is not None:
        name = first_name(interface(where))
    else:
        routes = _ip("route", "show", "default") or _ip("-6", "route", "show", "default")
        known = [route["dev"] for route in routes] or [nic.name for nic in nics()]
        if not known:
            raise Refused(Mistake(found="no interface", expected="one for management"))
        name = known[0]
    for link in _ip("address", "show", "dev", name):
        for address in link.get("addr_info", []):
            if address.get("scope") == "global":
                return str(address["local"])
    raise Refused(Mistake(
        field="coven.management", found=f"{name} has no address", expected="the address where the API is to be",
        remedy="a DHCP server, or network-config in the user-data",
    ))  # fmt: skip


def certificate(machine: Machine, want: Wanted, address: str, mistakes: list[Mistake]) -> tls.Files:
    """The files to go by: what was given, if it can be used, else one of this machine's own, made once."""
    machine.tls.mkdir(mode=0o700, parents=True, exist_ok=True)
    if want.certificate and want.key:
        given = tls.Files(str(machine.tls / "given.pem"), str(machine.tls / "given.key"))
        durable.secret(Path(given.certificate), want.certificate)
        durable.secret(Path(given.key), want.key)
        try:
            tls.identity(given)
            return given
        except Refused as refused:
            mistakes += refused.mistakes
    own = tls.Files(str(machine.tls / "own.pem"), str(machine.tls / "own.key"))
    try:
        tls.identity(own)
    except Refused:
        mistakes += _sign(own, address)
        durable.settle(machine.tls)
    return own


def _sign(files: tls.Files, address: str) -> list[Mistake]:
    """A certificate that signs itself, for this machine's name and the address; without the name where it cannot be
    with it. What went wrong."""
    name = socket.gethostname()
    mistakes: list[Mistake] = []
    for subject, names in (name[:64], f"DNS:{name},IP:{address}"), ("coven", f"IP:{address}"):
        try:
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-days", str(CERTIFICATE_DAYS), "-subj", f"/CN={subject}",
                 "-addext", f"subjectAltName={names}", "-keyout", files.key, "-out", files.certificate],
                check=True, capture_output=True, timeout=SIGN_SECONDS,
            )  # fmt: skip
            return mistakes
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace").split("\n")[0]
            mistakes.append(Mistake(field="certificate", found=f"none can be made for {subject}: {said or error}",
                                    remedy="give one in the user-data, or another host name"))  # fmt: skip
    return mistakes


def token(machine: Machine, want: Wanted) -> str | None:
    """See to it that there is one. The one that was made now, which nobody else knows."""
    if machine.places.token.exists():
        return None
    made = want.token or secrets.token_urlsafe(32)
    durable.secret(machine.places.token, made)
    return None if want.token else made


def boot(machine: Machine) -> int:
    """Everything of the above. Raises OSError when the state cannot be written."""
    machine.places.make()
    # what came before in a first boot, SSH's keys and accounts, nobody has settled
    durable.settle_all(machine.places.state)
    machine.run.mkdir(mode=0o755, parents=True, exist_ok=True)
    want, mistakes = user_data(machine.cloud)
    if newer := foreign(machine.places.database):  # the agent will not start: without an API, only this can tell
        mistakes.append(newer)
    try:
        address = management(want.management)
    except Refused as refused:
        mistakes += refused.mistakes
        address = LOOPBACK
    files = certificate(machine, want, address, mistakes)
    made = token(machine, want)
    try:
        fingerprint, scheme = tls.identity(files).fingerprint, "https"
        secured = f" --tls-cert {files.certificate} --tls-key {files.key}"
    except Refused as refused:  # without TLS nobody but this machine is to reach it
        mistakes += refused.mistakes
        fingerprint, scheme, secured, address = "none", "http", "", LOOPBACK
    where = f"[{address}]:{want.port}" if ":" in address else f"{address}:{want.port}"
    (machine.run / "serve").write_text(f"COVEN_SERVE=--listen {where}{secured}\n")
    troubles.add(machine.places.run, [str(mistake) for mistake in mistakes])
    about = release()
    lines = [f"Coven {about['VERSION']} ({about['COMMIT']}), API {scheme}://{where}",
             f"certificate SHA-256 {fingerprint}"]  # fmt: skip
    _public(machine.issue, lines)
    if made:
        lines.append(f"token, which is told now and never again: {made}")
    lines += [f"wrong: {line}" for line in troubles.read(machine.places.run)]
    console.tell(lines)
    return 0


def _public(file: Path, lines: list[str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines) + "\n")
    file.chmod(0o644)


def ports(bound: dict[str, Where]) -> dict[str, dict[str, str]]:
    """As a request binds them. Raises Refused with every port whose place has no interface."""
    found, mistakes = {}, []
    for port, where in bound.items():
        try:
            found[port] = {"interface": interface(where)}
        except Refused as refused:
            mistakes += [Mistake(field=f"coven.vnf.ports.{port}", found=each.found, expected=each.expected)
                         for each in refused.mistakes]  # fmt: skip
    if mistakes:
        raise Refused(mistakes, title="no such interface")
    return found

"""Signing with CMS, by `openssl` in a process of its own with a time limit (SOL004 5.1).

Option 1 signs the manifest; the CMS stands at its end. Option 2 signs the whole package from outside.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from itf.mistakes import Mistake, Refused

SECONDS = 30.0  #: that one call of openssl may take
PASSWORD = "COVEN_KEY_PASSWORD"  #: the environment variable with the key's passphrase


@dataclass(frozen=True)
class Signer:
    key: Path  #: PEM
    certificate: Path  #: PEM; behind the signer's may stand its chain
    beside: bool = False  #: the certificate in a file of its own instead of in the CMS


def openssl(*words: str, data: bytes = b"") -> tuple[int, bytes, str]:
    """Status, output, complaints. Raises Refused when there is no openssl, or it takes too long."""
    # nothing of the user's configuration decides what a signature is worth, and nobody is asked for a passphrase
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "OPENSSL_CONF": "/dev/null"}
    if PASSWORD in os.environ:
        environment[PASSWORD] = os.environ[PASSWORD]
    try:
        done = subprocess.run(
            ["openssl", *words], input=data, capture_output=True, timeout=SECONDS, env=environment,
            start_new_session=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused(Mistake(found="no openssl", expected="the command", remedy="apt install openssl")) from None
    except subprocess.TimeoutExpired:
        raise Refused(Mistake(found=f"openssl {words[0]} takes more than {SECONDS:g} s")) from None
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")


def complaint(text: str) -> str:
    """The reason out of what openssl says."""
    lines = [line for line in text.splitlines() if line.strip()]
    for line in lines:
        parts = line.split(":")
        if "error" in line and len(parts) > 5:
            return parts[5].strip() or line
    return lines[-1][:200] if lines else "no reason given"


def certificates(pem: bytes) -> list[bytes]:
    """The certificates in a PEM text, one each."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    found = []
    at = pem.find(begin)
    while at >= 0 and (stop := pem.find(end, at)) >= 0:
        found.append(pem[at : stop + len(end)] + b"\n")
        at = pem.find(begin, stop)
    return found


def _checked(signer: Signer) -> list[bytes]:
    """The certificates, of which the first is the signer's. Raises Refused with all that is wrong with the files."""
    mistakes = []
    chain: list[bytes] = []
    for option, file in (("--key", signer.key), ("--cert", signer.certificate)):
        try:
            data = file.read_bytes()
        except OSError as error:
            mistakes.append(Mistake.of(error, file=str(file), field=option, expected="a PEM file"))
            continue
        if option == "--cert":
            chain = certificates(data)
        if (option == "--cert" and not chain) or (option == "--key" and b"PRIVATE KEY-----" not in data):
            what = "a certificate in PEM" if option == "--cert" else "a private key in PEM"
            mistakes.append(Mistake(file=str(file), field=option, found="none in it", expected=what))
    if mistakes:
        raise Refused(mistakes, title="not signed")
    return chain


def sign(data: bytes, signer: Signer) -> bytes:
    """A detached CMS over `data`, in PEM. Raises Refused."""
    chain = _checked(signer)
    with tempfile.TemporaryDirectory(prefix="coven-sign-") as folder:
        content, leaf, rest = (Path(folder, name) for name in ("content", "leaf.pem", "rest.pem"))
        content.write_bytes(data)
        leaf.write_bytes(chain[0])
        rest.write_bytes(b"".join(chain[1:]))
        words = ["cms", "-sign", "-binary", "-md", "sha256", "-nosmimecap", "-outform", "PEM", "-in", str(content),
                 "-signer", str(leaf), "-inkey", str(signer.key)]  # fmt: skip
        words += ["-passin", f"env:{PASSWORD}" if PASSWORD in os.environ else "pass:"]
        if signer.beside:
            words.append("-nocerts")
        elif len(chain) > 1:
            words += ["-certfile", str(rest)]
        status, cms, said = openssl(*words)
    if status != 0 or not cms:
        remedy = f"a key with a passphrase is opened with ${PASSWORD}"
        raise Refused(Mistake(file=str(signer.key), field="--key", found=complaint(said),
                              expected="the key of the certificate", remedy=remedy), title="not signed")  # fmt: skip
    return cms


def certificate(signer: Signer) -> bytes:
    """What stands beside a CMS that has no certificate in it: the signer's and its chain."""
    return b"".join(_checked(signer))

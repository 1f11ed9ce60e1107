"""Whether a signature is worth something: it fits, with a digest that holds; its certificate leads to an anchor of the
operator's, is valid at the time, and may sign (SOL004 5.1)."""

from __future__ import annotations

import base64
import binascii
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from coven.base.signatures import Policy
from coven.package.csar.rules import Findings
from coven.package.csar.sign import certificates, complaint, openssl
from itf.mistakes import Mistake, Refused

MAX_BYTES = 1 << 20  #: of a CMS, and of the certificates beside it
_LABELS = (b"CMS", b"PKCS7")
_DIGEST = re.compile(r"digestAlgorithm:\s*algorithm: (\S+)")
GOOD_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_USES = ("Code Signing", "E-mail Protection", "Any Extended Key Usage")
#: what `openssl verify` calls certificates before and after their time
_TIMES = ("9", "10")


@dataclass
class Signature:
    option: int  #: of SOL004: 1 in the manifest, 2 around the package
    verified: bool = False
    signers: list[str] = field(default_factory=list)  #: subjects

    def as_dict(self) -> dict[str, object]:
        return {"option": self.option, "verified": self.verified, "signers": self.signers}


def anchors(policy: Policy) -> bytes:
    """The trusted certificates. Raises Refused with every file that has none."""
    found: list[bytes] = []
    mistakes = []
    for name in policy.anchors:
        path = Path(name)
        try:
            files = sorted(each for each in path.iterdir() if each.is_file()) if path.is_dir() else [path]
            here = [certificate for file in files for certificate in certificates(file.read_bytes())]
        except OSError as error:
            mistakes.append(Mistake.of(error, file=name, expected="a certificate in PEM"))
            continue
        if not here:
            mistakes.append(Mistake(file=name, found="none in it", expected="a certificate in PEM"))
        found += here
    if mistakes:
        raise Refused(mistakes, title="no trust anchor")
    return b"".join(found)


def der(cms: bytes) -> bytes | None:
    """A CMS in PEM or DER as DER, None if it is neither."""
    for label in _LABELS:
        _, begin, rest = cms.partition(b"-----BEGIN %s-----" % label)
        body, end, _ = rest.partition(b"-----END %s-----" % label)
        if begin and end:
            try:
                return base64.b64decode(b"".join(body.split()), validate=True)
            except binascii.Error:
                return None
    return cms if cms[:1] == b"\x30" else None


def verify(
    content: bytes, cms: bytes, beside: bytes | None, option: int, policy: Policy, findings: Findings, file: str
) -> Signature:
    """Check one signature over `content`; what is wrong is told to `findings`, at `file`. `beside`: certificates that
    stand in a file of their own."""
    result = Signature(option)
    before = len(findings.mistakes)
    if (size := max(len(cms), len(beside or b""))) > MAX_BYTES:
        findings.broken("signature", file, found=f"{size} bytes", remedy=f"at most {MAX_BYTES}")
        return result
    raw = der(cms)
    if raw is None:
        findings.broken("signature", file, found="no CMS")
        return result
    status, inside, said = openssl("pkcs7", "-inform", "DER", "-print_certs", data=raw)
    if status != 0:
        findings.broken("signature", file, found=complaint(said))
        return result
    own, others = certificates(inside), certificates(beside or b"")
    if own and beside is not None:
        findings.broken("certificate-twice", file, found="in both")
    elif not own and not others:
        findings.broken("certificate-none", file, found="no certificate" if beside is None else "none in the file")
        return result
    with tempfile.TemporaryDirectory(prefix="coven-verify-") as folder:
        place = Path(folder)
        (place / "cms").write_bytes(raw)
        (place / "content").write_bytes(content)
        (place / "certificates").write_bytes(b"".join(own + others))
        # whom to believe is asked afterwards, so that each reason is told as what it is
        status, _, said = openssl(
            "cms", "-verify", "-binary", "-noverify", "-inform", "DER", "-in", str(place / "cms"), "-content",
            str(place / "content"), "-certfile", str(place / "certificates"), "-signer", str(place / "signers"),
            "-out", "/dev/null",
        )  # fmt: skip
        if status != 0:
            findings.broken("signature", file, found=complaint(said))
            return result
        _check_digests(raw, findings, file)
        signers = certificates((place / "signers").read_bytes())
        for signer in signers:
            result.signers.append(_check_signer(signer, place, policy, findings, file))
    result.verified = bool(signers) and len(findings.mistakes) == before
    return result


def _check_digests(raw: bytes, findings: Findings, file: str) -> None:
    _, text, _ = openssl("cms", "-cmsout", "-print", "-noout", "-inform", "DER", data=raw)
    used = set(_DIGEST.findall(text.decode(errors="replace")))
    if weak := sorted(used - GOOD_DIGESTS):
        findings.broken("signature", file, found=", ".join(weak))
    elif not used:
        findings.broken("signature", file, found="no digest algorithm")


def _check_signer(signer: bytes, place: Path, policy: Policy, findings: Findings, file: str) -> str:
    """One signer's certificate; its subject."""
    leaf, trusted = place / "signer", place / "anchors"
    leaf.write_bytes(signer)
    _, text, _ = openssl("x509", "-in", str(leaf), "-noout", "-subject", "-nameopt", "RFC2253")
    subject = text.decode(errors="replace").strip().removeprefix("subject=")
    trusted.write_bytes(anchors(policy))
    moment = int((policy.at or datetime.now(UTC)).timestamp())
    words = ["verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-purpose", "any", "-auth_level", "2",
             "-attime", str(moment), "-untrusted", str(place / "certificates")]  # fmt: skip
    words += ["-CAfile", str(trusted)] if trusted.stat().st_size else ["-no-CAfile"]
    status, _, said = openssl(*words, str(leaf))
    if status != 0:
        reasons: dict[str, str] = dict(re.findall(r"error (\d+) at \d+ depth lookup: (.*)", said))
        for number, reason in reasons.items() or [("", complaint(said))]:
            rule = "validity" if number in _TIMES else "chain"
            findings.broken(rule, file, found=f"{reason}, {subject}", remedy=_remedy(rule, policy))
    _check_usage(leaf, subject, findings, file)
    return subject


def _remedy(rule: str, policy: Policy) -> str:
    if rule == "validity":
        return "ask the provider for a package that is signed anew"
    return "trust its CA: trust_anchors in coven.yaml, or --trust FILE" if not policy.anchors else "is its CA trusted?"


def _check_usage(leaf: Path, subject: str, findings: Findings, file: str) -> None:
    _, text, _ = openssl("x509", "-in", str(leaf), "-noout", "-ext", "keyUsage,extendedKeyUsage")
    lines = [line.strip() for line in text.decode(errors="replace").splitlines()]
    uses = _listed(lines, "X509v3 Key Usage")
    if uses is not None and not uses & {"Digital Signature", "Non Repudiation"}:
        findings.broken("key-usage", file, found=f"{', '.join(sorted(uses))}, {subject}")
    extended = _listed(lines, "X509v3 Extended Key Usage")
    if extended is not None and not extended & set(_USES):
        findings.broken("key-usage", file, found=f"{', '.join(sorted(extended))}, {subject}")


def _listed(lines: Iterable[str], heading: str) -> set[str] | None:
    """The uses below a heading, None without the heading."""
    for line in (rows := iter(lines)):
        if line.startswith(heading):
            return {use.strip() for use in next(rows, "").split(",")}
    return None

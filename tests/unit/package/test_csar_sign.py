"""Signatures: both options, both places of the certificate, every policy; a wrong one passes under `off` alone."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coven.base.signatures import IF_SIGNED, OFF, REQUIRED, Policy
from coven.package.archive import Taken, pack, pack_csar, take_in
from coven.package.csar import sign, verify
from coven.package.csar.manifest import BEGIN
from coven.package.csar.pack import Options
from coven.package.csar.rules import REFUSED, RULES
from coven.package.csar.sign import Signer
from itf.mistakes import Refused
from tests.rigs.csar_rig import Authority, author, digest, edited, members, relisted, rooted, zipped

ROOT = Path(__file__).resolve().parents[3]
MANIFEST = "fw.mf"


@dataclass
class Bench:
    """A package and whoever may sign it."""

    folder: Path
    authority: Authority
    signer: Signer

    @property
    def policy(self) -> Policy:
        return Policy(anchors=(str(self.authority.certificate),))

    def csar(self, signer: Signer | None = None, *, outer: bool = False) -> bytes:
        return pack_csar(self.folder, Options(signer=signer or self.signer, outer=outer))

    def signed_as(self, change: Callable[[bytes], bytes]) -> bytes:
        """The package, its manifest with what `change` makes of it for a CMS."""
        files = members(pack_csar(self.folder))
        return zipped({**files, MANIFEST: files[MANIFEST] + change(files[MANIFEST])})

    def take(self, data: bytes, policy: Policy | None = None) -> Taken:
        into = self.folder.parent / "into"
        into.mkdir(exist_ok=True)
        try:
            return take_in(io.BytesIO(data), into, "x.csar", policy or self.policy)
        finally:
            for each in into.iterdir():
                subprocess.run(["rm", "-r", str(each)], check=True)

    def refused(self, data: bytes, policy: Policy | None = None) -> set[str | None]:
        try:
            self.take(data, policy)
        except Refused as refused:
            return {mistake.field for mistake in refused.mistakes}
        return set()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    top = tmp_path_factory.mktemp("sign")
    authority = Authority(top / "authority")
    return Bench(author(top / "package"), authority, authority.signer())


def _weakly(bench: Bench, text: bytes, algorithm: str) -> bytes:
    done = subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-md", algorithm, "-outform", "PEM", "-signer",
         str(bench.signer.certificate), "-inkey", str(bench.signer.key)],
        input=text, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def _changed_after(bench: Bench) -> bytes:
    files = members(bench.csar())
    before, changed = digest(files["ChangeLog.txt"]), files["ChangeLog.txt"] + b"more\n"
    files = {**files, "ChangeLog.txt": changed}
    return zipped(edited(files, MANIFEST, lambda text: text.replace(before, digest(changed))))


def _twice(bench: Bench) -> bytes:
    files = members(bench.csar(replace(bench.signer, beside=True)))
    text = files[MANIFEST][: files[MANIFEST].index(BEGIN)]
    return zipped({**files, MANIFEST: text + sign.sign(text, bench.signer)})


def _outer(bench: Bench, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> bytes:
    return zipped(change(members(bench.csar(outer=True))))


def _inner(bench: Bench, files: dict[str, bytes]) -> dict[str, bytes]:
    """An outer zip around another package than the one that was signed."""
    return {**files, "fw-1.0.csar": pack_csar(bench.folder, Options(agent_port=1))}


#: (rule, the packages that break it and nothing else); a time: judged by it
FAULTS: dict[str, list[Callable[[Bench], bytes | tuple[bytes, str]]]] = {
    "cms-last": [
        lambda b: zipped(edited(members(b.csar()), MANIFEST, lambda text: text + "Source: x\n")),
        lambda b: zipped(edited(members(b.csar()), MANIFEST, lambda text: text + text[text.index("-----BEGIN"):])),
    ],
    "certificate-twice": [
        _twice,
        lambda b: _outer(b, lambda files: {**files, "fw-1.0.cert": b.signer.certificate.read_bytes()}),
    ],
    "certificate-none": [
        lambda b: b.signed_as(lambda text: sign.sign(text, replace(b.signer, beside=True))),
        lambda b: _outer(b, lambda files: {**files, "fw-1.0.cms": sign.sign(
            files["fw-1.0.csar"], replace(b.signer, beside=True))}),
        lambda b: _outer(b, lambda files: {**files, "fw-1.0.cert": b"", "fw-1.0.cms": sign.sign(
            files["fw-1.0.csar"], replace(b.signer, beside=True))}),
    ],
    "signature": [
        _changed_after,
        lambda b: b.signed_as(lambda text: sign.sign(text + b"\n", b.signer)),
        lambda b: b.signed_as(lambda text: sign.sign(text.replace(b"\n", b"\r\n"), b.signer)),
        lambda b: b.signed_as(lambda text: _weakly(b, text, "sha1")),
        lambda b: b.signed_as(lambda text: _weakly(b, text, "sha224")),
        lambda b: b.signed_as(lambda text: BEGIN + b"\nnonsense!\n-----END CMS-----\n"),
        lambda b: b.signed_as(lambda text: BEGIN + b"\n" + base64.b64encode(b"\x30\x03ab") + b"\n-----END CMS-----\n"),
        lambda b: _outer(b, lambda files: _inner(b, files)),
        lambda b: _outer(b, lambda files: {**files, "fw-1.0.cms": b"nothing"}),
        lambda b: _outer(b, lambda files: {**files, "fw-1.0.cms": b""}),
    ],
    "chain": [
        lambda b: b.csar(Authority(b.folder.parent / "other", "Other CA").signer()),
        lambda b: b.csar(Signer(*_self_signed(b.folder.parent / "self"))),
        # one that may not certify others does not
        lambda b: b.csar(b.authority.signer("child", by=b.authority.signer("parent"))),
        lambda b: b.csar(Authority(b.folder.parent / "other", "Other CA").signer(), outer=True),
    ],
    "validity": [
        lambda b: (b.csar(), "2010-01-01T00:00:00Z"),
        lambda b: (b.csar(), "2060-01-01T00:00:00Z"),
        lambda b: (b.csar(outer=True), "2060-01-01T00:00:00Z"),
    ],
    "key-usage": [
        lambda b: b.csar(b.authority.signer("encipher", "keyUsage=critical,keyEncipherment")),
        lambda b: b.csar(b.authority.signer("server", "extendedKeyUsage=serverAuth,clientAuth")),
        lambda b: b.csar(b.authority.signer("encipher", "keyUsage=critical,keyEncipherment"), outer=True),
    ],
    "outer-files": [
        lambda b: _outer(b, lambda files: {**files, "README": b""}),
        lambda b: _outer(b, lambda files: {**files, "more/x.txt": b""}),
        lambda b: _outer(b, lambda files: {**files, "other.cms": b""}),
        lambda b: _outer(b, lambda files: {**files, "other.csar": b""}),
    ],
    "outer-names": [
        lambda b: _outer(b, lambda files: {name.replace("1.0.cms", "2.0.cms"): data for name, data in files.items()}),
    ],
}  # fmt: skip
CASES = [(rule, number) for rule, faults in FAULTS.items() for number in range(len(faults))]


def _self_signed(folder: Path) -> tuple[Path, Path]:
    authority = Authority(folder, "Myself")
    return authority.key, authority.certificate


@pytest.mark.parametrize("rule, number", CASES, ids=[f"{rule}-{number}" for rule, number in CASES])
def test_one_fault(rule: str, number: int, bench: Bench) -> None:
    made = FAULTS[rule][number](bench)
    data, at = made if isinstance(made, tuple) else (made, None)
    policy = replace(bench.policy, at=datetime.fromisoformat(at) if at else None)
    # who signs with a CA's own certificate also breaks what it may be used for
    also = {"key-usage"} if (rule, number) == ("chain", 1) else set()
    for signatures in (IF_SIGNED, REQUIRED):
        for strict, what in ((True, RULES[rule].strict), (False, RULES[rule].lenient)):
            expected = {rule} | also if what == REFUSED else set()
            assert bench.refused(data, replace(policy, signatures=signatures, strict=strict)) == expected


@pytest.mark.parametrize("outer", [False, True], ids=["option 1", "option 2"])
@pytest.mark.parametrize("beside", [False, True], ids=["in the CMS", "beside"])
def test_signed_packages_are_taken(bench: Bench, outer: bool, beside: bool) -> None:
    intermediate = bench.authority.signer("intermediate", "keyUsage=critical,keyCertSign", ca=True)
    for signer in (
        replace(bench.signer, beside=beside),
        bench.authority.signer("below", "extendedKeyUsage=codeSigning", by=intermediate, beside=beside),
    ):
        data = bench.csar(signer, outer=outer)
        names = set(members(data))
        assert {name.rpartition(".")[2] for name in names if "/" not in name} == (
            {"csar", "cms"} if outer else {"mf", "txt"}
        ) | ({"cert"} if beside else set())
        for strict in (False, True):
            taken = bench.take(data, replace(bench.policy, strict=strict, signatures=REQUIRED))
            assert taken.csar is not None and taken.csar.signature is not None and taken.csar.payload is not None
            assert taken.csar.reading == "strict" and taken.csar.warnings == []
            whose = signer.certificate.stem
            assert taken.csar.signature.as_dict() == {
                "option": 2 if outer else 1, "verified": True, "signers": [f"CN={whose},O=Acme"]}  # fmt: skip


def test_without_tosca_metadata(bench: Bench) -> None:
    """Then the certificate beside has the VNFD's base name (4.3.6)."""
    beside = replace(bench.signer, beside=True)
    certificate = sign.certificate(beside)
    for name, expected in (("fw.cert", set()), ("me.cert", {"certificate-stray", "certificate-none"})):
        files = relisted({**rooted(members(pack_csar(bench.folder))), name: certificate})
        signed = {**files, MANIFEST: files[MANIFEST] + sign.sign(files[MANIFEST], beside)}
        assert bench.refused(zipped(signed), replace(bench.policy, strict=True)) == expected


def test_policies(bench: Bench) -> None:
    plain, unsigned, good, changed = pack(bench.folder), pack_csar(bench.folder), bench.csar(), _changed_after(bench)
    foreign_signer = bench.csar(Authority(bench.folder.parent / "other", "Other CA").signer())
    outcome = {
        signatures: [bench.refused(data, replace(bench.policy, signatures=signatures)) for data in (
            plain, unsigned, good, changed, foreign_signer)]
        for signatures in (OFF, IF_SIGNED, REQUIRED)
    }  # fmt: skip
    assert outcome == {
        OFF: [set(), set(), set(), set(), set()],
        IF_SIGNED: [set(), set(), set(), {"signature"}, {"chain"}],
        REQUIRED: [{None}, {"unsigned"}, set(), {"signature"}, {"chain"}],
    }


def test_anchors(bench: Bench, tmp_path: Path) -> None:
    good = bench.csar()
    with pytest.raises(Refused, match="trust_anchors"):
        bench.take(good, Policy())
    (tmp_path / "ca.pem").write_bytes(b"# a comment\n" + bench.authority.certificate.read_bytes())
    bench.take(good, Policy(anchors=(str(tmp_path),)))
    bench.take(good, Policy(anchors=(str(bench.signer.certificate),)))  # that very certificate is trusted
    (tmp_path / "empty").mkdir()
    config = tmp_path / "coven.yaml"
    config.write_text(f"trust_anchors: [{tmp_path}/none]\n")
    status, _, err = coven("serve", "--listen", "127.0.0.1:0", "--state", str(tmp_path / "state"), config=config)
    assert status == 1 and f"{tmp_path}/none" in err, "an operator hears it before the first upload does"
    for wrong in (str(tmp_path / "empty"), str(tmp_path / "none"), str(bench.signer.key)):
        with pytest.raises(Refused, match="certificate in PEM"):
            bench.take(good, Policy(anchors=(wrong,)))


def test_a_cms_that_carries_other_content(bench: Bench) -> None:
    """What is signed is the manifest, not what the CMS says that it signs."""

    def carrying(text: bytes) -> bytes:
        done = subprocess.run(
            ["openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "PEM", "-signer",
             str(bench.signer.certificate), "-inkey", str(bench.signer.key)],
            input=b"another manifest", capture_output=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout

    assert bench.refused(bench.signed_as(carrying)) == {"signature"}


def test_a_cms_without_signers(bench: Bench) -> None:
    done = subprocess.run(
        ["openssl", "crl2pkcs7", "-nocrl", "-certfile", str(bench.signer.certificate)],
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    cms = done.stdout.replace(b"PKCS7", b"CMS")
    assert bench.refused(bench.signed_as(lambda _: cms)) == {"signature"}


def test_signatures_of_single_files(bench: Bench) -> None:
    plain = members(pack_csar(bench.folder))

    def made(signature: bytes) -> bytes:
        files = relisted({**plain, "sig/a.sig": signature, "sig/a.cert": bench.signer.certificate.read_bytes()})
        name = "Artifacts/coven/filter.py"
        files = edited(files, MANIFEST, lambda text: text.replace(
            f"Hash: {digest(plain[name])}\n", f"Hash: {digest(plain[name])}\nSignature: sig/a.sig\nCertificate: sig/a.cert\n"))  # noqa: E501
        return zipped({**files, MANIFEST: files[MANIFEST] + sign.sign(files[MANIFEST], bench.signer)})

    beside = replace(bench.signer, beside=True)
    assert bench.refused(made(sign.sign(plain["Artifacts/coven/filter.py"], beside))) == set()
    assert bench.refused(made(sign.sign(b"another file", beside))) == {"signature"}


def test_what_one_cannot_sign_with(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        bench.csar(Signer(tmp_path / "none", bench.signer.key))
    assert [mistake.field for mistake in caught.value.mistakes] == ["--key", "--cert"]
    other = bench.authority.signer("another")
    with pytest.raises(Refused, match="the key of the certificate"):
        bench.csar(Signer(other.key, bench.signer.certificate))


def test_a_key_with_a_passphrase(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = tmp_path / "locked.key"
    subprocess.run(["openssl", "pkcs8", "-topk8", "-in", str(bench.signer.key), "-out", str(key), "-passout",
                    "pass:sesame"], check=True, timeout=60)  # fmt: skip
    locked = replace(bench.signer, key=key)
    with pytest.raises(Refused, match="COVEN_KEY_PASSWORD"):
        bench.csar(locked)
    monkeypatch.setenv("COVEN_KEY_PASSWORD", "sesame")
    assert bench.refused(bench.csar(locked)) == set()


def test_openssl_has_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign, "SECONDS", 0.0)
    with pytest.raises(Refused, match="takes more than"):
        bench.csar()
    monkeypatch.setattr(sign, "SECONDS", 30.0)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Refused, match="apt install openssl"):
        bench.csar()


def coven(*words: str, config: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "coven", *words], cwd=ROOT, capture_output=True, text=True, timeout=120,
        env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "COVEN_CONFIG": str(config or "/nonexistent")},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_commands(bench: Bench, tmp_path: Path) -> None:
    key, certificate = str(bench.signer.key), str(bench.signer.certificate)
    ca, made, outer = str(bench.authority.certificate), str(tmp_path / "x.csar"), str(tmp_path / "x.zip")
    signing = ("pack", str(bench.folder), "--key", key, "--cert", certificate, "-o")
    assert coven(*signing, made, "--sign")[0] == coven(*signing, outer, "--outer")[0] == 0
    status, out, _ = coven("verify", made, "--trust", ca)
    assert (status, out.splitlines()) == (0, [
        f"{made}: the VNF fire wall 1.0 of Acme, ours", "reading: strict",
        "signature: good, in the manifest, by CN=provider,O=Acme"])  # fmt: skip
    assert "around the package" in coven("verify", outer, "--trust", ca, "--strict")[1]
    facts = json.loads(coven("verify", made, "--trust", ca, "--json")[1])
    assert facts["ok"] and facts["signature"]["verified"] and facts["errors"] == []
    status, out, _ = coven("verify", made, "--trust", ca, "--at", "2060-01-01T00:00:00Z", "--json")
    assert status == 1 and [error["field"] for error in json.loads(out)["errors"]] == ["validity"]
    status, _, err = coven("verify", made)
    assert status == 1 and "chain" in err and "--trust FILE" in err
    for words, says in (
        (("verify", made, "--at", "yesterday"), "--at"),
        (("pack", str(bench.folder), "--sign"), "--key"),
        (("pack", str(bench.folder), "--key", key), "no --sign"),
        (("pack", str(bench.folder), "--zip", "--hot"), "--hot"),
        (("pack", str(bench.folder), "--agent-port", "0"), "--agent-port"),
    ):
        status, _, err = coven(*words)
        assert (status, says in err) == (2, True), (words, err)
    plain = tmp_path / "x2.zip"
    plain.write_bytes(pack(bench.folder))
    assert "coven pack" in coven("verify", str(plain))[2]


def test_the_operator_decides(bench: Bench, tmp_path: Path) -> None:
    """What coven.yaml says holds for every command that opens an archive."""
    made, config = tmp_path / "x.csar", tmp_path / "coven.yaml"
    made.write_bytes(bench.csar())
    for text, status, says in (
        (f"trust_anchors: [{bench.authority.certificate}]\n", 0, "valid, compiled and loaded"),
        ("package_signatures: off\n", 0, "valid, compiled and loaded"),
        ("", 1, "chain"),
        ("package_signatures: always\ntrust_anchors: [here]\npackage_reading: loose\n", 1, "an absolute path"),
    ):
        config.write_text(text)
        found, out, err = coven("check", str(made), config=config)
        assert (found, says in out + err) == (status, True), out + err
    assert "package_signatures" in err and "package_reading" in err


def test_nothing_stays_in_memory(bench: Bench) -> None:
    """No temporary file outlives a check."""
    import tempfile

    before = set(Path(tempfile.gettempdir()).glob("coven-*"))
    bench.take(bench.csar())
    assert set(Path(tempfile.gettempdir()).glob("coven-verify-*")) <= before


def test_der_and_pem(bench: Bench) -> None:
    cms = sign.sign(b"x", bench.signer)
    raw = verify.der(cms)
    assert raw is not None and verify.der(raw) == raw
    assert verify.der(b"nothing") is None and verify.der(BEGIN + b"\n!\n-----END CMS-----") is None
    data = _outer(bench, lambda files: {**files, "fw-1.0.cms": verify.der(files["fw-1.0.cms"]) or b""})
    assert bench.refused(data) == set()
    at: Any = datetime.now(UTC)
    assert bench.refused(data, replace(bench.policy, at=at)) == set()

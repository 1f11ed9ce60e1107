"""`coven serve` beyond loopback: TLS with a token, asked by curl and by our own command line; mistakes told."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.cli.main import main
from coven.serve.tls import Files, identity

ROOT = Path(__file__).resolve().parents[3]
CLI = [sys.executable, "-m", "coven"]


def run(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    known = {key: value for key, value in os.environ.items() if not key.startswith("COVEN_")}
    known |= {"PYTHONPATH": str(ROOT), "COVEN_CONFIG": "/nowhere", **environment}
    return subprocess.run([str(word) for word in words], capture_output=True, text=True, env=known, timeout=120)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, a certificate for localhost that it made, one that has expired, and their key."""
    folder = tmp_path_factory.mktemp("pki")
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    names = ("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    made = (
        (*new, "-x509", "-days", "2", "-subj", "/CN=a CA", "-keyout", "ca.key", "-out", "ca.pem"),
        (*new, "-subj", "/CN=agent", *names, "-keyout", "agent.key", "-out", "agent.csr"),
        ("openssl", "x509", "-req", "-in", "agent.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
         "-copy_extensions", "copy", "-days", "2", "-out", "agent.pem"),
        ("openssl", "x509", "-req", "-in", "agent.csr", "-signkey", "agent.key", "-days", "-1",
         "-copy_extensions", "copy", "-out", "old.pem"),
        ("openssl", "pkey", "-in", "agent.key", "-aes128", "-passout", "pass:x", "-out", "locked.key"),
    )  # fmt: skip
    for command in made:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    (folder / "open.key").write_bytes((folder / "agent.key").read_bytes())
    (folder / "open.key").chmod(0o644)
    return folder


class Serving:
    def __init__(self, state: Path, *options: object):
        words = [*CLI, "serve", "--state", str(state), *map(str, options)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COVEN_CONFIG": "/nowhere"}
        self.log = state.with_suffix(".log")
        self.process = subprocess.Popen(
            words, stdout=subprocess.PIPE, stderr=self.log.open("w"), text=True, env=environment
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving https://127.0.0.1:"), self.log.read_text()
        self.url = line.split()[1].rstrip(",")
        self.address = ("127.0.0.1", int(self.url.rpartition(":")[2]))
        self.state = state
        self.token = (state / "token").read_text().strip()

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(60) == 0
        assert "Traceback" not in self.log.read_text()


@pytest.fixture(scope="module")
def serving(pki: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    state = tmp_path_factory.mktemp("tls") / "state"
    agent = Serving(state, "--listen", "0.0.0.0:0", "--tls-cert", pki / "agent.pem", "--tls-key", pki / "agent.key")
    yield agent
    agent.stop()


def curl(*words: object) -> subprocess.CompletedProcess[str]:
    return run("curl", "-sS", "-m", "60", "-w", "\n%{http_code}", *words)


def test_curl(serving: Serving, pki: Path) -> None:
    bearer = ("-H", f"Authorization: Bearer {serving.token}")
    ca = ("--cacert", pki / "ca.pem")
    assert curl(*ca, *bearer, serving.url + "/v1/vnfs").stdout == '{"vnfs": []}\n200'
    assert curl(*ca, serving.url + "/v1/vnfs").stdout.endswith("\n401")
    assert "certificate" in curl(*bearer, serving.url + "/v1/vnfs").stderr
    assert curl(*ca, "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", serving.url).returncode == 35
    plain = curl(*bearer, serving.url.replace("https", "http") + "/v1/vnfs").stdout
    assert plain.endswith("\n400") and "https://" in plain


def test_the_page_s_session_and_stream(serving: Serving, pki: Path, tmp_path: Path) -> None:
    ca = ("--cacert", pki / "ca.pem", "-c", tmp_path / "jar", "-b", tmp_path / "jar")
    login = (*ca, "-D", "-", "-H", f"Origin: {serving.url}", "--data-urlencode")
    assert "coven-" not in curl(*login, "token=wrong", serving.url + "/login").stdout
    said = curl(*login, f"token={serving.token}", serving.url + "/login").stdout
    (cookie,) = [line for line in said.splitlines() if line.lower().startswith("set-cookie: coven-")]
    assert {"httponly", "samesite=strict", "secure"} <= {part.strip().lower() for part in cookie.split(";")}
    assert serving.token not in said
    assert curl(*ca, serving.url + "/v1/vnfs").stdout == '{"vnfs": []}\n200'
    foreign = (*ca, "-H", "Origin: https://elsewhere.test", "-H", "Content-Type: application/json", "-d", "{}")
    assert curl(*foreign, serving.url + "/v1/vnfs").stdout.endswith("\n403")
    words = ("curl", "-sS", "-N", *map(str, ca), serving.url + "/page/stream")
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as streaming:
        assert streaming.stdout is not None
        stream = ""
        while ": still here" not in stream:
            stream += (line := streaming.stdout.readline())
            assert line, stream
        streaming.kill()
    assert stream.startswith("retry: 1000\n\nevent: agent\n")


def test_the_server_s_limits_hold(serving: Serving, pki: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.zip"
    with large.open("wb") as file:
        file.truncate((64 << 20) + 2)
    words = ("--cacert", pki / "ca.pem", "-H", f"Authorization: Bearer {serving.token}",
             "-H", "Content-Type: application/zip", "--data-binary")  # fmt: skip
    refused = curl(*words, f"@{large}", serving.url + "/v1/packages").stdout
    assert refused.endswith("\n413") and "errors" in refused
    with large.open("r+b") as file:
        file.truncate(8 << 20)
    assert curl(*words, f"@{large}", serving.url + "/v1/packages").stdout.endswith("\n422")


def test_silent_clients_hold_nobody_up(serving: Serving, pki: Path) -> None:
    silent = [socket.create_connection(serving.address) for _ in range(40)]
    try:
        silent[0].sendall(b"\x16\x03\x01")
        words = ("--cacert", pki / "ca.pem", "-H", f"Authorization: Bearer {serving.token}")
        assert curl(*words, serving.url + "/v1/vnfs").stdout.endswith("\n200")
    finally:
        for sock in silent:
            sock.close()


@pytest.mark.parametrize("how", ["says nothing", "half a record", "shakes hands and is silent", "half a request"])
def test_more_silent_clients_than_are_taken_hold_nobody_up(serving: Serving, pki: Path, how: str) -> None:
    """All of one address: those that have been silent longest make room, and an answer takes its time only."""
    context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
    silent: list[socket.socket] = []
    try:
        for _ in range(260):
            sock = socket.create_connection(serving.address, timeout=60)
            if how == "half a record":
                sock.sendall(b"\x16\x03\x01")
            elif how != "says nothing":
                sock = context.wrap_socket(sock, server_hostname="127.0.0.1")
                if how == "half a request":
                    sock.sendall(b"GET /v1/vnfs HTTP/1.1\r\nHost")
            silent.append(sock)
        words = ("--cacert", pki / "ca.pem", "-H", f"Authorization: Bearer {serving.token}")
        assert curl(*words, serving.url + "/v1/vnfs").stdout == '{"vnfs": []}\n200'
    finally:
        for sock in silent:
            sock.close()


def test_command_line(serving: Serving, pki: Path) -> None:
    listed = run(*CLI, "list", "--state", serving.state)
    assert "no VNF" in listed.stdout, listed.stderr
    remote = {"COVEN_TOKEN": serving.token, "COVEN_STATE": str(pki / "none")}
    for trust in ("ca.pem", "agent.pem"):
        found = run(*CLI, "list", "--agent", serving.url, "--ca", pki / trust, **remote)
        assert "no VNF" in found.stdout, found.stderr
    assert run(*CLI, "list", COVEN_AGENT=serving.url, COVEN_CA=str(pki / "ca.pem"), **remote).returncode == 0
    untrusted = run(*CLI, "list", "--agent", serving.url, **remote)
    assert untrusted.returncode == 1 and "--ca FILE" in untrusted.stderr
    plain = run(*CLI, "list", "--agent", serving.url.replace("https", "http"), **remote)
    assert plain.returncode == 1 and "ask with https://" in plain.stderr
    abroad = run(*CLI, "list", "--agent", "http://192.0.2.1:8443", **remote)
    assert abroad.returncode == 2 and "would show the token" in abroad.stderr
    nothing = run(*CLI, "list", "--agent", serving.url, "--ca", pki / "agent.key", **remote)
    assert nothing.returncode == 1 and "a certificate in PEM" in nothing.stderr


@pytest.mark.parametrize(
    ("certificate", "key", "more", "says"),
    [
        ("agent.pem", "ca.key", (), "the key of another certificate"),
        ("none.pem", "none.key", (), "No such file"),
        ("agent.key", "agent.pem", (), "no CERTIFICATE block"),
        ("agent.pem", "locked.key", (), "an encrypted key"),
        ("agent.pem", "open.key", (), "chmod o-rwx"),
        ("agent.pem", None, (), "--tls-key: found nothing"),
        (None, "agent.key", (), "--tls-cert: found nothing"),
        (None, None, (), "loopback address, or TLS"),
        ("agent.pem", "agent.key", ("--no-auth",), "for loopback"),
        ("agent.pem", "agent.key", ("--listen", "example.com:1"), "not a numeric address"),
    ],
)
def test_mistakes(
    pki: Path, tmp_path: Path, certificate: str | None, key: str | None, more: tuple[str, ...], says: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("COVEN_CONFIG", "/nowhere")
    words = ["serve", "--state", str(tmp_path / "state"), "--listen", "0.0.0.0:0", *more]
    words += ["--tls-cert", str(pki / certificate)] if certificate else []
    words += ["--tls-key", str(pki / key)] if key else []
    assert main(words) == (2 if "nothing" in says else 1)
    assert says in capsys.readouterr().err


def test_when_a_certificate_ends(pki: Path) -> None:
    ends = [identity(Files(str(pki / name), str(pki / "agent.key"))).ends for name in ("agent.pem", "old.pem")]
    assert None not in ends
    days = [(end - time.time()) / 86400 for end in ends if end is not None]
    assert 1.9 < days[0] <= 2.0 and -1.1 < days[1] <= -0.9, "whatever else is wrong with it"


def test_expired(pki: Path, tmp_path: Path) -> None:
    """Said at once, but served: at boot VNFs start again whatever the certificate."""
    words = ("--listen", "127.0.0.1:0", "--tls-cert", pki / "old.pem", "--tls-key", pki / "agent.key")
    agent = Serving(tmp_path / "state", *words)
    try:
        assert "has expired" in agent.log.read_text()
        assert run(*CLI, "list", "--state", agent.state).returncode == 0  # known by itself, not by its date
        remote = {"COVEN_TOKEN": agent.token, "COVEN_STATE": str(tmp_path / "none")}
        told = run(*CLI, "list", "--agent", agent.url, "--ca", pki / "old.pem", **remote)
        assert told.returncode == 1 and "expired" in told.stderr
    finally:
        agent.stop()

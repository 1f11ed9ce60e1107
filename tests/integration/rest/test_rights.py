"""Who may do what: tokens, scopes, BASIC, OAuth 2.0, client certificates, the limit of attempts, the audit log."""

from __future__ import annotations

import base64
import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from coven.agent.rights.attempts import MOST
from tests.integration.agent.test_agent import PORTS, created, package, running
from tests.integration.serve.test_tls import Serving, curl, pki, run  # noqa: F401 - a fixture
from tests.rigs.agent import ROOT, Agent
from tests.rigs.keeper import wait_for


def granted(agent: Agent, name: str, *scopes: str, **more: Any) -> dict[str, str]:
    """The header of a new token."""
    status, told = agent.ask("POST", "/v1/tokens", {"name": name, "scopes": list(scopes), **more})
    assert status == 201 and agent.headers["Location"] == f"/v1/tokens/{name}", told
    return {"Authorization": f"Bearer {told['token']}"}


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def audited(agent: Agent) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (agent.state / "audit.log").read_text().splitlines()]


def test_scopes(agent: Agent) -> None:
    created(agent)
    asked = {
        "read": ("GET", "/vnfconfig/v1/configuration", None), "operate": ("POST", "/v1/vnfs/fw/stop", None),
        "onboard": ("DELETE", "/v1/packages/none", None), "admin": ("GET", "/v1/tokens", None),
    }  # fmt: skip
    may = {"read": {"read"}, "operate": {"read", "operate"}, "onboard": {"read", "onboard"}, "capture": {"read"},
           "admin": set(asked)}  # fmt: skip
    for scope, allowed in may.items():
        header = granted(agent, f"a {scope}".replace(" ", "-"), scope)
        for needed, (method, path, body) in asked.items():
            status, told = agent.ask(method, path, body, **header)
            assert (status != 403) == (needed in allowed), (scope, path)
            if status == 403:
                assert f"a-{scope} has the scopes {scope}" in told["detail"] and needed in told["detail"]
    both = granted(agent, "both", "operate", "onboard")
    assert agent.ask("DELETE", "/v1/packages/none", **both)[0] == 404
    assert agent.ask("POST", "/v1/vnfs/fw/stop", **both)[0] == 409


def test_requests_that_change_something_take_another_right(agent: Agent) -> None:
    running(agent)
    for scope, statuses in (("read", (200, 403)), ("operate", (200, 200))):
        header = granted(agent, f"a-{scope}", scope)
        asked = [agent.ask("POST", "/v1/vnfs/fw/requests", {"vnfc": "a", "request": name}, **header)[0]
                 for name in ("hits", "reset")]  # fmt: skip
        assert tuple(asked) == statuses, scope


def test_tokens_come_and_go(agent: Agent) -> None:
    header = granted(agent, "prometheus", "read")
    secret = header["Authorization"].split()[1]
    told = agent.ask("GET", "/v1/tokens")[1]["tokens"]
    assert [(each["name"], each["scopes"], each["expires"], each["expired"]) for each in told] == [
        ("prometheus", ["read"], None, False),
    ]  # fmt: skip
    assert secret not in json.dumps(told)
    for file in agent.state.glob("agent.db*"):
        assert secret.encode() not in file.read_bytes(), "hashed"
    assert secret not in agent.log() + (agent.state / "audit.log").read_text()
    for name in ("prometheus", "admin"):
        assert agent.ask("POST", "/v1/tokens", {"name": name, "scopes": ["read"]})[0] == 409
    for body in ({"name": "x", "scopes": []}, {"name": "x", "scopes": ["fly"]}, {"name": "", "scopes": ["read"]},
                 {"name": "x", "scopes": ["read"], "seconds": 0}):  # fmt: skip
        assert agent.ask("POST", "/v1/tokens", body)[0] == 422
    agent.stop()
    agent.start()
    for good in (header, basic("prometheus", secret), {"X-Auth-Token": secret, "Authorization": ""}):
        assert agent.ask("GET", "/v1/vnfs", **good)[0] == 200
    for wrong in (basic("grafana", secret), basic("prometheus", "x"), basic("admin", secret)):
        assert agent.ask("GET", "/v1/vnfs", **wrong)[0] == 401
    assert agent.ask("DELETE", "/v1/tokens/prometeus")[0] == 404
    assert agent.ask("DELETE", "/v1/tokens/prometheus")[0] == 204
    assert agent.ask("GET", "/v1/vnfs", **header)[0] == 401
    short = granted(agent, "short", "read", seconds=0.3)
    wait_for(lambda: agent.ask("GET", "/v1/vnfs", **short)[0] == 401)
    assert agent.ask("GET", "/v1/tokens")[1]["tokens"][0]["expired"] is True


def access(agent: Agent, form: dict[str, str], **headers: str) -> tuple[int, Any]:
    headers.setdefault("Authorization", "")
    return agent.ask("POST", "/oauth2/token", data=urlencode(form).encode(),
                     **{"Content_Type": "application/x-www-form-urlencoded", **headers})  # fmt: skip


def test_client_credentials(agent: Agent) -> None:
    header = granted(agent, "vnfm", "operate")
    secret = header["Authorization"].split()[1]
    form = {"grant_type": "client_credentials"}
    for how, more in (({"client_id": "vnfm", "client_secret": secret}, {}), ({}, basic("vnfm", secret))):
        status, told = access(agent, {**form, **how}, **more)
        assert (status, told["token_type"], told["expires_in"], told["scope"]) == (200, "Bearer", 3600, "operate")
        assert agent.headers["Cache-Control"] == "no-store"
        bearer = {"Authorization": f"Bearer {told['access_token']}"}
        assert agent.ask("GET", "/v1/vnfs", **bearer)[0] == 200
        assert agent.ask("POST", "/v1/vnfs", {}, **bearer)[0] == 422
    told = access(agent, {**form, "scope": "read"}, **basic("vnfm", secret))[1]
    reading = {"Authorization": f"Bearer {told['access_token']}"}
    assert agent.ask("GET", "/v1/vnfs", **reading)[0] == 200
    assert agent.ask("POST", "/v1/vnfs", {}, **reading)[0] == 403
    for given, more, status, error in (
        ({**form, "scope": "admin"}, basic("vnfm", secret), 400, "invalid_scope"),
        ({**form, "scope": "fly"}, basic("vnfm", secret), 400, "invalid_scope"),
        (form, basic("vnfm", "x"), 401, "invalid_client"), (form, {}, 401, "invalid_client"),
        ({"grant_type": "password"}, basic("vnfm", secret), 400, "unsupported_grant_type"),
        ({}, basic("vnfm", secret), 400, "invalid_request"),
        (form, bearer, 401, "invalid_client"),  # an access token makes no other, or it would never end
    ):  # fmt: skip
        told = access(agent, given, **more)
        assert (told[0], told[1]["error"]) == (status, error), given
    assert agent.ask("DELETE", "/v1/tokens/vnfm")[0] == 204
    for gone in (bearer, reading):
        assert agent.ask("GET", "/v1/vnfs", **gone)[0] == 401, "with the token that it came from"


def test_guesses_are_few(agent: Agent) -> None:
    header = granted(agent, "known", "read")
    assert agent.ask("GET", "/v1/vnfs", **header)[0] == 200
    new = granted(agent, "new", "read")
    for _ in range(3):  # nobody presents nothing in order to guess
        assert agent.ask("GET", "/v1/vnfs", Authorization="")[0] == 401
    for number in range(MOST):
        assert agent.ask("GET", "/v1/vnfs", Authorization=f"Bearer {number}")[0] == 401
    for shut in ({"Authorization": "Bearer x"}, new):
        status, told = agent.ask("GET", "/v1/vnfs", **shut)
        assert status == 429 and 0 < int(agent.headers["Retry-After"]) <= 61 and "wait" in told["errors"][0]["remedy"]
    assert access(agent, {"grant_type": "client_credentials"}, **basic("known", "x"))[0] == 429
    # who was let in before is not shut out by what others do
    assert agent.ask("GET", "/v1/vnfs", **header)[0] == 200
    assert agent.ask("GET", "/v1/vnfs")[0] == 200


def test_a_guess_that_waits_to_send_its_body_counts(agent: Agent) -> None:
    host, port = agent.url.removeprefix("http://").split(":")
    head = "POST /v1/vnfs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\nExpect: 100-continue"
    statuses = []
    for number in range(MOST + 1):
        with socket.create_connection((host, int(port))) as sock:
            sock.sendall(f"{head}\r\nAuthorization: Bearer {number}\r\n\r\n".encode())
            statuses.append(sock.recv(12)[9:])
    assert statuses == [b"401"] * MOST + [b"429"]


def test_every_change_is_in_the_audit_log(agent: Agent) -> None:
    header = granted(agent, "operator", "operate", "onboard")
    agent.ask("POST", "/v1/packages", data=package(), **header)
    agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"}, **header)
    wanted = {"ports": PORTS, "config": {"a": {"key": "s3"}}}
    operation = agent.ask("POST", "/v1/vnfs/fw/instantiate", wanted, **header)[1]
    assert agent.over(operation)["state"] == "COMPLETED"
    unknown = {"vnfConfigurationData": {"vnfSpecificData": {"c": {}}}}
    agent.ask("PATCH", "/vnfconfig/v1/configuration", unknown, **header)
    agent.ask("GET", "/v1/vnfs", **header)
    agent.ask("DELETE", "/v1/tokens/operator", **header)
    agent.ask("DELETE", "/v1/tokens/operator", Authorization="Bearer x")
    lines = audited(agent)
    assert [(each["who"], each["what"], each["result"]) for each in lines] == [
        ("admin", "POST /v1/tokens", 201), ("operator", "POST /v1/packages", 201), ("operator", "POST /v1/vnfs", 201),
        ("operator", "POST /v1/vnfs/fw/instantiate", 202), ("operator", "PATCH /vnfconfig/v1/configuration", 422),
        ("operator", "DELETE /v1/tokens/operator", 403), ("nobody known", "DELETE /v1/tokens/operator", 401),
    ]  # fmt: skip
    assert lines[3]["location"] == f"/v1/operations/{operation['id']}"
    assert {each["from"] for each in lines} == {"127.0.0.1"} and "s3" not in json.dumps(lines)
    assert stat.S_IMODE((agent.state / "audit.log").stat().st_mode) == 0o600


def test_the_command_line(agent: Agent, tmp_path: Path) -> None:
    def coven(*words: str) -> tuple[int, str]:
        done = subprocess.run([sys.executable, "-m", "coven", "token", *words, "--state", str(agent.state)], cwd=ROOT,
                              capture_output=True, text=True, timeout=300)  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    assert coven("list") == (0, "no token but the agent's own\n")
    out = tmp_path / "prometheus.token"
    assert coven("create", "--scope", "read", "--name", "prometheus", "--expires", "30d", "--out", str(out)) == (0, "")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    header = {"Authorization": f"Bearer {out.read_text().strip()}"}
    assert agent.ask("GET", "/v1/vnfs", **header)[0] == 200
    status, text = coven("create", "--scope", "read", "--name", "other", "--out", str(out))
    assert status == 1 and str(out) in text and coven("list")[1].count("\n") == 2, "granted to nobody"
    status, text = coven("create", "--scope", "operate", "--scope", "onboard", "--name", "vnfm")
    assert status == 0 and agent.ask("GET", "/v1/vnfs", Authorization=f"Bearer {text.strip()}")[0] == 200
    text = coven("list")[1]
    assert "prometheus" in text and "onboard, operate" in text and "never" in text
    assert coven("revoke", "prometheus") == (0, "prometheus is revoked\n")
    assert agent.ask("GET", "/v1/vnfs", **header)[0] == 401
    assert coven("revoke", "prometheus")[0] == 1
    assert coven("create", "--scope", "fly", "--name", "x")[0] == coven("create", "--scope", "read")[0] == 2


@pytest.fixture(scope="module")
def clients(pki: Path) -> Path:  # noqa: F811
    """Beside the CA: certificates for vnfm and for stranger that it made, and another certificate for the agent."""
    names = "-addext subjectAltName=DNS:localhost,IP:127.0.0.1"
    for name, more in (("vnfm", ""), ("stranger", ""), ("agent2", names)):
        for command in (
            f"req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={name} {more} -keyout {name}.key"
            f" -out {name}.csr",
            f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -out {name}.pem",
        ):
            subprocess.run(["openssl", *command.split()], cwd=pki, check=True, capture_output=True)
    return pki


def test_client_certificates_and_certificates_that_are_read_again(clients: Path, tmp_path: Path) -> None:
    (tmp_path / "agent.pem").write_bytes((clients / "agent.pem").read_bytes())
    (tmp_path / "agent.key").write_bytes((clients / "agent.key").read_bytes())
    (tmp_path / "agent.key").chmod(0o600)
    serving = Serving(tmp_path / "state", "--listen", "127.0.0.1:0", "--tls-cert", tmp_path / "agent.pem", "--tls-key",
                      tmp_path / "agent.key", "--tls-client-ca", clients / "ca.pem")  # fmt: skip
    try:
        def asked(name: str, *words: object) -> str:
            pair = ("--cert", clients / f"{name}.pem", "--key", clients / f"{name}.key")
            return curl("--cacert", clients / "ca.pem", *pair, *words).stdout

        assert asked("vnfm", serving.url + "/v1/vnfs").endswith("\n401")
        words = ("token", "create", "--scope", "operate", "--name", "vnfm", "--certificate", "--state", serving.state)
        made = run(sys.executable, "-m", "coven", *words)
        assert (made.returncode, made.stdout) == (0, ""), made.stderr
        assert asked("vnfm", serving.url + "/v1/vnfs").endswith("\n200")
        assert asked("stranger", serving.url + "/v1/vnfs").endswith("\n401")
        refused = asked("vnfm", "-X", "DELETE", serving.url + "/v1/packages/x")
        assert refused.endswith("\n403") and "vnfm has the scopes operate" in refused
        last = json.loads((serving.state / "audit.log").read_text().splitlines()[-1])
        assert (last["who"], last["from"]) == ("vnfm", "127.0.0.1")
        told = json.loads(asked("vnfm", serving.url + "/vnfind/api_versions").rpartition("\n")[0])
        assert told["uriPrefix"].startswith(serving.url), "https"

        context = ssl.create_default_context(cafile=str(clients / "ca.pem"))

        def connected() -> tuple[ssl.SSLSocket, Any]:
            plain = socket.create_connection(serving.address, timeout=60)
            sock = context.wrap_socket(plain, server_hostname="127.0.0.1")
            certificate: Any = sock.getpeercert()
            return sock, certificate["subject"][0][0][1]

        kept, name = connected()
        assert name == "agent"
        (tmp_path / "agent.pem").write_text("nonsense")
        serving.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "stay as they are" in serving.log.read_text())
        other, name = connected()
        other.close()
        assert name == "agent", "what cannot be used changes nothing"
        (tmp_path / "agent.pem").write_bytes((clients / "agent2.pem").read_bytes())
        (tmp_path / "agent.key").write_bytes((clients / "agent2.key").read_bytes())
        serving.process.send_signal(signal.SIGHUP)

        def renewed() -> bool:
            sock, name = connected()
            sock.close()
            return bool(name == "agent2")

        wait_for(renewed)
        kept.sendall(b"GET /v1/vnfs HTTP/1.1\r\nHost: x\r\n\r\n")
        assert kept.recv(12) == b"HTTP/1.1 401", "open connections stay so"
        kept.close()
        found = run(sys.executable, "-m", "coven", "list", "--state", serving.state)
        assert found.returncode == 0, found.stderr
    finally:
        serving.stop()

"""What labs are furnished with: the web server, and an agent in the appliance."""

from __future__ import annotations

import contextlib
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coven.lab.network import ADDRESS, Lab, LabError

ROOT = Path(__file__).resolve().parents[2]
#: how this coven is started, wherever it is installed
COVEN = (sys.executable, "-P", "-m", "coven.cli")
AGENT_SECONDS = 20.0  #: until a started agent must serve


def certificate(folder: Path) -> Path:
    """A certificate for the server's address in FOLDER/certificate.pem, with its key in FOLDER/tls.pem."""
    key, made = folder / "key.pem", folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    words += ["-days", "2", "-subj", "/CN=server", "-addext", f"subjectAltName=IP:{ADDRESS['server']}"]
    subprocess.run([*words, "-keyout", key, "-out", made], check=True, capture_output=True)
    (folder / "tls.pem").write_text(key.read_text() + made.read_text())
    return made


@contextlib.contextmanager
def web_server(lab: Lab, files: Path) -> Iterator[None]:
    """Serves `files` in the server's namespace, as `demo_hosts.py` says. FILES/../tls.pem must be there.

    Raises LabError if it does not start.
    """
    words = [sys.executable, "-m", "coven.lab.demo.hosts", "server", str(files)]
    streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    serving = lab.server.spawn(*words, **streams, text=True, cwd=ROOT)
    try:
        if serving.stdout is None or serving.stdout.readline().strip() != "ready":
            raise LabError("the web server did not start")
        yield
    finally:
        serving.kill()
        serving.wait()


@contextlib.contextmanager
def agent(lab: Lab, folder: Path) -> Iterator[Path]:
    """`coven serve` in the appliance, its log beside its state. Yields the state folder.

    Raises LabError if it does not start.
    """
    state, log = folder / "state", folder / "agent.log"
    with log.open("w") as errors:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": errors}
        serving = lab.appliance.spawn(*COVEN, "serve", "--state", str(state), **streams)
    assert serving.stdout
    try:
        ready, _, _ = select.select([serving.stdout], [], [], AGENT_SECONDS)
        if not ready or not serving.stdout.readline():
            raise LabError(f"the agent did not start: {log.read_text().strip()}")
        yield state
    finally:
        serving.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            serving.wait(10)
        serving.stdout.close()

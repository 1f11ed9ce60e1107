"""`make demo`: a firewall is deployed from its package over REST and filters real traffic between two hosts.

    client ---- appliance (Coven, packages/l7-firewall) ---- server

Three network namespaces, one agent, curl, ping, iperf3; afterwards nothing of it is left. As an ordinary user
it runs in a user namespace. Where that is not allowed it filters a capture instead.
Exit status: 0 all as expected, 1 not, 3 packets are unaccounted for, 130 interrupted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from coven.lab import furniture as parts
from coven.lab import network as labs
from coven.lab.demo import report
from coven.lab.demo.hosts import bytes_from
from coven.lab.network import ADDRESS, IN, OUT, Lab, LabError, Place

ROOT = parts.ROOT
PACKAGE = ROOT / "packages" / "l7-firewall"
COVEN = parts.COVEN
URL = "http://127.0.0.1:8080"
SERVER = ADDRESS["server"]
FILES = {"page.html": 10_000, "picture.jpg": 1_000_000, "archive.zip": 16_000_000}
OVER = ("COMPLETED", "FAILED", "ROLLED_BACK")


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


class Api:
    """The agent's REST API, asked with curl from inside the appliance. Every call is shown."""

    def __init__(self, place: Place, state: Path):
        self.place = place
        self.header = state / "header"
        self.header.touch(0o600)
        self.header.write_text(f"Authorization: Bearer {(state / 'token').read_text().strip()}\n")

    def ask(
        self, method: str, path: str, body: Any = None, file: Path | None = None, show: bool = True
    ) -> Any:
        """The answer's JSON. Raises DemoError with the problem details of a refusal."""
        words = ["curl", "-sS", "-X", method, "-H", f"@{self.header}", "-w", "\n%{http_code}", URL + path]
        shown = f"{method:6} {path}"
        if file:
            words += ["-H", "Content-Type: application/zip", "--data-binary", f"@{file}"]
            shown += f"  < {file.name}"
        elif body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
            shown += f"  {json.dumps(body)}"
        text, _, status = self.place.run(*words).stdout.rpartition("\n")
        answer = json.loads(text) if text.strip() else None
        if show:
            report.line(f"  {shown}  -> {status}{_what(answer)}")
        if not status.startswith("2"):
            raise DemoError(f"{method} {path}: {status}: {json.dumps(answer, indent=2)}")
        return answer

    def operate(self, vnf: str, what: str, body: Any = None) -> None:
        """Begin an operation and wait until it is over. Raises DemoError unless it is COMPLETED."""
        operation = self.ask("POST", f"/v1/vnfs/{vnf}/{what}", body)
        path = f"/v1/operations/{operation['id']}?wait=20"
        for _ in range(6):
            operation = self.ask("GET", path, show=False)
            if operation["state"] in OVER:
                break
        report.line(f"         operation {operation['operation']}: {operation['state']}")
        if operation["state"] != "COMPLETED":
            raise DemoError(f"{what}: {operation['state']}: {json.dumps(operation.get('errors'), indent=2)}")


def _what(answer: Any) -> str:
    """The part of an answer that is worth a line."""
    if not isinstance(answer, dict):
        return ""
    keys = ("id", "name", "state", "instantiation_state", "operational_state")
    said = [str(answer[key]) for key in keys if answer.get(key)]
    return f"  {' '.join(said)}" if said else ""


@contextlib.contextmanager
def agent(lab: Lab, folder: Path) -> Iterator[Api]:
    with parts.agent(lab, folder) as state:
        yield Api(lab.appliance, state)


@contextlib.contextmanager
def firewall(api: Api, folder: Path) -> Iterator[str]:
    """The VNF, from package to STARTED; taken down again at the end."""
    name = f"demo-{os.getpid()}"
    archive = folder / "l7-firewall.zip"
    subprocess.run([*COVEN, "pack", str(PACKAGE), "-o", str(archive)], check=True, stdout=subprocess.DEVNULL)
    package = api.ask("POST", "/v1/packages", file=archive)
    api.ask("POST", "/v1/vnfs", {"name": name, "package": package["id"]})
    done: list[Callable[[], Any]] = [lambda: api.ask("DELETE", f"/v1/vnfs/{name}")]
    try:
        api.operate(name, "instantiate", {"ports": {"in": {"interface": IN}, "out": {"interface": OUT}}})
        done.insert(0, lambda: api.operate(name, "terminate"))
        api.operate(name, "start")
        yield name
    finally:
        for undo in done:
            undo()


@contextlib.contextmanager
def server(lab: Lab, folder: Path) -> Iterator[dict[str, str]]:
    """The server with files to fetch. Yields their hashes."""
    files = folder / "files"
    files.mkdir()
    hashes = {}
    for number, (name, size) in enumerate(FILES.items()):
        content = (bytes_from(100 + number, 65_536) * (size // 65_536 + 1))[:size]
        (files / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    parts.certificate(folder)
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with parts.web_server(lab, files):
        iperf = lab.server.spawn("iperf3", "-s", **quiet)
        try:
            yield hashes
        finally:
            iperf.kill()
            iperf.wait()


def fetch(client: Place, hashes: dict[str, str], folder: Path) -> list[report.Check]:
    """Every file over HTTP and HTTPS, hashes compared."""
    checks = []
    for scheme in ("http", "https"):
        for name, wanted in hashes.items():
            got = folder / "got"
            trust = ["--cacert", str(folder / "certificate.pem")]
            words = ["curl", "-sS", "--max-time", "20", *trust, "-o", str(got)]
            done = client.run(*words, f"{scheme}://{SERVER}/{name}", check=False)
            same = done.returncode == 0 and hashlib.sha256(got.read_bytes()).hexdigest() == wanted
            outcome = "hash intact" if same else f"failed: {done.stderr.strip() or 'another hash'}"
            what = f"{scheme.upper()}: {name}, {FILES[name]:,} B"
            checks.append(report.Check(what, "passes", outcome, same))
    return checks


def flows(client: Place) -> list[report.Check]:
    said = client.run(sys.executable, "-m", "coven.lab.demo.hosts", "client", SERVER, cwd=ROOT).stdout
    checks = []
    for flow in json.loads(said):
        wanted = "dies" if flow["skype"] else "passes"
        outcome = "answered" if flow["answered"] else "no answer"
        checks.append(report.Check(flow["name"], wanted, outcome, flow["answered"] != flow["skype"]))
    return checks


def ping(client: Place) -> tuple[report.Check, str]:
    said = client.run("ping", "-c", "50", "-i", "0.02", "-W", "2", SERVER, check=False).stdout
    answered = re.search(r"(\d+) received", said)
    times = re.search(r"= ([\d.]+)/([\d.]+)/([\d.]+)/", said)
    count = int(answered[1]) if answered else 0
    rtt = f"min {times[1]} avg {times[2]} max {times[3]} ms" if times else "none"
    well = count >= 45  # a machine that is short of time loses some, in its own buffers
    return report.Check("ping, 50 times", "passes", f"{count} answered", well), rtt


def throughput(client: Place, seconds: int = 3) -> str:
    done = client.run("iperf3", "-c", SERVER, "-t", str(seconds), "-J", check=False)
    try:
        bits = json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"]
    except (ValueError, KeyError):
        return f"not measured: {done.stdout.strip()[-200:] or done.stderr.strip()}"
    return f"{bits / 1e9:.2f} Gbit/s (TCP, iperf3, {seconds} s)"


def live(folder: Path) -> int:
    """The demo proper. Returns the exit status."""
    with Lab() as lab:
        report.title("Two hosts and an appliance between them, in three network namespaces")
        report.line(f"  client {ADDRESS['client']} --- {IN} appliance {OUT} --- {SERVER} server")
        with server(lab, folder) as hashes, agent(lab, folder) as api:
            report.title("The package is pushed and started over REST")
            with firewall(api, folder) as name:
                report.title("Traffic")
                start = time.monotonic()
                pinged, rtt = ping(lab.client)
                checks = [pinged, *fetch(lab.client, hashes, folder), *flows(lab.client)]
                speed = throughput(lab.client)
                report.line(f"  {time.monotonic() - start:.1f} s of ping, curl, Skype-like flows and iperf3")
                report.title("The analyzer is asked what it found, the VNF stopped, its account read")
                hits = api.ask("POST", f"/v1/vnfs/{name}/requests", {"vnfc": "analyzer", "request": "hits"})
                report.line(f"         {json.dumps(hits['value'])}")
                api.operate(name, "stop")
                stats = api.ask("GET", f"/v1/vnfs/{name}/stats")
                report.show(checks, stats, {"RTT through the firewall": rtt, "throughput": speed})
                report.title("Taking it down")
        return report.status(checks, stats)


def captured(folder: Path) -> int:
    """Without namespaces: the same firewall on a capture. Returns the exit status."""
    whose = "here" if os.geteuid() == 0 else "for an ordinary user here"
    report.title(f"No network namespaces {whose}: the firewall filters a capture instead")
    if os.geteuid() != 0:
        report.line("  For real traffic:  sudo make demo")
    source, target, figures = folder / "in.pcap", folder / "out.pcap", folder / "figures.json"
    report.write_capture(source)
    words = [*COVEN, "run", str(PACKAGE), "--in", str(source), "--out", str(target), "--json", str(figures)]
    done = subprocess.run(words, check=False)
    if not figures.exists():
        raise DemoError(f"coven run ended with status {done.returncode}")
    stats = json.loads(figures.read_text())
    report.show([], stats, {})
    return done.returncode or report.status([], stats)


def main() -> int:
    def interrupted(number: int, frame: object) -> None:
        # Once is enough: what follows is the taking down, which a second Ctrl-C must not cut short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise KeyboardInterrupt

    rootless = os.geteuid() != 0 and not os.environ.get(labs.INSIDE)
    if rootless and labs.can_use_user_namespaces():
        report.line("Not root: a user namespace will do, with AF_PACKET ports. For AF_XDP:  sudo make demo")
        sys.stdout.flush()
        labs.enter_user_namespace([sys.executable, "-m", "coven.lab.demo"])
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    try:
        with tempfile.TemporaryDirectory(prefix="coven-demo.") as folder:
            return (live if not rootless and labs.can_make_namespaces() else captured)(Path(folder))
    except (LabError, DemoError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"demo: {error.filename} is missing: `make setup` brings what is needed", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"demo: {' '.join(map(str, error.cmd))}: status {error.returncode}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; everything is taken down", file=sys.stderr)
        return 130


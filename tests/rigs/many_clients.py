"""Many clients at one agent, beside traffic: reads of everything, and starts and stops of some VNFs.

    python -m tests.rigs.many_clients [SECONDS]

says how long reads took."""

from __future__ import annotations

import http.client
import json
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.packages import datagram
from tests.rigs.spaces import within

CLIENTS, CHANGERS = 64, 16  #: of which so many start and stop, too
CHANGED = ("one", "two", "three")  #: VNFs that are started and stopped; `fw` has the traffic
PAUSE = 0.001  #: seconds between packets
READS = ("/v1/vnfs", "/v1/vnfs/{}", "/v1/vnfs/{}/stats", "/v1/operations?vnf={}", "/v1/vnfs/{}/health",
         "/v1/vnfs/{}/config", "/vnfconfig/v1/configuration", "/vnfind/v1/indicators")  # fmt: skip


@dataclass
class Seen:
    """What all clients together have seen."""

    seconds: list[float] = field(default_factory=list)  #: that reads took which were answered with 200
    reads: Counter[int] = field(default_factory=Counter)  #: by status
    changes: Counter[int] = field(default_factory=Counter)
    begun: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))  #: ids of operations, by VNF
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, share: float) -> float:
        """The time within which that share of reads was answered, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Client:
    def __init__(self, appliance: Appliance):
        where = urlsplit(json.loads((appliance.state / "run" / "agent.json").read_text())["url"])
        token = (appliance.state / "token").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", where.port, timeout=60)
        with within(appliance.space):
            self._connection.connect()

    def ask(self, method: str, path: str) -> tuple[int, Any]:
        self._connection.request(method, path, headers=self._headers)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def close(self) -> None:
        self._connection.close()


def _client(appliance: Appliance, number: int, over: Callable[[], bool], seen: Seen) -> None:
    choose = random.Random(number)
    client = Client(appliance)
    try:
        while not over():
            vnf = choose.choice(("fw", *CHANGED))
            if number < CHANGERS and choose.random() < 0.3:
                vnf = choose.choice(CHANGED)
                status, body = client.ask("POST", f"/v1/vnfs/{vnf}/{choose.choice(('start', 'stop'))}")
                with seen.lock:
                    seen.changes[status] += 1
                    if status == 202:
                        seen.begun[vnf].append(body["id"])
                continue
            path = choose.choice(READS).format(vnf)
            before = time.monotonic()
            status, _ = client.ask("GET", path)
            with seen.lock:
                seen.reads[status] += 1
                if status == 200:
                    seen.seconds.append(time.monotonic() - before)
    except Exception as error:
        with seen.lock:
            seen.faults.append(f"client {number}: {error!r}")
    finally:
        client.close()


def _traffic(appliance: Appliance, ending: threading.Event) -> None:
    frame = bytes(datagram(7, 100))
    with within(appliance.space):
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind(("in1", 0))
    with out:
        while not ending.wait(PAUSE):
            out.send(frame)


def load(appliance: Appliance, seconds: float, reads: int = 0, changes: int = 0) -> Seen:
    """All clients and the traffic, for so long, and until so many were answered, but at most a minute more."""
    seen, ending = Seen(), threading.Event()
    traffic = threading.Thread(target=_traffic, args=(appliance, ending))
    traffic.start()
    end = time.monotonic() + seconds

    def over() -> bool:
        late = time.monotonic() - end
        return late > 0 and (late > 60 or (seen.reads[200] >= reads and seen.changes[202] >= changes))

    clients = [threading.Thread(target=_client, args=(appliance, number, over, seen)) for number in range(CLIENTS)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    ending.set()
    traffic.join()
    return seen


@contextmanager
def served(state: Path) -> Iterator[Appliance]:
    """An agent with `fw`, which is started, and the VNFs that clients start and stop."""
    appliance = Appliance(state)
    try:
        for name in CHANGED:
            appliance.ip(f"link add {name}-in type veth peer name {name}-in1",
                         f"link add {name}-out type veth peer name {name}-out1")  # fmt: skip
        appliance.serve("--vnf", "fw")
        deploy = ("deploy", str(PACKAGE), "--name")
        assert appliance.coven(*deploy, "fw", "--in", "in0", "--out", "out0")[0] == 0
        for name in CHANGED:
            assert appliance.coven(*deploy, name, "--in", f"{name}-in", "--out", f"{name}-out")[0] == 0
        yield appliance
    finally:
        for name in CHANGED:
            appliance.kill_keeper(name)
        appliance.clean()


def main(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "state") as appliance:
        seen = load(appliance, seconds)
    reads, changes = sum(seen.reads.values()), sum(seen.changes.values())
    print(f"{CLIENTS} clients, {seconds:g} s: {reads} reads ({dict(seen.reads)}), {changes} starts and stops"
          f" ({dict(seen.changes)}); reads took {seen.took(0.5) * 1000:.0f} ms (p50), {seen.took(0.99) * 1000:.0f} ms"
          f" (p99), {max(seen.seconds) * 1000:.0f} ms (the longest); faults: {seen.faults}")  # fmt: skip


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)

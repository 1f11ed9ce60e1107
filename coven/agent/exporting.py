"""Sending every figure to a collector of OpenTelemetry, again and again, where the operator names one."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import requests

from agents import otlp
from coven.agent.figures import Readers
from coven.agent.measured import Measured
from coven.base.operator import OTLP
from coven.base.version import VERSION
from itf.mistakes import Mistake, Refused

log = logging.getLogger("coven.agent")

SECONDS = 10.0  #: between two times
LATE_SECONDS = 5.0  #: a collector that takes longer gets it the next time
PATH = "/v1/metrics"  #: where collectors take metrics, if the address names no other place


class Exporter:
    """`names`: the VNFs. A thread of its own: a collector that is slow or gone keeps up nobody, and is said once.

    Raises Refused where the package that it needs is not there."""

    def __init__(self, address: str, names: Callable[[], list[str]], readers: Readers, measured: Measured):
        if not otlp.AVAILABLE:
            remedy = f"pip install {otlp.PACKAGE}, into the environment that Coven runs in"
            mistake = Mistake(field=OTLP, found=f"no Python package {otlp.PACKAGE}", expected="it", remedy=remedy)
            raise Refused(mistake, title="no OpenTelemetry")
        self.address = address if urlsplit(address).path.strip("/") else address.rstrip("/") + PATH
        self.names = names
        self.readers = readers
        self.measured = measured
        self._session = requests.Session()
        self._session.trust_env = False
        self._said: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(2 * LATE_SECONDS)
        self._session.close()

    def _run(self) -> None:
        while True:
            try:
                said = self.send(self.collected())
            except Exception as problem:  # whatever it was: the next time is another
                said = f"{type(problem).__name__}: {problem}"
            if said != self._said:
                log.log(logging.INFO if said is None else logging.WARNING, "metrics to %s: %s", self.address,
                        said or "taken")  # fmt: skip
            self._said = said
            if self._closing.wait(SECONDS):
                return

    def collected(self) -> bytes:
        """Everything there is to tell now."""
        export = otlp.Export({
            "service.name": "coven", "service.version": VERSION, "host.name": socket.gethostname(),
        })  # fmt: skip
        names = self.names()
        with self.readers.of(names) as readers:
            for name, reader in readers.items():
                try:
                    export.vnf(name, reader)
                except TimeoutError:  # its forwarder has just died
                    continue
        export.families(self.measured.registry.collect(), self.measured.began)
        return export.encoded()

    def send(self, body: bytes) -> str | None:
        """None, or why it was not taken."""
        headers = {"Content-Type": otlp.MEDIA}
        try:
            answer = self._session.post(
                self.address, data=body, headers=headers, timeout=LATE_SECONDS, allow_redirects=False, stream=True
            )
            with answer:
                return None if answer.status_code == requests.codes.ok else f"status {answer.status_code}"
        except requests.RequestException as problem:
            return type(problem).__name__

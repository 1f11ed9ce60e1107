"""Click configurations for tests: checked, or compiled and run against a forwarder played in Python."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from itf.segment import C
from pps.click.compiler import check
from pps.click.framework import ClickFramework
from pps.click.graph import Graph
from pps.click.mistakes import as_line
from tests.rigs.fake_forwarder import Back, FakeForwarder

SECOND = 10**9


def mistakes(text: str, folder: Path | None = None) -> list[str]:
    """The mistakes in a configuration, each as LINE:COLUMN and what was found and expected."""
    return [as_line(m).partition(":")[2] for m in check([("x.click", text)], folder)[1]]


def graph(text: str, folder: Path | None = None) -> Graph:
    """The graph of a configuration without mistakes."""
    made, found = check([("x.click", text)], folder)
    assert not found, "\n".join(map(str, found))
    return made


def build(folder: Path, text: str, engine: str = "auto") -> list[str]:
    """Compile a configuration: the host's command. Its C must compile without a warning."""
    source, output = folder / "x.click", folder / "x.so"
    source.write_text(text, encoding="latin-1")
    framework = ClickFramework()
    framework.choose_engine(engine)
    command = framework.build_command([source], folder, output, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() in ("[]", ""), done.stderr
    return framework.host_command(output, "x")


class Running:
    """A compiled configuration. Time is the captures': it moves with the packets."""

    def __init__(
        self, folder: Path, text: str, config: dict[str, Any] | None = None, engine: str = "auto", **options: Any
    ):
        options = {"clock_mode": C.CLOCK_CAPTURE, **options}
        self.tidies = engine == "click"  # its bridge leaves sockets behind if it is killed
        self.forwarder = FakeForwarder(build(folder, text, engine), **options)
        self.now = SECOND
        self.ready = self.forwarder.init(config or {})
        self.reasons = self.forwarder.reasons() if self.ready["op"] == "ready" else {}

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *args: object) -> None:
        if self.tidies and self.forwarder.process.poll() is None:
            self.forwarder.end()
        self.forwarder.close()

    def send(
        self, *packets: bytes, after: float = 0.001, port: int = 0, context: bytes = b"", watched: bool = False
    ) -> list[Back]:
        """Send packets `after` seconds apart; what has come back when the host rests."""
        for packet in packets:
            self.now += round(after * SECOND)
            self.forwarder.send(packet, time_ns=self.now, port=port, context=context, watched=watched)
        self.forwarder.settle()
        return self.forwarder.taken()

    def wait(self, seconds: float) -> list[Back]:
        """Let time pass; what came back."""
        self.now += round(seconds * SECOND)
        self.forwarder.advance(self.now)
        return self.forwarder.taken()

    def fate(self, back: Back) -> str:
        """`to N` or the name of the reason that a packet was dropped for."""
        if back.verdict & 0x7F == C.VERDICT_FORWARD:
            return f"to {back.arg}"
        return self.reasons.get(back.arg, f"reason {back.arg}")

    def fates(self, *packets: bytes, **how: Any) -> list[str]:
        """What became of each packet, sent one by one."""
        return [self.fate(back) for packet in packets for back in self.send(packet, **how)]

    def read(self, handler: str, value: str | None = None) -> Any:
        answer = self.forwarder.ask("request", name=handler, args=[] if value is None else [value])
        assert answer["ok"], answer
        return answer["value"]

    def write(self, handler: str, value: str = "") -> dict[str, Any]:
        """The answer, refusals too."""
        return self.forwarder.ask("request", name=handler, args=[value])

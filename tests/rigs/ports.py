"""Two live ports and the real forwarder between them, without a VNF: what integration/test_ports.py runs
in the appliance's namespace. It does what a keeper does for its ports, and no more.

    python -m tests.rigs.ports BACKEND_IN IN BACKEND_OUT OUT [--journal FILE] [--frames N] [--take] [--unbound]

It says one JSON line when packets flow (or why not), then obeys lines on stdin: `stats`; `freeze` and `thaw`
stop and continue the forwarder; `crash` kills it and starts another on the same segment; `end`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from itf.segment import REASONS, C, Config, Forwarder, Pool, ffi, put_text
from itf.statistics import Statistics
from vns import af_xdp
from vns.port import OpenPort, PortRefused

ROOT = Path(__file__).resolve().parents[2]
#: another build of it, such as build/asan/coven-forwarder
FORWARDER = os.environ.get("COVEN_TEST_FORWARDER", str(ROOT / "build" / "coven-forwarder"))
DONE_SECONDS = 60.0


class Rig:
    def __init__(self, options: argparse.Namespace):
        self.journal = open(options.journal, "a") if options.journal else None
        self.pool = Pool.make(options.frames, 2048)
        self.forwarder = Forwarder.make(self.pool.geometry)
        self.config = Config.make(C.CLOCK_LIVE)
        self.statistics = Statistics.make("rig", 1)
        self.ports: list[OpenPort] = []
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None
        wanted = (
            ("in", options.backend_in, options.interface_in),
            ("out", options.backend_out, options.interface_out),
        )
        try:
            for name, backend, interface in wanted:
                module = importlib.import_module(f"vns.{backend}")
                self.ports.append(module.open(name, interface, self.pool, self.write, take=options.take))
        except BaseException:
            self.close()
            raise

    def write(self, entry: Mapping[str, Any]) -> None:
        if self.journal:
            self.journal.write(json.dumps(dict(entry)) + "\n")
            self.journal.flush()

    def start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for number, port in enumerate(self.ports):  # ahead of its first look at the wiring
            message = ffi.new("struct forwarder_message *")
            message.kind, message.index, message.generation = C.MESSAGE_PORT, number, 1
            fds = port.hand()
            message.fds = len(fds)
            socket.send_fds(ours, [bytes(ffi.buffer(message))], fds)
        config = self.config.read_only_fd()
        objects = (self.pool.fd, self.forwarder.fd, config, self.statistics.fd, theirs.fileno())
        words = [FORWARDER, "--fds", ",".join(map(str, objects))]
        self.process = subprocess.Popen(words, pass_fds=objects, stdin=subprocess.DEVNULL)
        os.close(config)
        theirs.close()
        self.control = ours
        self.wire()

    def wire(self) -> None:
        """Every packet leaves by the port it did not come in by."""
        epoch = self.config.head.epoch + 1 if self.config.head.epoch == 0 else self.config.head.epoch
        slot = self.config.slot(epoch)
        slot.epoch, slot.ports, slot.graphs = epoch, len(self.ports), len(self.ports)
        for number, port in enumerate(self.ports):
            w = slot.port[number]
            put_text(w.name, port.name)
            w.kind, w.generation, w.mtu, w.ifindex = port.kind, 1, port.mtu, port.ifindex
            w.queues, w.enter, w.link = port.queues, C.STAGE_CLASSIFIER, port.link
            for i, value in enumerate(port.parameters):
                w.parameter[i] = value
            slot.graph_of[0][number] = slot.graph_port[number] = number
            slot.first[number] = C.STAGE_PORT + 1 - number
        self.config.head.epoch = epoch
        assert self.control is not None
        kick = ffi.new("struct forwarder_message *")
        kick.kind = C.MESSAGE_KICK
        self.control.send(bytes(ffi.buffer(kick)))
        self.control.settimeout(DONE_SECONDS)
        while True:
            raw = self.control.recv(ffi.sizeof("struct forwarder_message"))
            if not raw:
                raise RuntimeError("the forwarder ended")
            answer = ffi.from_buffer("struct forwarder_message *", raw)
            if answer.kind == C.MESSAGE_ERROR:
                raise RuntimeError(ffi.string(answer.text).decode())
            if answer.kind == C.MESSAGE_READY:
                return

    def stop(self) -> None:
        """The forwarder ends by itself, all figures published."""
        assert self.process and self.control
        self.control.close()
        self.process.wait(DONE_SECONDS)

    def crash(self) -> None:
        assert self.process and self.control
        self.process.kill()
        self.process.wait()
        self.control.close()
        self.start()

    def stats(self) -> dict[str, Any]:
        figures = self.statistics.statistics()
        answer: dict[str, Any] = {"estimated": bool(self.forwarder.head.estimated)}
        for number, port in enumerate(self.ports):
            for side, place in (("arriving", C.PLACE_ARRIVING), ("leaving", C.PLACE_LEAVING)):
                p = figures.place[place + number]
                dropped = {r.name: p.dropped[i] for i, r in REASONS.items() if p.dropped[i]}
                answer[f"{port.name}.{side}"] = {
                    "received": p.received, "forwarded": p.forwarded, "in_flight": p.in_flight,
                    "bytes_in": p.bytes_in, "bytes_out": p.bytes_out, "bogus": p.bogus, "dropped": dropped,
                }  # fmt: skip
        return answer

    def settled(self) -> dict[str, Any]:
        """The figures once nothing is in flight any more, or after some seconds."""
        end = time.monotonic() + DONE_SECONDS
        while True:
            answer = self.stats()
            busy = any(place["in_flight"] for place in answer.values() if isinstance(place, dict))
            if not busy or time.monotonic() > end:
                return answer
            time.sleep(0.02)

    def close(self) -> None:
        for port in reversed(self.ports):
            port.close()
        for obj in (self.pool, self.forwarder, self.config, self.statistics):
            obj.close()


def serve(rig: Rig) -> None:
    for line in sys.stdin:
        command = line.strip()
        answer: dict[str, Any] = {}
        assert rig.process
        if command == "stats":
            answer = rig.settled()
        elif command == "freeze":
            rig.process.send_signal(signal.SIGSTOP)
        elif command == "thaw":
            rig.process.send_signal(signal.SIGCONT)
        elif command == "crash":
            rig.crash()
        elif command == "end":
            rig.stop()
            answer = rig.stats()
        print(json.dumps(answer), flush=True)
        if command == "end":
            return


def main() -> int:
    parser = argparse.ArgumentParser()
    for word in ("backend_in", "interface_in", "backend_out", "interface_out"):
        parser.add_argument(word)
    parser.add_argument("--journal")
    parser.add_argument("--frames", type=int, default=8192)
    parser.add_argument("--take", action="store_true")
    parser.add_argument("--unbound", action="store_true", help="AF_XDP sockets as before Linux 6.4")
    options = parser.parse_args()
    if options.unbound:
        af_xdp.MAPPABLE = (1 << 31, 0)
    try:
        rig = Rig(options)
    except PortRefused as refused:
        print(json.dumps({"refused": [mistake.as_dict() for mistake in refused.mistakes]}), flush=True)
        return 1
    try:
        rig.start()
        ports = {port.name: {"why": port.why, "queues": port.queues, "kind": port.kind} for port in rig.ports}
        print(json.dumps({"ports": ports, "pid": os.getpid()}), flush=True)
        serve(rig)
    finally:
        rig.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

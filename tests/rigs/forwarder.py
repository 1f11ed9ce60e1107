"""The real forwarder over captures, with this process playing keeper and VNFCs.

A VNFC played here can lie in every way that shared memory allows, which no host program would.
"""

from __future__ import annotations

import array
import os
import select
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from itf import segment
from itf.segment import C, ffi
from itf.statistics import Statistics

ROOT = Path(__file__).resolve().parents[2]
FORWARDER = Path(os.environ.get("COVEN_BUILD", ROOT / "build")) / "coven-forwarder"
FRAMES = 1024


class PlayedHop:
    """A VNFC's end of a hop, in Python: takes references and gives back what it likes."""

    def __init__(self, number: int, generation: int, quota: int = 512):
        self.number = number
        self.generation = generation
        self.object = segment.Hop.make(f"hop{number}", number, generation, quota, segment.geometry(FRAMES, 2048))
        self.head = self.object.head
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.head.clock_mode = C.CLOCK_CAPTURE
        self.slots = self.head.ring_slots

    def ring(self, offset: int) -> Any:
        return self.object.at("uint32_t", offset)

    def take(self) -> list[int]:
        """All references that wait, consumed."""
        head, tail = self.head.to_vnfc_head.position, self.head.to_vnfc_tail.position
        ring = self.ring(self.head.to_vnfc)
        refs = [ring[(tail + i) % self.slots] for i in range((head - tail) % 2**32)]
        self.head.to_vnfc_tail.position = head
        return refs

    def take_spares(self, n: int) -> list[int]:
        head, tail = self.head.spare_head.position, self.head.spare_tail.position
        ring = self.ring(self.head.spare)
        n = min(n, (head - tail) % 2**32)
        refs = [ring[(tail + i) % self.slots] for i in range(n)]
        self.head.spare_tail.position = (tail + n) % 2**32
        return refs

    def give(self, refs: list[int]) -> None:
        """Put references, true or not, into the ring back and ring the bell."""
        head = self.head.from_vnfc_head.position
        ring = self.ring(self.head.from_vnfc)
        for i, ref in enumerate(refs):
            ring[(head + i) % self.slots] = ref & 0xFFFFFFFF
        self.head.from_vnfc_head.position = (head + len(refs)) % 2**32
        os.eventfd_write(self.bell, 1)

    def rest(self) -> None:
        """Say what a host says that has nothing more to do."""
        self.head.clock_seen = self.head.clock
        self.head.host_asleep = 1
        os.eventfd_write(self.bell, 1)


class Rig:
    """Objects, wiring `in -> hops... -> out` (both ways) and the forwarder process."""

    def __init__(self, hops: int = 1, frames: int = FRAMES, capture: bool = True):
        self.pool = segment.Pool.make(frames, 2048)
        self.forwarder = segment.Forwarder.make(self.pool.geometry)
        self.statistics = Statistics.make("rig", 0 if capture else 1)
        self.config = segment.Config.make(C.CLOCK_CAPTURE if capture else C.CLOCK_LIVE)
        self.records = self.pool.at("struct frame_record", self.pool.geometry.records)
        self.hops = [PlayedHop(n, 1) for n in range(hops)]
        self.control: socket.socket
        self.process: subprocess.Popen[bytes]
        self.start_forwarder()

    def start_forwarder(self, ahead: Callable[[], None] = lambda: None) -> None:
        """`ahead` sends what must be there before the process looks at a wiring that is in force."""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ahead()
        config = self.config.read_only_fd()
        fds = (self.pool.fd, self.forwarder.fd, config, self.statistics.fd, theirs.fileno())
        self.process = subprocess.Popen(
            [str(FORWARDER), "--fds", ",".join(map(str, fds))], pass_fds=fds, stderr=subprocess.PIPE
        )
        os.close(config)
        theirs.close()

    def send(self, kind: int, index: int = 0, generation: int = 0, fds: tuple[int, ...] = ()) -> None:
        message = ffi.new("struct forwarder_message *")
        message.kind, message.index, message.generation, message.fds = kind, index, generation, len(fds)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        self.control.sendmsg([bytes(ffi.buffer(message))], rights)

    def send_hop(self, hop: PlayedHop) -> None:
        self.send(C.MESSAGE_HOP, hop.number, hop.generation, (hop.object.fd, hop.bell))

    def wire(self, read: Path | None, write: Path | None, **fields: int) -> None:
        """The first wiring: port 0 reads, port 1 writes; fields go to every hop's wiring."""
        epoch = self.config.head.epoch + 1
        w = self.config.slot(epoch)
        w.epoch, w.ports, w.hops, w.graphs = epoch, 2, len(self.hops), 2
        for n, path in enumerate((read, write)):
            port = w.port[n]
            segment.put_text(port.name, ("in", "out")[n])
            port.kind, port.generation, port.mtu, port.enter = C.PORT_PCAP, 1, 1500, C.STAGE_CLASSIFIER
            port.parameter[0] = 1 if n == 0 else 0
            if path:
                flags = os.O_RDONLY if n == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
                fd = os.open(path, flags, 0o600)
                self.send(C.MESSAGE_PORT, n, 1, (fd,))
                os.close(fd)
        for hop in self.hops:
            self.wire_hop(w, hop, **fields)
            self.send_hop(hop)
        for graph in range(2):
            w.graph_of[0][graph] = graph
            w.graph_port[graph] = graph
            ways = [C.STAGE_HOP + hop.number for hop in self.hops] + [C.STAGE_PORT + 1 - graph]
            w.first[graph] = ways[0]
            for hop in range(C.SEG_HOPS):
                for output in range(C.SEG_OUTPUTS):
                    w.next[graph][hop][output] = C.STAGE_NONE
            for number, way in enumerate(ways[1:]):
                w.next[graph][number][0] = way
                w.emit_graph[number][graph] = graph
        self.switch(epoch)

    def wire_hop(self, w: Any, hop: PlayedHop, **fields: int) -> None:
        row = w.hop[hop.number]
        segment.put_text(row.name, f"hop{hop.number}")
        row.state, row.generation, row.outputs = C.HOP_UP, hop.generation, 1
        row.quota, row.queue_max, row.lost_reason = 512, 512, 2
        for key, value in fields.items():
            setattr(row, key, value)

    def change(self, edit: Any) -> None:
        """Copy the wiring in force to the spare slot, edit it, move the epoch."""
        epoch = self.config.head.epoch + 1
        w = self.config.slot(epoch)
        ffi.memmove(w, self.config.slot(epoch - 1), ffi.sizeof("struct wiring"))
        w.epoch = epoch
        edit(w)
        self.switch(epoch)

    def switch(self, epoch: int) -> None:
        self.config.head.epoch = epoch
        self.send(C.MESSAGE_KICK)
        self.wait_for(C.MESSAGE_READY)

    def wait_for(self, kind: int, seconds: float = 60) -> Any:
        end = time.monotonic() + seconds
        while True:
            message = self.message(max(0.0, end - time.monotonic()))
            assert message is not None, f"no message of kind {kind}"
            assert message.kind != C.MESSAGE_ERROR, segment.text(message.text)
            if message.kind == kind:
                return message

    def message(self, seconds: float) -> Any:
        if not select.select([self.control], [], [], seconds)[0]:
            return None
        raw = self.control.recv(4096)
        if not raw:
            return None
        message = ffi.new("struct forwarder_message *")
        ffi.memmove(message, raw, len(raw))
        return message

    def totals(self) -> dict[str, int]:
        """Law 1 over the published figures."""
        place = self.statistics.statistics().place
        names = ["received", "originated", "cloned", "forwarded", "consumed", "dropped", "in_flight", "bogus"]
        sums = dict.fromkeys(names, 0)
        for n in range(C.PLACES):
            row = place[n]
            sums["originated"] += row.originated
            sums["cloned"] += row.cloned
            sums["consumed"] += row.consumed
            sums["dropped"] += sum(row.dropped)
            sums["in_flight"] += row.in_flight
            sums["bogus"] += row.bogus
            if n < C.PLACE_LEAVING:
                sums["received"] += row.received
            elif n < C.PLACE_HOP:
                sums["forwarded"] += row.forwarded
        sums["unaccounted"] = (
            sums["received"] + sums["originated"] + sums["cloned"]
            - sums["forwarded"] - sums["consumed"] - sums["dropped"] - sums["in_flight"]
        )  # fmt: skip
        return sums

    def places_balanced(self) -> None:
        place = self.statistics.statistics().place
        for n in range(C.PLACES):
            row = place[n]
            came = row.received + row.originated + row.cloned
            went = row.forwarded + row.consumed + sum(row.dropped) + row.in_flight
            assert came == went, f"place {n}: {came} came, {went} went"

    def close(self, status: int = 0) -> str:
        """The forwarder must end with that status; what it wrote."""
        self.control.close()
        ended = self.process.wait(60)
        assert self.process.stderr
        said = self.process.stderr.read().decode()
        self.process.stderr.close()
        assert ended == status, said
        for hop in self.hops:
            os.close(hop.bell)
            hop.object.close()
        for obj in (self.pool, self.forwarder, self.config, self.statistics):
            obj.close()
        return said

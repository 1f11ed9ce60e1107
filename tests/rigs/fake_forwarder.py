"""A forwarder and keeper in Python for one VNFC host: everything that a host sees, with nothing behind it.

    with FakeForwarder([HOST, "--artifact", "x.so", "--name", "x"]) as f:
        assert f.init({"limit": 3})["op"] == "ready"
        f.send(packet_bytes)
        [back] = f.collect(1)
        assert back.verdict == C.VERDICT_FORWARD

Command and descriptors: `--fds POOL,HOP,BELL,CONTROL` is appended. Deadlines are generous and only end a test
that has failed already.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import select
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import Any

from itf import segment
from itf.segment import C, ffi

PATIENCE = 60.0  #: seconds
FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]
FUTEX_WAKE = 1
PORTS = {
    "in": {"number": 0, "mac": "02:00:00:00:00:01", "mtu": 1500},
    "out": {"number": 1, "mac": "02:00:00:00:00:02", "mtu": 1400},
}


@dataclass(frozen=True)
class Back:
    """One frame as it came back."""

    frame: int
    verdict: int
    arg: int
    data: bytes
    port: int
    flags: int
    mark: int
    context: bytes
    l3: int
    l4: int
    l4_proto: int
    graph: int
    taken: int  #: stamps of one that is timed, else 0
    given: int
    note: str = ""


def offsets(data: bytes) -> tuple[int, int, int, int]:
    """l3, l4, protocol and flags of untagged Ethernet with IPv4 or plain IPv6, TCP, UDP or ICMP."""
    none = C.OFFSET_NONE
    if data[12:14] == b"\x08\x00" and len(data) >= 34:
        return 14, 14 + (data[14] & 15) * 4, data[23], 0
    if data[12:14] == b"\x86\xdd" and len(data) >= 54:
        return 14, 54, data[20], C.FRAME_IPV6
    return none, none, 0, 0


class FakeForwarder:
    """One hop with a real host process at its other end. Use it in a `with` statement."""

    def __init__(
        self,
        command: list[str],
        *,
        frames: int = 1024,
        frame_size: int = 4096,
        quota: int = 512,
        spares: int = 64,
        name: str = "vnfc",
        hold_max: int = 16,
        clock_mode: int = C.CLOCK_LIVE,
        seed: int = 1,
        state: bytes = b"",
        outputs: tuple[str, ...] = ("next",),
        env: dict[str, str] | None = None,
    ):
        self.outputs = outputs
        self.pool = segment.Pool.make(frames, frame_size)
        self.hop = segment.Hop.make(
            name, 0, 1, quota, self.pool.geometry,
            hold_max=hold_max, clock_mode=clock_mode, seed=seed, outputs=len(outputs),
        )  # fmt: skip
        self.head = self.hop.head
        self.records = self.pool.at("struct frame_record", self.pool.geometry.records)
        self.frame_size = frame_size
        self.free = list(range(frames))
        self.at_host: set[int] = set()
        self.spare: set[int] = set()
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(PATIENCE)
        self.next_id = 0
        self.log = ""
        if state:
            ffi.memmove(self.hop.base + self.head.state, state, len(state))
        self.give_spares(spares)
        fds = (self.pool.fd, self.hop.fd, self.bell, theirs.fileno())
        self.process = subprocess.Popen(
            [*command, "--fds", ",".join(map(str, fds))],
            pass_fds=fds,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
        )
        theirs.close()

    def __enter__(self) -> FakeForwarder:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def close(self) -> str:
        """End the host, however it is, and let go of everything. Returns what it wrote (stdout, stderr)."""
        if self.process.poll() is None:
            self.process.kill()
        if self.bell >= 0:
            self.log = self.process.communicate()[0].decode(errors="replace")
            self.control.close()
            os.close(self.bell)
            self.bell = -1
            del self.records, self.head, self.hop.head
            for obj in (self.pool, self.hop):
                obj.close()
        return self.log

    # ---- keeper ----------------------------------------------------------------------------------------

    def hear(self) -> dict[str, Any]:
        """The host's next message. Raises TimeoutError, or EOFError if it has ended."""
        raw = self.control.recv(1 << 17)
        if not raw:
            raise EOFError(f"the host ended with status {self.process.wait()}")
        message = json.loads(raw)
        assert isinstance(message, dict)
        return message

    def tell(self, **message: Any) -> None:
        self.control.send(json.dumps(message).encode())
        self.head.control += 1
        self.wake()

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """`configure` or `request`, and its answer."""
        self.next_id += 1
        self.tell(op=op, id=self.next_id, **fields)
        answer = self.hear()
        assert answer.pop("id") == self.next_id
        return answer

    def init(self, config: dict[str, Any] | None = None) -> dict[str, Any]:
        """hello, init; returns `ready` or `failed`."""
        assert self.hear()["op"] == "hello"
        self.tell(op="init", config=config or {}, ports=PORTS, outputs=list(self.outputs))
        return self.hear()

    def end(self) -> int:
        """`exit`; returns the process's status."""
        self.tell(op="exit")
        return self.process.wait(PATIENCE)

    def reasons(self) -> dict[int, str]:
        first = C.REASON_DECLARED
        return {first + i: segment.text(self.head.reason[i].name) for i in range(self.head.reasons)}

    def metrics(self) -> dict[str, Any]:
        cells = [self.head.metric[i] for i in range(self.head.metrics)]
        return {segment.text(cell.name): cell for cell in cells}

    def state(self) -> bytes:
        return bytes(ffi.buffer(self.hop.base + self.head.state, C.HOP_STATE_BYTES))

    # ---- forwarder --------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Wake the host if it sleeps."""
        self.head.host_asleep = 0
        address = int(ffi.cast("uintptr_t", ffi.addressof(self.head, "host_asleep")))
        ctypes.CDLL(None).syscall(FUTEX, ctypes.c_void_p(address), FUTEX_WAKE, 2**31 - 1, None, None, 0)

    def _put(self, ring: int, cell: Any, refs: list[int]) -> None:
        slots = self.hop.at("uint32_t", ring)
        for i, ref in enumerate(refs):
            slots[(cell.position + i) % self.head.ring_slots] = ref
        cell.position = (cell.position + len(refs)) % 2**32

    def give_spares(self, n: int) -> None:
        refs = [self.free.pop(0) for _ in range(n)]
        self.spare.update(refs)
        self._put(self.head.spare, self.head.spare_head, refs)

    def bytes_of(self, frame: int) -> Any:
        """The frame's first byte."""
        return self.pool.base + self.pool.geometry.data + frame * self.frame_size

    def fill(
        self,
        data: bytes,
        *,
        port: int = 0,
        time_ns: int = 0,
        context: bytes = b"",
        mark: int = 0,
        graph: int = 0,
        timed: bool = False,
        watched: bool = False,
    ) -> int:
        """Put a packet into a free frame, as a port would; returns the frame. `timed`: the host is asked for stamps.
        `watched`: somebody would read notes."""
        frame = self.free.pop(0)
        record = self.records[frame]
        ffi.memmove(ffi.addressof(record), bytes(ffi.sizeof("struct frame_record")), ffi.sizeof(record))
        record.data, record.len = C.FRAME_HEADROOM, len(data)
        record.port, record.mark, record.graph = port, mark, graph
        record.time_ns = time_ns or time.monotonic_ns()
        record.taken = int(timed)
        record.l3, record.l4, record.l4_proto, record.flags = offsets(data)
        record.flags |= C.FRAME_WATCHED * watched
        for i, byte in enumerate(context):
            record.context[i] = byte
        ffi.memmove(self.bytes_of(frame) + record.data, data, len(data))
        return frame

    def hand(self, frames: list[int]) -> None:
        """Hand frames to the host."""
        self.at_host.update(frames)
        self._put(self.head.to_vnfc, self.head.to_vnfc_head, frames)
        self.wake()

    def send(self, *packets: bytes, **fields: Any) -> list[int]:
        """Hand packets to the host as one burst; returns their frames."""
        frames = [self.fill(data, **fields) for data in packets]
        self.hand(frames)
        return frames

    def taken(self) -> list[Back]:
        """What the host has given back by now. Frames are free again afterwards."""
        head, tail = self.head.from_vnfc_head.position, self.head.from_vnfc_tail.position
        slots = self.hop.at("uint32_t", self.head.from_vnfc)
        frames = [slots[(tail + i) % self.head.ring_slots] for i in range((head - tail) % 2**32)]
        self.head.from_vnfc_tail.position = head
        return [self._back(frame) for frame in frames]

    def _back(self, frame: int) -> Back:
        assert frame in self.at_host or frame in self.spare, f"frame {frame} was not the host's to give"
        self.at_host.discard(frame)
        self.spare.discard(frame)
        self.free.append(frame)
        r = self.records[frame]
        data = b""
        if r.data + r.len <= self.frame_size:
            data = bytes(ffi.buffer(self.bytes_of(frame) + r.data, r.len))
        context = bytes(ffi.buffer(r.context))
        return Back(
            frame, r.verdict, r.arg, data, r.port, r.flags, r.mark, context, r.l3, r.l4, r.l4_proto, r.graph,
            r.taken, r.given, self._note(frame) if r.flags & C.FRAME_NOTED else "",
        )  # fmt: skip

    def _note(self, frame: int) -> str:
        at = self.pool.geometry.notes + frame * C.FRAME_NOTE
        return bytes(ffi.buffer(self.pool.base + at, C.FRAME_NOTE)).partition(b"\0")[0].decode("utf-8", "replace")

    def collect(self, n: int) -> list[Back]:
        """Wait for at least n frames to come back. Raises TimeoutError."""
        back = self.taken()
        end = time.monotonic() + PATIENCE
        while len(back) < n:
            self.head.forwarder_asleep = 1
            back += self.taken()  # what came between the look and the flag rings no bell
            if len(back) < n and not select.select([self.bell], [], [], max(0.0, end - time.monotonic()))[0]:
                self.head.forwarder_asleep = 0
                raise TimeoutError(f"{len(back)} of {n} frames came back; host status {self.process.poll()}")
            self.head.forwarder_asleep = 0
            try:
                os.eventfd_read(self.bell)
            except BlockingIOError:
                pass
            back += self.taken()
        return back

    def settle(self) -> None:
        """Wait until the host sleeps with nothing left to do. Raises TimeoutError."""
        end = time.monotonic() + PATIENCE
        waiting = self.head.to_vnfc_head, self.head.to_vnfc_tail
        while self.head.host_asleep == 0 or waiting[0].position != waiting[1].position:
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError(f"the host does not come to rest; status {self.process.poll()}")
            select.select([], [], [], 0.001)

    def advance(self, clock: int) -> None:
        """Capture mode: move the hop's clock and wait until everything due by then was run."""
        self.head.clock = clock
        self.wake()
        end = time.monotonic() + PATIENCE
        while self.head.clock_seen < clock:
            if time.monotonic() > end or self.process.poll() is not None:
                raise TimeoutError(f"the clock is not seen; status {self.process.poll()}")
            select.select([], [], [], 0.001)

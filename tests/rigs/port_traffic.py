"""Traffic for the tests of ports, run inside namespaces; says one line when ready or done.

    serve PORT            receive one TCP stream, say its SHA-256 and length
    send HOST PORT MB     send one, say the same
    datagrams PORT COUNT  receive that many datagrams or give up, say how many and the SHA-256 of all
    segments HOST PORT SIZE COUNT   send COUNT datagrams with one UDP_SEGMENT send; say the SHA-256
    frames INTERFACE SIZE COUNT     send raw frames of that size, say how many
    bulk INTERFACE COUNT  count what arrives of them until a second goes by without
    across FROM TO SIZE COUNT       send raw frames on one interface, count what arrives on the other
    echoes HOST COUNT PAUSE         send so many ICMP echo requests, as many ms between; say how many came back
    offloaded INTERFACE GSO_TYPE GSO_SIZE START OFFSET HEX   send one frame whose checksum is left to the device
    heard INTERFACE COUNT           say such frames as they arrive, in hex, with a blank between
"""

from __future__ import annotations

import hashlib
import os
import random
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

SOL_PACKET, PACKET_VNET_HDR, ETH_P_ALL = 263, 15, 3
NEEDS_CSUM = 1
OFFLOADED = b"\x02\0\0\0\0\x77"  #: source address of frames by which `offloaded` and `heard` know each other
CHUNK = 1 << 20
SOL_UDP, UDP_SEGMENT = 17, 103
ETHERTYPE = 0x88B5  #: for local experiments
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
PATIENCE = 60  #: seconds: it bounds what fails, and says nothing about speed


def family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def serve(port: int) -> None:
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        print("ready", flush=True)
        server.settimeout(PATIENCE)
        connection, _ = server.accept()
        connection.settimeout(PATIENCE)
        digest, size = hashlib.sha256(), 0
        while data := connection.recv(CHUNK):
            digest.update(data)
            size += len(data)
        print(digest.hexdigest(), size, flush=True)


def send(host: str, port: int, megabytes: int) -> None:
    digest = hashlib.sha256()
    source = random.Random(megabytes)
    with socket.create_connection((host, port), PATIENCE) as stream:
        for _ in range(megabytes):
            data = source.randbytes(CHUNK)
            digest.update(data)
            stream.sendall(data)
    print(digest.hexdigest(), megabytes * CHUNK, flush=True)


def datagrams(port: int, count: int) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        udp.bind(("::", port))
        udp.settimeout(PATIENCE)
        print("ready", flush=True)
        digest, got = hashlib.sha256(), 0
        try:
            while got < count:
                digest.update(udp.recv(65535))
                got += 1
        except TimeoutError:
            pass
        print(digest.hexdigest(), got, flush=True)


def segments(host: str, port: int, size: int, count: int) -> None:
    data = random.Random(size).randbytes(size * count - size // 2)  # the last one is short
    with socket.socket(family(host), socket.SOCK_DGRAM) as udp:
        udp.setsockopt(SOL_UDP, UDP_SEGMENT, size)
        udp.sendto(data, (host, port))
    print(hashlib.sha256(data).hexdigest(), count, flush=True)


def frames(interface: str, size: int, count: int) -> None:
    frame = b"\xff" * 6 + b"\x02" * 6 + ETHERTYPE.to_bytes(2, "big")
    frame += bytes(size - len(frame))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 1 << 24)
        raw.bind((interface, 0))
        sent = sum(raw.send(frame) == size for _ in range(count))
    print(sent, flush=True)


def bulk(interface: str, count: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        raw.bind((interface, ETHERTYPE))
        raw.settimeout(5)
        print("ready", flush=True)
        got = 0
        try:
            while got < count:
                raw.recv(65535)
                got += 1
                raw.settimeout(1)
        except TimeoutError:
            pass
        print(got, flush=True)


def across(sending: str, receiving: str, size: int, count: int) -> None:
    """How many of so many frames sent on one interface come in by the other, and no more."""
    frame = bytes(range(6)) + b"\x02" * 6 + ETHERTYPE.to_bytes(2, "big")
    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as out,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as into,
    ):
        into.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 26)
        into.bind((receiving, ETHERTYPE))
        out.bind((sending, 0))
        mark = os.urandom(8)
        for _ in range(count):
            out.send((frame + mark).ljust(size, b"\0"))
        got, patience = 0, 20.0
        while True:
            into.settimeout(patience)
            try:
                got += mark in into.recv(65535)
            except TimeoutError:
                break
            if got >= count:
                patience = 0.3  # one more would be one too many
    print(got, flush=True)


def echoes(host: str, count: int, pause: int) -> None:
    """Unlike ping it waits for those that are still on their way, however quick the others were."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as icmp:
        came: set[bytes] = set()
        mark = os.urandom(8)

        def receive(until: float, enough: int) -> None:
            while len(came) < enough and (left := until - time.monotonic()) > 0:
                icmp.settimeout(left)
                with suppress(TimeoutError):
                    packet = icmp.recv(1 << 16)
                    if packet[20] == 0 and packet[28:36] == mark:  # echo reply
                        came.add(packet[24:28])

        for number in range(count):
            request = struct.pack("!BBHHH", 8, 0, 0, os.getpid() & 0xFFFF, number) + mark
            words = sum(struct.unpack(f"!{len(request) // 2}H", request))
            words = (words & 0xFFFF) + (words >> 16)
            checksum = ~((words & 0xFFFF) + (words >> 16)) & 0xFFFF
            icmp.sendto(request[:2] + checksum.to_bytes(2, "big") + request[4:], (host, 0))
            receive(time.monotonic() + pause / 1000, count + 1)
        receive(time.monotonic() + PATIENCE, count)
    print(len(came), flush=True)


def offloaded(interface: str, gso_type: int, gso_size: int, start: int, offset: int, frame: str) -> None:
    raw_frame = bytes.fromhex(frame)
    header = struct.pack("=BBHHHH", NEEDS_CSUM if start else 0, gso_type, start + 20, gso_size, start, offset)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        raw.bind((interface, 0))
        raw.send(header + raw_frame)
    print(len(raw_frame), flush=True)


def heard(interface: str, count: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
        raw.bind((interface, ETH_P_ALL))
        raw.settimeout(PATIENCE)
        print("ready", flush=True)
        found: list[str] = []
        while len(found) < count:
            frame = raw.recv(65535)
            if frame[6:12] == OFFLOADED:
                found.append(frame.hex())
    print(*found, flush=True)


if __name__ == "__main__":
    words: list[Any] = [int(word) if word.isdigit() and len(word) < 20 else word for word in sys.argv[2:]]
    pieces: tuple[Callable[..., None], ...] = (
        serve, send, datagrams, segments, frames, bulk, across, echoes, offloaded, heard,
    )  # fmt: skip
    {piece.__name__: piece for piece in pieces}[sys.argv[1]](*words)

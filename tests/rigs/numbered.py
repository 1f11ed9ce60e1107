"""Numbered datagrams, sent at a pace as long as somebody wants them; run inside namespaces.

    send HOST PORT RATE    until stdin ends; says how many
    receive PORT           until stdin ends, then what is there; says what came: {"came": how many, "twice": [those that
                           came more than once], "late": [[number, the greatest before it], ...], "missing": [...]},
                           20 of each
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

BURST_SECONDS = 0.002
SO_RCVBUFFORCE = 33


def over() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


def send(host: str, port: int, rate: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.connect((host, port))
        began, sent = time.monotonic(), 0
        while not over():
            due = int((time.monotonic() - began) * rate)
            while sent < due:
                out.send(struct.pack("!Q", sent))
                sent += 1
            time.sleep(BURST_SECONDS)
    print(sent, flush=True)


def receive(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        server.bind(("0.0.0.0", port))
        server.settimeout(0.2)
        print("ready", flush=True)
        seen: set[int] = set()
        twice: list[int] = []
        late: list[tuple[int, int]] = []
        last, ended = -1, False
        while True:
            try:
                number = struct.unpack("!Q", server.recv(8))[0]
            except TimeoutError:
                if ended:
                    break
                ended = over()
                continue
            if number in seen:
                twice.append(number)
            elif number < last:
                late.append((number, last))
            last = max(last, number)
            seen.add(number)
    missing = [number for number in range(last + 1) if number not in seen]
    told = {"came": len(seen), "twice": twice[:20], "late": late[:20], "missing": missing[:20]}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    word, *rest = sys.argv[1:]
    if word == "send":
        send(rest[0], int(rest[1]), int(rest[2]))
    else:
        receive(int(rest[0]))

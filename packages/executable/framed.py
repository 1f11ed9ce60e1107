#!/usr/bin/python3
"""Drops UDP to blocked ports. An ordinary program, without Coven's SDK: all it has is a socket on which it is
asked about each packet, in the messages of docs/exec.md."""

import json
import os
import socket
import struct

HEAD = struct.Struct("!IcBHI")  # length of what follows it, kind, a, b, id
FORWARD, DROP = 1, 2
BLOCKED = 0  # number of the reason in READY
UDP, IP4 = b"\x11", b"\x08\x00"
PACKET_BYTES = 32  # time, mark, port, link, whether it is watched, and context, before the packet's own
WATCHED = slice(14, 16)

READY = {
    "reasons": [{"name": "blocked", "why": "UDP to a port that the configuration blocks"}],
    "requests": [{"name": "seen", "why": "packets since the start", "unit": "packets", "args": []}],
}

coven = socket.socket(fileno=int(os.environ["COVEN_SOCKET"])).makefile("rwb")
block, seen = frozenset(), 0


def say(kind, a=0, b=0, number=0, body=b""):
    coven.write(HEAD.pack(HEAD.size - 4 + len(body), kind, a, b, number) + body)


def configure(config):
    global block
    if not all(isinstance(port, int) and 0 <= port < 65536 for port in config["block"]):
        raise ValueError("block: expected ports, 0 to 65535")
    block = frozenset(port.to_bytes(2, "big") for port in config["block"])


def is_blocked(data):
    if data[12:14] != IP4 or data[23:24] != UDP:  # slices: a packet may end anywhere
        return False
    at = 14 + (data[14] & 15) * 4
    return data[at + 2 : at + 4] in block


while head := coven.read(HEAD.size):
    length, kind, _, _, number = HEAD.unpack(head)
    body = coven.read(length - (HEAD.size - 4))
    if kind == b"P":
        seen += 1
        if is_blocked(body[PACKET_BYTES:]):
            if any(body[WATCHED]):
                say(b"S", number=number, body=b"the list of blocked ports in the configuration")
            say(b"V", DROP, BLOCKED, number)
        else:
            say(b"V", FORWARD, 0, number)
    elif kind == b"H":
        configure(json.loads(body)["config"])
        say(b"R", body=json.dumps(READY).encode())
    elif kind == b"C":
        try:
            configure(json.loads(body))
            say(b"A", 1, 0, number, b"null")
        except ValueError as mistake:
            say(b"A", 0, 0, number, json.dumps(str(mistake)).encode())
    elif kind == b"Q":
        say(b"A", 1, 0, number, json.dumps(seen).encode())
    elif kind == b"E":
        break
    coven.flush()

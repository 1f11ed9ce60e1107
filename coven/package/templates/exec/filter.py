#!/usr/bin/python3
"""Drops TCP over IPv4 to port 23 and forwards everything else. An ordinary program without Coven's SDK: it is asked
about each packet on a socket, in the messages of Coven's docs/exec.md. Any other executable may stand here."""

import json
import os
import socket
import struct

READY = {"reasons": [{"name": "telnet", "why": "telnet is not allowed here"}]}
FORWARD, DROP = 1, 2
HEAD = struct.Struct("!IcBHI")  # how many bytes follow, kind, a, b, id

coven = socket.socket(fileno=int(os.environ["COVEN_SOCKET"])).makefile("rwb")


def say(kind, a=0, b=0, number=0, body=b""):
    coven.write(HEAD.pack(8 + len(body), kind, a, b, number) + body)
    coven.flush()


def is_telnet(frame):
    tcp = 14 + (frame[14] & 15) * 4
    return frame[12:14] == b"\x08\x00" and frame[23] == 6 and frame[tcp + 2 : tcp + 4] == b"\x00\x17"


while head := coven.read(HEAD.size):
    length, kind, _, _, number = HEAD.unpack(head)
    body = coven.read(length - 8)
    if kind == b"P":  # a packet, behind 32 bytes about it; `b` of the verdict is the reason's number
        say(b"V", DROP if len(body) > 32 + 34 and is_telnet(body[32:]) else FORWARD, 0, number)
    elif kind == b"H":  # hello
        say(b"R", body=json.dumps(READY).encode())
    elif kind == b"C":  # another configuration
        say(b"A", 1, 0, number, b"null")
    elif kind == b"E":  # the end
        break

"""A Skype client behind `in` logs in and calls out; supernodes answer by `out`."""

import random

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

CLIENT, NODE = "192.0.2.10", "198.51.100.20"
HELLO = bytes.fromhex(
    "8046010301002d00000010"
    "00000500000400000a000009000064000062000008000003000006"
    "0100800700c0030080060040020080040080"
)
# a server hello of 74 bytes: time and random are fixed, the session's id (32 bytes) is not
REPLY = bytes.fromhex(
    "160301004a020000460301401be48602ade029e17774e544b9c99cb431315e02dd779d154a9609ba5da87020"
)
CIPHER = bytes.fromhex("000500")


def packets(near="in", far="out"):
    def out(segment):
        return near, Ether() / IP(src=CLIENT, dst=NODE) / segment

    def back(segment):
        return far, Ether() / IP(src=NODE, dst=CLIENT) / segment

    some = random.randbytes
    # over TCP 443, with the fixed hello and its fixed answer
    yield out(TCP(sport=40001, dport=443, flags="S", seq=1000))
    yield back(TCP(sport=443, dport=40001, flags="SA", seq=5000, ack=1001))
    yield out(TCP(sport=40001, dport=443, flags="PA", seq=1001, ack=5001) / (HELLO + some(16)))
    yield back(TCP(sport=443, dport=40001, flags="PA", seq=5001, ack=1073) / (REPLY + some(32) + CIPHER))
    # the same over TCP 80
    yield out(TCP(sport=40002, dport=80, flags="PA", seq=1, ack=1) / (HELLO + some(16)))
    # login
    yield out(TCP(sport=40003, dport=443, flags="PA", seq=1, ack=1) / bytes.fromhex("1603010000"))
    yield back(TCP(sport=443, dport=40003, flags="PA", seq=1, ack=6) / bytes.fromhex("1703010000"))
    # a first message of 72 bytes, sent twice because the first one never arrived
    yield out(TCP(sport=40004, dport=443, flags="S", seq=2**32 - 1))
    first = b"\x42\xfe" + some(70)
    yield out(TCP(sport=40004, dport=443, flags="PA", seq=0, ack=1) / first)
    yield out(TCP(sport=40004, dport=443, flags="PA", seq=0, ack=1) / first)
    # over UDP: probes, the refusal that names its receiver's address, and the message said again
    # two probes, of which the first proves nothing
    other, identifier, seed = b"\x13\x57", b"\x24\x68", some(4)
    yield out(UDP(sport=33033, dport=12345) / (other + b"\x02" + some(15)))
    yield out(UDP(sport=33033, dport=12345) / (identifier + b"\x02" + some(15)))
    yield back(UDP(sport=12345, dport=33033) / (identifier + b"\x37" + bytes([192, 0, 2, 10]) + seed))
    yield out(UDP(sport=33033, dport=12345) / (identifier + b"\x03\x01" + seed + some(15)))

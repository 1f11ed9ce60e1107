"""What resembles Skype in one respect or another and must pass."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

CLIENT, SERVER = "192.0.2.10", "198.51.100.20"
some = random.randbytes


def tls_record(kind, version, body):
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def client_hello(length, record_version=0x0301):
    """A TLS 1.2 or 1.3 client hello, the whole record `length` bytes long."""
    suites = bytes.fromhex("130113021303c02bc02fc02cc030009c009d")
    fixed = 4 + 2 + 32 + 1 + 2 + 2 + 2
    if length < 5 + fixed + len(suites):
        suites = suites[:2]
    padding = length - 5 - fixed - len(suites)
    extensions = b"\x00\x15" + (padding - 4).to_bytes(2, "big") + bytes(padding - 4) if padding >= 4 else b""
    body = (b"\x03\x03" + some(32) + b"\x00" + len(suites).to_bytes(2, "big") + suites + b"\x01\x00"
            + len(extensions).to_bytes(2, "big") + extensions)
    return tls_record(0x16, record_version, b"\x01" + len(body).to_bytes(3, "big") + body)


def server_hello():
    """TLS 1.0, of the very size of Skype's, but with random bytes that are random."""
    body = b"\x03\x01" + some(32) + b"\x20" + some(32) + b"\x00\x05\x00"
    return tls_record(0x16, 0x0301, b"\x02" + len(body).to_bytes(3, "big") + body)


# an SSL 2.0 hello with other cipher specs than Skype's, 78 bytes with its challenge
OLD_BROWSER = bytes.fromhex(
    "804c01030000330000001000000400000500000a0100800700c003008000000906004000006400006200000300000602008004"
    "0080000013000012000063"
)

TEXT_72 = b"GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nAccept: */*\r\nX: 1234\r\n\r\n"[:72]


def conversation(sport, dport, *messages):
    """A TCP connection in which the client sends these messages one after the other."""
    wire = Ether() / IP(src=CLIENT, dst=SERVER)
    seq = 7000
    yield wire / TCP(sport=sport, dport=dport, flags="S", seq=seq)
    seq += 1
    for message in messages:
        yield wire / TCP(sport=sport, dport=dport, flags="PA", seq=seq, ack=1) / message
        seq += len(message)


def tcp():
    yield from conversation(40001, 80, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")
    yield from conversation(40002, 80, TEXT_72)  # 72 bytes, but text, and to port 80
    yield from conversation(40003, 443, TEXT_72)  # a confused client
    yield from conversation(40004, 443, client_hello(517), tls_record(0x17, 0x0303, some(67)))
    yield from conversation(40005, 443, client_hello(72), some(72))  # the 72 bytes are no first message
    yield from conversation(40006, 443, client_hello(230, 0x0303))
    yield from conversation(40007, 443, OLD_BROWSER + some(16))
    yield from conversation(40008, 443, b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3".ljust(70) + b"\r\n")
    yield from conversation(40009, 22, some(72))  # another port
    yield from conversation(40010, 80, some(72))  # binary, but no HTTPS port
    request, answer = Ether() / IP(src=CLIENT, dst=SERVER), Ether() / IP(src=SERVER, dst=CLIENT)
    yield request / TCP(sport=40011, dport=443, flags="PA", seq=9) / some(72)  # a connection without its SYN
    for payload in (server_hello(), b"\x16\x03\x03\x00\x5a" + some(90), some(1400)):
        yield "out", answer / TCP(sport=443, dport=40004, flags="PA", seq=1) / payload
    page = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    yield "out", answer / TCP(sport=80, dport=40001, flags="PA", seq=1) / page


def udp():
    out, back = Ether() / IP(src=CLIENT, dst=SERVER), Ether() / IP(src=SERVER, dst=CLIENT)
    query = bytes.fromhex("1234010000010000000000000765") + b"xample\x03org\x00\x00\x01\x00\x01"
    yield out / UDP(sport=50001, dport=53) / query
    yield "out", back / UDP(sport=53, dport=50001) / (query[:2] + b"\x81\x80" + query[4:])
    yield out / UDP(sport=50002, dport=123) / (b"\x23" + bytes(47))
    # QUIC begins with 1200 bytes, and may say 18 later
    yield out / UDP(sport=50003, dport=443) / (b"\xc3\x00\x00\x00\x01\x08" + some(1194))
    yield out / UDP(sport=50003, dport=443) / (b"\x41\xff\x02" + some(15))
    # RTP: bytes 2 and 3 count packets
    yield out / UDP(sport=50004, dport=5004) / (b"\x80\x00\x01\xff" + some(168))
    yield out / UDP(sport=50004, dport=5004) / (b"\x80\x0d\x02\x00" + some(14))
    yield out / UDP(sport=50005, dport=9999) / (b"\x12\x34\x01" + some(15))  # 18 bytes, another third byte
    yield out / UDP(sport=50006, dport=9999) / (b"\x12\x34\x02" + some(16))  # 19 bytes
    # Omron FINS: requests of 18 bytes begin alike, and so may the answers
    request = bytes.fromhex("800002001400000a00010101820064000001")
    for _ in range(3):
        yield out / UDP(sport=9600, dport=9600) / request
        yield "out", back / UDP(sport=9600, dport=9600) / (b"\xc0" + request[1:])
    nobody = bytes([203, 0, 113, 9])
    yield out / UDP(sport=50007, dport=9999) / (b"\x12\x34\x37" + nobody + some(4))
    yield out / UDP(sport=50008, dport=9999) / (b"\x12\x34\x03" + some(20))  # 23 bytes, repeats nothing
    yield out / UDP(sport=50009, dport=9999) / b"\x02"


def packets():
    yield from tcp()
    yield from udp()
    yield Ether() / ARP(psrc=CLIENT, pdst=SERVER)
    yield Ether() / IP(src=CLIENT, dst=SERVER) / ICMP() / some(18)
    hello = TCP(sport=1, dport=443, flags="PA") / client_hello(300)
    yield Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / hello
    yield Ether() / Dot1Q(vlan=7) / IP(src=CLIENT, dst=SERVER) / hello
    yield Ether() / IP(src=CLIENT, dst=SERVER, frag=100, proto=17) / some(26)
    yield Ether(type=0x88CC) / some(60)

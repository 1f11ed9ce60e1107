"""The rules of packages/l7-firewall: what each recognizes, and that what resembles it passes."""

from __future__ import annotations

import importlib.util
import random
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

PACKAGE = Path(__file__).resolve().parents[3] / "packages" / "l7-firewall"
HTTPS = frozenset({443})
FLOW = b"a flow's key"


def load() -> Any:
    """The package's skype.py, under a name of our own."""
    spec = importlib.util.spec_from_file_location("l7_firewall_skype", PACKAGE / "skype.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


skype = load()
some = random.Random(4).randbytes


def tcp(payload: bytes, dport: int = 443, sport: int = 40000, seq: int = 1, ip: Any = None) -> Any:
    """As it comes off the wire: built and dissected."""
    ip = ip or IP(src="192.0.2.1", dst="198.51.100.1")
    return Ether(bytes(Ether() / ip / TCP(sport=sport, dport=dport, flags="PA", seq=seq) / payload))


def udp(payload: bytes, dport: int = 12345, dst: str = "198.51.100.1") -> Any:
    return Ether(bytes(Ether() / IP(src="192.0.2.1", dst=dst) / UDP(sport=33033, dport=dport) / payload))


def which(packet: Any, memory: Any = None, flow: bytes = FLOW) -> str | None:
    message = packet[TCP] if TCP in packet else packet[UDP]
    receiver = packet[IP].dst if IP in packet else None
    rule: str | None = skype.which(message, flow, memory or skype.Memory(), HTTPS, receiver, "192.0.2.1")
    return rule


def opened(seq: int = 1) -> Any:
    """A memory that has seen the connection's SYN."""
    memory = skype.Memory()
    memory.opened.put(FLOW, seq)
    return memory


# ---- what is found -------------------------------------------------------------------------------


def test_the_hello_is_72_bytes_of_which_56_are_fixed() -> None:
    assert (len(skype.HELLO), skype.HELLO_BYTES) == (56, 72)
    assert int.from_bytes(skype.HELLO[:2], "big") & 0x7FFF == skype.HELLO_BYTES - 2  # an SSL 2.0 record


@pytest.mark.parametrize("port", [80, 443])
@pytest.mark.parametrize("ip", [IP(), IPv6()], ids=["IPv4", "IPv6"])
def test_hello(port: int, ip: Any) -> None:
    assert which(tcp(skype.HELLO + some(16), port, ip=ip)) == "hello"


@pytest.mark.parametrize("ends", [(443, 40000), (40000, 443), (80, 80)])
@pytest.mark.parametrize(("rule", "payload"), [
    ("login", bytes.fromhex("1603010000")),
    ("login", bytes.fromhex("1603010000") + bytes(40)),
    ("login", bytes.fromhex("1703010000")),
    ("reply", skype.REPLY + b"\x20" + some(32) + b"\x00\x05\x00"),
])
def test_fixed_bytes_in_either_direction(rule: str, payload: bytes, ends: tuple[int, int]) -> None:
    assert which(tcp(payload, sport=ends[0], dport=ends[1])) == rule
    assert payload[:5] in skype.OPENINGS  # so the analyzer's glance sends it here


def test_first_message_of_72_bytes() -> None:
    assert which(tcp(b"\x42" + some(71), seq=77), opened(77)) == "first"
    assert which(tcp(b"\x42" + some(71), seq=0), opened(0)) == "first"


def test_udp_exchange() -> None:
    memory, identifier, seed = skype.Memory(), b"\xab\xcd", some(4)
    assert which(udp(b"\x12\x34\x02" + some(15)), memory, b"another flow") is None, "one proves nothing"
    assert which(udp(identifier + b"\x02" + some(15)), memory) == "probe"
    assert which(udp(identifier + b"\x47" + some(4) + seed, dst="192.0.2.1"), memory) == "echo"
    assert which(udp(identifier + b"\x03\x01" + seed + some(15)), memory) == "echo"


def test_refusal_is_known_by_its_receivers_address() -> None:
    payload = b"\x12\x34\x07" + bytes([198, 51, 100, 1]) + some(4)
    assert which(udp(payload)) == "echo"
    assert which(udp(payload, dst="198.51.100.2")) is None


# ---- what passes ---------------------------------------------------------------------------------


def tls_messages(version: ssl.TLSVersion) -> Iterator[bytes]:
    """What a real client and server say to each other, without a network; the server has no certificate,
    so it answers with an alert."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:aNULL:@SECLEVEL=0")
    pipes = [ssl.MemoryBIO() for _ in range(4)]
    ends = [client.wrap_bio(pipes[0], pipes[1], server_hostname="example.org"),
            server.wrap_bio(pipes[2], pipes[3], server_side=True)]  # fmt: skip
    for _ in range(3):
        for end, (there, back) in zip(ends, ((pipes[1], pipes[2]), (pipes[3], pipes[0])), strict=True):
            try:
                end.do_handshake()
            except ssl.SSLError:
                pass
            message = there.read()
            if message:
                yield message
                back.write(message)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_real_tls_passes(version: ssl.TLSVersion) -> None:
    messages = list(tls_messages(version))
    assert len(messages) >= 2, "client hello and an answer"
    for message in messages:
        for payload in (message, message[:72], message[:1448]):
            assert which(tcp(payload), opened()) is None
            assert which(tcp(payload, dport=40000, sport=443), opened()) is None


@pytest.mark.parametrize("payload", [
    skype.HELLO + bytes(15),  # cut short, or longer: not that message
    skype.HELLO + bytes(17),
    bytes.fromhex("8046010300") + skype.HELLO[5:] + bytes(16),
    bytes.fromhex("804c0103000033000000100000040000") + some(62),  # an old browser's SSL 2.0 hello
    skype.REPLY[:11] + some(32) + b"\x20" + some(32) + b"\x00\x05\x00",  # another server
    bytes.fromhex("16030100c5010000c10303") + some(193),
    bytes.fromhex("1703010020") + some(32),
    bytes.fromhex("1503010002") + b"\x01\x00",
    b"GET /72 HTTP/1.1\r\nHost: www.example.org\r\n".ljust(70, b".") + b"\r\n",
    b"",
])
def test_not_skype_over_tcp(payload: bytes) -> None:
    assert which(tcp(payload), opened()) is None


def test_72_bytes_that_are_no_first_message() -> None:
    payload = b"\x42" + some(71)
    assert which(tcp(payload, seq=2), opened(1)) is None, "later in the connection"
    assert which(tcp(payload)) is None, "a connection whose beginning was not seen"
    assert which(tcp(payload, dport=80), opened()) is None, "binary to port 80"
    assert which(tcp(payload, dport=40000, sport=443), opened()) is None, "from the server"
    tls = b"\x16\x03\x01\x00\x43\x01" + some(66)
    assert len(tls) == 72 and which(tcp(tls), opened()) is None


@pytest.mark.parametrize("payload", [
    b"\x12\x34\x01" + some(15),  # 18 bytes, another third byte
    b"\x12\x34\x12" + some(15),
    b"\x12\x34\x02" + some(14),  # the third byte, another size
    b"\x12\x34\x02" + some(16),
    b"\x12\x34\x07" + bytes([9, 9, 9, 9]) + some(4),
    b"\x12\x34\x03" + some(20),
    b"\x00\x01\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x10\x00\x01",  # DNS, the root's keys
    b"\x23" + bytes(47),  # NTP
])
def test_not_skype_over_udp(payload: bytes) -> None:
    assert which(udp(payload)) is None


def test_18_bytes_in_a_conversation_that_began_otherwise() -> None:
    memory = skype.Memory()
    memory.talking.put(FLOW, True)
    assert which(udp(b"\x41\xff\x02" + some(15), dport=443), memory) is None
    assert which(udp(b"\x12\x34\x02" + some(15), dport=443), memory, b"another flow") is None
    assert which(udp(b"\x41\xff\x02" + some(15), dport=443), memory, b"another flow") == "probe"


def test_constant_first_bytes_are_no_identifier() -> None:
    memory = skype.Memory()
    for number in range(50):
        assert which(udp(b"\x80\x00\x02" + some(15), dport=9600), memory, bytes([number % 5])) is None


@given(st.binary(min_size=3, max_size=120), st.sampled_from([80, 443, 53, 9999]))
def test_no_payload_breaks_it(payload: bytes, port: int) -> None:
    assert which(tcp(payload, port), opened()) in (None, *skype.RULES)
    assert which(udp(payload, port)) in (None, *skype.RULES)


# ---- memory --------------------------------------------------------------------------------------


def test_memory_is_bounded_and_keeps_the_latest() -> None:
    recent = skype.Recent(3)
    for key in (b"a", b"b", b"c", b"a", b"d"):
        recent.put(key, key)
    assert list(recent) == [b"c", b"a", b"d"]


def test_numbers_are_stable() -> None:
    """They are what operators find in a packet's context."""
    assert skype.NUMBER == {"first": 1, "hello": 2, "reply": 3, "login": 4, "probe": 5, "echo": 6}

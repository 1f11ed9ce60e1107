"""What Skype (versions 1 to 5, until 2014) looks like on the wire, and what only resembles it.

Each rule looks at one message: the first 72 payload bytes of a TCP segment or UDP datagram. Nothing here
depends on the port of arrival: both directions of a conversation are looked at alike.

Sources, by the letters in the rules below:
[E] S. Ehlert, S. Petgang, T. Magedanz, D. Sisalem: Analysis and Signature of Skype VoIP Session Traffic.
    CIIT 2006. Port usage, message sizes, fixed bytes, identifiers that come back at other offsets.
[B] S. Baset, H. Schulzrinne: An Analysis of the Skype Peer-to-Peer Internet Telephony Protocol. Columbia
    University CUCS-039-04, 2004; INFOCOM 2006; with the FAQ at www.cs.columbia.edu/~salman/skype.
[O] OpenSkype project, wiki page "Skype's UDP Format": what the UDP messages' fields are.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import TCP, UDP

#: name -> what it recognizes. The number of a rule, from 1, is what the packet is marked with.
RULES = {
    "first": "a first message of 72 bytes to an HTTPS port that is no TLS",
    "hello": "the fixed 56 bytes of Skype's SSL 2.0 client hello",
    "reply": "the server hello whose random bytes never change",
    "login": "a TLS record of length zero opens the login exchange",
    "probe": "first UDP messages of 18 bytes, third byte 0x02, from a sender whose identifiers change",
    "echo": "a UDP answer that repeats a probe's identifier or the receiver's address",
}
NUMBER = {name: number for number, name in enumerate(RULES, 1)}

LOOKED_AT = 72  #: payload bytes

# [E] The message that opens a connection to port 443: an SSL 2.0 record of 70 bytes that offers TLS 1.0, 15
# cipher specs (45 = 0x2d bytes) and a challenge of 16 bytes. All but the challenge is fixed.
HELLO = bytes.fromhex(
    "80 46 01 03 01 00 2d 00 00 00 10"
    "00 00 05 00 00 04 00 00 0a 00 00 09 00 00 64 00 00 62 00 00 08 00 00 03 00 00 06"
    "01 00 80 07 00 c0 03 00 80 06 00 40 02 00 80 04 00 80"
)
HELLO_BYTES = len(HELLO) + 16

# [E] The answer: a TLS 1.0 server hello of 74 bytes whose time and random bytes, different for every real
# server and connection, are always these.
REPLY = bytes.fromhex(
    "16 03 01 00 4a 02 00 00 46 03 01"
    "40 1b e4 86 02 ad e0 29 e1 77 74 e5 44 b9 c9 9c b4 31 31 5e 02 dd 77 9d 15 4a 96 09 ba 5d a8 70"
)

# [B] Login: the client opens with an empty handshake record, the server with an empty record of
# application data. TLS forbids the first (RFC 5246, 6.2.1), and the second cannot be on the wire: a record
# carries at least its MAC.
LOGIN = (bytes.fromhex("16 03 01 00 00"), bytes.fromhex("17 03 01 00 00"))

#: What a TCP payload begins with if it is worth dissecting: five bytes, one look-up.
OPENINGS = frozenset({HELLO[:5], REPLY[:5], *LOGIN})

# [E, O] UDP: two bytes identify the message, the low half of the third is its kind: 2 a message (18 bytes
# when it probes for a peer), 7 "cannot read this: you are ADDRESS to me, say it again with SEED" (11 bytes),
# 3 the message said again with that seed (23 bytes).
PROBE_BYTES, REFUSAL_BYTES, AGAIN_BYTES = 18, 11, 23
UDP_BYTES = frozenset({PROBE_BYTES, REFUSAL_BYTES, AGAIN_BYTES})
MESSAGE, REFUSAL, AGAIN = 0x02, 0x7, 0x3


class Recent(dict[bytes, Any]):
    """A dictionary that keeps the last `limit` keys put into it."""

    def __init__(self, limit: int):
        super().__init__()
        self.limit = limit

    def put(self, key: bytes, value: Any) -> None:
        self.pop(key, None)
        if len(self) >= self.limit:
            del self[next(iter(self))]
        self[key] = value


class Memory:
    """What must be remembered of conversations to judge a message. A flow's key is the same both ways."""

    def __init__(self, flows: int = 8192):
        self.opened = Recent(flows)  #: flow -> sequence number of the client's first byte
        self.talking = Recent(flows)  #: UDP flows that began with something else
        self.probes = Recent(1024)  #: flow -> identifier of its probe
        self.senders = Recent(1024)  #: address and port -> identifier of its first probe
        self.refusals = Recent(1024)  #: flow -> (identifier, seed)


def which(
    message: TCP | UDP, flow: bytes, memory: Memory, https_ports: frozenset[int], receiver: str | None, sender: str
) -> str | None:
    """The rule that a message (as Scapy dissects it, from the transport header on) meets, or None. `receiver` is
    its IPv4 destination, None with IPv6; `sender` its source, of either kind."""
    if isinstance(message, TCP):
        return _tcp(message, flow, memory, https_ports)
    return _udp(message, flow, memory, receiver, f"{sender} {message.sport}".encode())


def _tcp(tcp: TCP, flow: bytes, memory: Memory, https_ports: frozenset[int]) -> str | None:
    payload: bytes = tcp.payload.original
    start = payload[:LOOKED_AT]
    if start.startswith(HELLO) and len(payload) == HELLO_BYTES:
        return "hello"
    if start.startswith(REPLY):
        return "reply"
    if start.startswith(LOGIN):
        return "login"
    if (
        len(payload) == HELLO_BYTES
        and tcp.dport in https_ports
        and memory.opened.get(flow) == tcp.seq
        and not _is_tls(start)
        and not _is_text(start)
    ):
        return "first"
    return None


def _is_tls(start: bytes) -> bool:
    """A handshake record, or an SSL 2.0 hello: old browsers sent that, with other cipher specs."""
    return (start[0] == 0x16 and start[1] == 0x03) or (start[0] & 0x80 != 0 and start[2:4] == b"\x01\x03")


def _is_text(start: bytes) -> bool:
    """A request line or banner (HTTP, SSH): what people also run on an HTTPS port."""
    return all(0x20 <= byte < 0x7F for byte in start[:8])


def may_probe(payload: bytes) -> bool:
    """It has a probe's form. That proves nothing yet: requests of Omron FINS are such messages, too."""
    return len(payload) == PROBE_BYTES and payload[2] == MESSAGE


def _probes(identifier: bytes, flow: bytes, memory: Memory, sender: bytes) -> bool:
    """The identifier of each Skype message is another; in other protocols these bytes are constants."""
    memory.probes.put(flow, identifier)
    first = memory.senders.get(sender)
    if first is None:
        memory.senders.put(sender, identifier)
    return first is not None and first != identifier


def _udp(udp: UDP, flow: bytes, memory: Memory, receiver: str | None, sender: bytes) -> str | None:
    payload: bytes = udp.payload.original
    if len(payload) < REFUSAL_BYTES:  # shorter than any message that is known
        return None
    size, identifier, kind = len(payload), payload[:2], payload[2]
    if flow in memory.talking:
        return None
    if may_probe(payload):
        return "probe" if _probes(identifier, flow, memory, sender) else None
    if size == REFUSAL_BYTES and kind & 0x0F == REFUSAL:
        told = ".".join(map(str, payload[3:7]))
        if told == receiver or memory.probes.get(flow) == identifier:
            memory.refusals.put(flow, (identifier, payload[7:11]))
            return "echo"
    if size == AGAIN_BYTES and kind & 0x0F == AGAIN:
        return "echo" if memory.refusals.get(flow) == (identifier, payload[4:8]) else None
    return None

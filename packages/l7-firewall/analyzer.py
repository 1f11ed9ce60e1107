"""Finds Skype and marks it: byte 0 of the packet's context becomes the number of the rule that it meets.

Nearly all packets are let go after a glance at lengths, ports and the first five payload bytes; only what
could be Skype is dissected with Scapy and compared with the fingerprints in skype.py. This VNFC drops
nothing: that is for whoever comes after it in the chain.
"""

from skype import HELLO_BYTES, NUMBER, OPENINGS, RULES, UDP_BYTES, Memory, may_probe, which
from vnfc import counter, forward, now, request, state

SUSPECTS = 20  # the last of them are kept for the request of that name
UDP_HEADER = 8
SYN, ACK = 0x02, 0x10

dissected = counter("dissected", "packets that needed a closer look, with Scapy", "packets")
found = {name: counter(f"found_{name}", about, "packets") for name, about in RULES.items()}

on = frozenset()  # rules that are enabled
ports = https_ports = frozenset()
udp_sizes = frozenset()  # UDP lengths (header included) worth a closer look
memory = Memory()

FORWARD = forward()


def configure(config):
    global on, ports, https_ports, udp_sizes
    unknown = set(config.rules) - set(RULES)
    if unknown:
        raise ValueError(f"rules: found {min(unknown)!r}, expected some of {', '.join(RULES)}")
    on = frozenset(config.rules)
    ports, https_ports = frozenset(config.ports), frozenset(config.https_ports)
    udp_sizes = frozenset(size + UDP_HEADER for size in UDP_BYTES) if on & {"probe", "echo"} else frozenset()


def handle(packet):
    tcp = packet.tcp
    if tcp is not None:
        if tcp.dport in ports or tcp.sport in ports:
            payload = packet.payload
            if payload[:5] in OPENINGS or (len(payload) == HELLO_BYTES and tcp.dport in https_ports):
                look_closer(packet)
            elif not payload and tcp.flags & (SYN | ACK) == SYN:
                memory.opened.put(packet.flow, (tcp.seq + 1) & 0xFFFFFFFF)
        return FORWARD
    udp = packet.udp
    if udp is not None and udp_sizes:
        flow = packet.flow
        if flow not in memory.talking and not (udp.len in udp_sizes and look_closer(packet)):
            memory.talking.put(flow, True)
    return FORWARD


def look_closer(packet):
    """Dissect and judge the packet; returns whether it meets a rule, enabled or not, or may yet turn out to."""
    dissected.add()
    receiver, sender = packet.ip.dst if packet.ip else None, (packet.ip or packet.ip6).src
    rule = which(packet.scapy("transport"), packet.flow, memory, https_ports, receiver, sender)
    if rule in on:
        packet.context[0] = NUMBER[rule]
        found[rule].add()
        remember(packet, rule)
    return rule is not None or (packet.udp is not None and may_probe(packet.payload))


def remember(packet, rule):
    ip, ends = packet.ip or packet.ip6, packet.tcp or packet.udp
    suspects = state.setdefault("suspects", [])
    suspects.append({"time": round(now(), 6), "rule": rule, "from": f"{ip.src} port {ends.sport}",
                     "to": f"{ip.dst} port {ends.dport}"})
    del suspects[:-SUSPECTS]
    hits = state.setdefault("hits", {})
    hits[rule] = hits.get(rule, 0) + 1


@request("hits", "packets marked since the last reset, by rule", "packets")
def hits():
    return {name: state.get("hits", {}).get(name, 0) for name in RULES}


@request("suspects", "the packets that were marked last, newest first")
def suspects(count: int = 5):
    if not 1 <= count <= SUSPECTS:
        raise ValueError(f"count: found {count}, expected 1 to {SUSPECTS}")
    return state.get("suspects", [])[::-1][:count]


@request("rules", "the rules, what they recognize and whether they are enabled")
def rules():
    return {name: {"number": NUMBER[name], "recognizes": about, "enabled": name in on}
            for name, about in RULES.items()}


@request("reset", "forget hits and suspects; answers how many packets had been marked", "packets", changes=True)
def reset():
    marked = sum(state.pop("hits", {}).values())
    state.pop("suspects", None)
    return marked

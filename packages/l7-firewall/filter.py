"""filter.c in Python: drops what the analyzer marked, as byte 0 of the packet's context says."""

from vnfc import config, counter, drop, forward, reason, request, state

RULES = 256

marked = reason("marked", "the analyzer marked this packet as Skype")
marked_packets = counter("marked_packets", "packets that came marked, dropped or not", "packets")
marked_bytes = counter("marked_bytes", "bytes of packets that came marked", "bytes")

FORWARD = forward()
DROPS = [drop(marked, note=f"rule {rule} of the analyzer") for rule in range(RULES)]  # a trace shows the note


def handle(packet):
    rule = packet.context[0]
    if rule == 0:
        return FORWARD
    hits = state.setdefault("hits", {})
    hits[str(rule)] = hits.get(str(rule), 0) + 1
    marked_packets.add()
    marked_bytes.add(packet.len)
    return FORWARD if config.observe else DROPS[rule]


@request("hits", "marked packets since the last reset; of one rule by its number, 0 of all", "packets")
def hits(rule: int = 0):
    if not 0 <= rule < RULES:
        raise ValueError(f"rule: found {rule}, expected 0 to {RULES - 1}")
    found = state.get("hits", {})
    return found.get(str(rule), 0) if rule else sum(found.values())


@request("reset", "set the hits to zero", changes=True)
def reset():
    state.pop("hits", None)
    return True

"""The components of the contract in Python, by what they show."""

from __future__ import annotations

TEXTS = {
    "verdicts": """
r = reason("r", "why")
def oh():
    raise KeyError("oh")
ANSWERS = [
    lambda: forward(), lambda: forward(1), lambda: forward("other"), lambda: forward(flow=True), back,
    consume, lambda: drop(r), lambda: drop(r, flow=True), lambda: None,
    lambda: forward("nowhere"), lambda: forward(-1), oh,
]
def handle(p):
    return ANSWERS[p.tcp.dport]()
""",
    "changing": """
def one(p):
    p.ip.src, p.tcp.dport = "192.0.2.9", 99
def two(p):
    p.ip.ttl -= 1
def three(p):
    p.push(b"\\1\\2")
    p.pull(2)
    p.put(b"\\7")
    p.put(1)
    p.trim(58)
def four(p):
    p.trim(2)
    p.data[0], p.data[1] = 5, 6
def five(p):
    p.data[54] = ord("J")
    p.fix_checksums()
CHANGES = [one, two, three, four, five, lambda p: p.pull(1000), lambda p: p.data[len(p.data)], lambda p: p.push(100000)]
def handle(p):
    CHANGES[p.tcp.dport - 1](p)
    return forward()
""",
    "making": """
def handle(p):
    if p.tcp.dport == 2:
        copy = p.copy()
        copy.ip.ttl = 3
        emit(copy, "other")
        p.copy_to(0)
        emit(new_packet(bytes(60)), 0, "out")
        p.copy()
        return consume()
    if p.tcp.dport == 3:
        emit(p)
    return forward()
""",
    "holding": """
late = reason("late")
held, times = [], []
@every(0.5)
def tick():
    times.append(now())
def let_go():
    first = held.pop(0)
    release(first, forward() if held else drop(late))
def handle(p):
    held.append(p)
    p.ip.ttl = 9
    after(2, let_go)
    return hold(p)
@request("times")
def seen():
    return times
""",
    "notes": """
r = reason("r")
made = counter("made")
WHOLE = drop(r, note="said at the beginning")
def counted():
    made.add()
    return "made for whoever watches"
def handle(p):
    n = p.tcp.dport
    if n == 4:
        after(0.01, lambda: release(p, drop(r, note="of one that was held")))
        return hold(p)
    p.push(4)
    p.pull(4)
    return (drop(r, note="rule 7"), drop(r, note=counted), drop(r, note="\u00fc" * 200), WHOLE, None, forward())[n]
""",
    "notes of a burst": """
r = reason("r")
def handle_burst(burst):
    burst.drop(burst.dport == 1, r, note="one")
""",
    "too many held": """
kept = []
def handle(p):
    kept.append(p)
    return hold(p)
def exit():
    for p in kept:
        try:
            release(p)
        except Exception:
            log("gone")
""",
    "configuration": """
level = gauge("level", "why", "unit")
sizes = histogram("sizes", "why", "bytes")
def configure(c):
    if c.limit < 0:
        raise ValueError("limit: at least 0")
    level.set(c.limit)
def handle(p):
    state["seen"] = state.get("seen", 0) + 1
    sizes.observe(p.len)
    return forward()
@request("seen", "so far", "packets")
def seen(more: int, times: float = 2.0, text: str = 'a"b'):
    if more < 0:
        raise ValueError("more")
    return (state.get("seen", 0) + more) * times
@request("where", changes=True)
def where():
    return {"ports": list(ports), "mac": ports["in"].mac}
@health
def wholly():
    return f"{state['seen']} seen" if state.get("seen", 0) > 1 else None
""",
    "many": """
import time
def handle(p):
    if p.len == 60:
        time.sleep(0.002)
    return forward()
""",
    "throwing": """
def handle(p):
    raise KeyError(1)
""",
}

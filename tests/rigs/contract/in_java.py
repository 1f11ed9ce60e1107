"""The components of the contract in Java, by what they show."""

from __future__ import annotations

TEXTS = {
    "verdicts": """
    Reason r = reason("r", "why");
    public Verdict handle(Packet p) {
        switch (p.tcp().dport()) {
            case 1: return forward(1);
            case 2: return forward("other");
            case 3: return forward().flow();
            case 4: return back();
            case 5: return consume();
            case 6: return drop(r);
            case 7: return drop(r).flow();
            case 8: return null;
            case 9: return forward("nowhere");
            case 10: return forward(-1);
            case 11: throw new IllegalStateException("oh");
            default: return forward();
        }
    }""",
    "looking": """
    Counter seen = counter("seen", "why", "packets");
    public Verdict handle(Packet p) {
        List<Object> all = new ArrayList<>();
        p.reread(); // the fake forwarder does not look behind tags
        all.add(p.len());
        all.add(p.eth().dst() + " " + p.eth().type());
        all.add(p.vlan() == null ? null : p.vlan().id());
        all.add(p.ip() == null ? null : p.ip().srcText() + " " + p.ip().ttl() + " " + p.ip().src());
        all.add(p.ip6() == null ? null : p.ip6().src() + " " + p.ip6().dst());
        all.add(p.tcp() == null ? null : p.tcp().sport() + " " + p.tcp().flags());
        all.add(p.udp() == null ? null : p.udp().dport());
        all.add(p.arp() == null ? null : p.arp().op() + " " + p.arp().pdst());
        all.add(p.payload() == null ? null : p.payload().remaining());
        all.add(p.flow() == null ? null : p.flow().length());
        all.add(p.u16(12) == (p.data().getShort(12) & 0xffff) && p.bytes().length == p.len());
        all.add(p.port() + p.mark() + p.context(3));
        last = all;
        seen.add(2);
        p.context(0, 7);
        p.mark(-1);
        return forward();
    }
    List<Object> last = List.of();
    @Request Object last() { return last; }""",
    "changing": """
    public Verdict handle(Packet p) {
        switch (p.tcp().dport()) {
            case 1: p.ip().src("192.0.2.9"); p.tcp().dport(99); break;
            case 2: p.ip().ttl(p.ip().ttl() - 1); break;
            case 3: p.push(new byte[] {1, 2}).pull(2).put(new byte[] {7}).put(1).trim(58); break;
            case 4: p.replace(new byte[] {5, 6}); break;
            case 5: p.setU8(54, 'J'); p.fixChecksums(); break;
            case 6: p.pull(1000); break;
            case 7: p.u8(p.len()); break;
            default: p.push(100000);
        }
        return forward();
    }""",
    "making": """
    Packet kept;
    public Verdict handle(Packet p) {
        if (p.tcp().dport() == 2) {
            Packet copy = p.copy();
            copy.ip().ttl(3);
            emit(copy, 1);
            p.copyTo(0);
            emit(newPacket(new byte[60]), 0, 1);
            p.copy().discard();
            kept = p;
            return consume();
        }
        if (p.tcp().dport() == 3) {
            emit(p);
        }
        return forward();
    }""",
    "holding": """
    Reason late = reason("late", "too late");
    Deque<Packet> held = new ArrayDeque<>();
    List<Double> times = new ArrayList<>();
    VnfcTimer never = after(3, () -> times.add(-1.0));
    VnfcTimer ticking = every(0.5, () -> times.add(now()));
    public Verdict handle(Packet p) {
        cancel(never);
        held.add(p);
        p.ip().ttl(9);
        after(2, () -> release(held.remove(), held.isEmpty() ? drop(late) : forward()));
        return hold(p);
    }
    @Request Object times() { cancel(ticking); return times; }""",
    "notes": """
    Reason r = reason("r", "");
    Counter made = counter("made", "", "");
    Verdict whole = drop(r, "said at the beginning");
    String counted() { made.add(1); return "made for whoever watches"; }
    public Verdict handle(Packet p) {
        int n = p.tcp().dport();
        if (n == 4) {
            after(0.01, () -> release(p, drop(r, "of one that was held")));
            return hold(p);
        }
        p.push(4);
        p.pull(4);
        switch (n) {
            case 0: return drop(r, "rule 7");
            case 1: return drop(r, this::counted);
            case 2: return drop(r, "\u00fc".repeat(200));
            case 3: return whole;
            default: return forward();
        }
    }""",
    "notes of a burst": """
    Reason r = reason("r", "");
    public void handleBurst(Burst burst) {
        for (int i = 0; i < burst.size(); i++)
            if (burst.get(i).tcp().dport() == 1) burst.set(i, drop(r, "one"));
    }""",
    "too many held": """
    List<Packet> kept = new ArrayList<>();
    public Verdict handle(Packet p) { kept.add(p); return hold(p); }
    public void exit() { for (Packet p : kept) try { release(p, forward()); } catch (Exception e) { log("gone"); } }""",
    "configuration": """
    long limit;
    Gauge level = gauge("level", "why", "unit");
    Histogram sizes = histogram("sizes", "why", "bytes");
    public void configure(Config c) {
        if (c.integer("limit") < 0) throw new IllegalArgumentException("limit: at least 0");
        limit = c.integer("limits.0".length() == 8 ? "limit" : "");
        level.set(c.number("limit"));
    }
    public Verdict handle(Packet p) {
        state.merge("seen", 1L, (a, b) -> ((Number) a).longValue() + 1);
        sizes.observe(p.len());
        return forward();
    }
    @Request(why = "so far", unit = "packets")
    long seen(int more, @Default("2") double times, @Default("a\\"b") String text) {
        if (more < 0) throw new IllegalArgumentException("more");
        return (long) ((((Number) state.getOrDefault("seen", 0L)).longValue() + more) * times);
    }
    @Health String wholly() {
        long seen = ((Number) state.getOrDefault("seen", 0L)).longValue();
        return seen > 1 ? seen + " seen" : null;
    }
    @Request(name = "where", changes = true) Object where() {
        return Map.of("ports", ports.keySet(), "mac", ports.get("in").mac);
    }""",
    "bursts": """
    Reason odd = reason("odd", "an odd port");
    Packet held;
    public void handleBurst(Burst burst) {
        for (int i = 0; i < burst.size(); i++) {
            int port = burst.get(i).tcp().dport();
            if (port == 66) throw new RuntimeException("66");
            if (port % 2 == 1) burst.set(i, drop(odd));
            if (port == 4) { held = burst.get(i); burst.set(i, hold(held)); }
        }
    }
    public void exit() { release(held, forward(1)); }""",
    "many": """
    public Verdict handle(Packet p) throws Exception { if (p.len() == 60) Thread.sleep(2); return forward(); }""",
    "throwing": "public Verdict handle(Packet p) { throw new Error(); }",
}

import coven.*;

/**
 * Drops what the analyzer marked: byte 0 of a packet's context is the number of the rule that it met, 0 for none.
 * With `observe: true` marked packets are counted and pass.
 */
class Filter extends Vnfc {
    Reason marked = reason("marked", "the analyzer marked this packet as Skype");
    Counter markedPackets = counter("marked_packets", "packets that came marked, dropped or not", "packets");
    Counter markedBytes = counter("marked_bytes", "bytes of packets that came marked", "bytes");
    boolean observe;

    public void configure(Config config) {
        observe = config.bool("observe");
    }

    public Verdict handle(Packet packet) {
        int rule = packet.context(0);
        if (rule == 0) {
            return forward();
        }
        state.put(String.valueOf(rule), hitsOf(rule) + 1);
        markedPackets.add();
        markedBytes.add(packet.len());
        return observe ? forward() : drop(marked, () -> "rule " + rule + " of the analyzer");
    }

    long hitsOf(int rule) {
        return ((Number) state.getOrDefault(String.valueOf(rule), 0)).longValue();
    }

    @Request(why = "marked packets since the last reset; of one rule by its number, 0 of all", unit = "packets")
    long hits(@Default("0") int rule) {
        if (rule < 0 || rule > 255) {
            throw new IllegalArgumentException("rule: found " + rule + ", expected 0 to 255");
        }
        return rule > 0 ? hitsOf(rule) : state.values().stream().mapToLong(n -> ((Number) n).longValue()).sum();
    }

    @Request(why = "set the hits to zero", changes = true)
    boolean reset() {
        state.clear();
        return true;
    }
}

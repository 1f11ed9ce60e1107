package coven;

/** All waiting packets together, 256 at most. What is not said otherwise is forwarded to output 0. */
public final class Burst {
    private final Packet[] packets = new Packet[Native.BURST];
    final Verdict[] verdicts = new Verdict[Native.BURST];
    int n;

    public int size() {
        return n;
    }

    /** One of them, good until handleBurst returns (or release, if it is held). */
    public Packet get(int i) {
        if (i < 0 || i >= n) {
            throw new IndexOutOfBoundsException("packet " + i + " of " + n);
        }
        Packet packet = packets[i];
        if (packet == null) {
            packets[i] = packet = new Packet();
        }
        if (packet.frame < 0) {
            packet.point(Native.batch.getInt(4 * i));
        }
        return packet;
    }

    public void set(int i, Verdict verdict) {
        if (i < 0 || i >= n) {
            throw new IndexOutOfBoundsException("packet " + i + " of " + n);
        }
        verdicts[i] = verdict;
    }

    /** A new burst. */
    void begin(int size) {
        n = size;
        java.util.Arrays.fill(verdicts, 0, size, Verdict.FORWARD);
    }

    /** Every packet gets its verdict; those not held are gone. */
    void end() {
        for (int i = 0; i < n; i++) {
            Packet packet = packets[i];
            Verdict verdict = verdicts[i];
            if (packet != null && packet.frame >= 0) {
                packet.settle();
            }
            if (verdict != null) {
                verdict.leaveNote(Native.batch.getInt(4 * i));
            }
            Native.batch.putInt(Native.VERDICTS_AT + 4 * i, verdict == null ? 0 : verdict.value);
            if (verdict == Verdict.HOLD && packet != null) {
                packets[i] = null; // the author's from here on
                Native.batch.putInt(Native.JUDGED_AT, i + 1);
                Native.give();
                packet.heldOrGone();
            } else if (packet != null) {
                packet.frame = -1;
            }
        }
        Native.batch.putInt(Native.JUDGED_AT, n);
        n = 0;
    }
}

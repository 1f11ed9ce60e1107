package coven;

/** What becomes of a packet. Made by the functions of {@link Vnfc}. */
public final class Verdict {
    static final int OUTPUT_BACK = 0xff;
    static final Verdict FORWARD = new Verdict(1);
    static final Verdict BACK = new Verdict(1 | OUTPUT_BACK << 16);
    static final Verdict CONSUME = new Verdict(3);
    static final Verdict HOLD = new Verdict(4);
    private static final int FLOW = 128;
    private static final Verdict[] FORWARDS = new Verdict[OUTPUT_BACK + 1];

    final int value; // as in struct frame_record: kind, and output or reason in the upper half

    Verdict(int value) {
        this.value = value;
    }

    static Verdict forward(int output) {
        if (output < 0 || output > OUTPUT_BACK) {
            throw new IllegalArgumentException("there is no output " + output);
        }
        if (FORWARDS[output] == null) {
            FORWARDS[output] = new Verdict(1 | output << 16);
        }
        return FORWARDS[output];
    }

    static Verdict drop(int reason) {
        return new Verdict(2 | reason << 16);
    }

    /** The same for the packet's whole flow: accepted, applied packet by packet. */
    public Verdict flow() {
        return new Verdict(value | FLOW);
    }

    @Override
    public String toString() {
        int argument = value >>> 16;
        switch (value & 0x7f) {
            case 1:
                return argument == OUTPUT_BACK ? "back()" : "forward(" + argument + ")";
            case 2:
                return "drop(reason " + argument + ")";
            case 3:
                return "consume()";
            default:
                return "hold(packet)";
        }
    }
}

package coven;

import java.util.function.Supplier;

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
    final Supplier<String> note; // null, or what tells what led to it

    /** Somebody may want to know what led to the verdict that is being made. */
    static boolean noting = true;

    Verdict(int value) {
        this(value, null);
    }

    private Verdict(int value, Supplier<String> note) {
        this.value = value;
        this.note = note;
    }

    Verdict noted(Supplier<String> note) {
        return noting && note != null ? new Verdict(value, note) : this;
    }

    /** Leave the note with the packet in that frame; an exception of the author's is told. */
    void leaveNote(int frame) {
        if (note == null) {
            return;
        }
        try {
            String text = note.get();
            if (text != null) {
                Native.note(frame, text);
            }
        } catch (Throwable wrong) {
            Mistakes.report(wrong);
        }
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
        return new Verdict(value | FLOW, note);
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

package coven;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** The library libcoven-java.so (pps/java/host.c), and the memory that it shares: offsets are in pps/managed/managed.h. */
final class Native {
    static final int BURST = 256;
    static final int VERDICTS_AT = 4 * BURST;
    static final int NOW_AT = 8 * BURST;
    static final int WALL_AT = NOW_AT + 8;
    static final int JUDGED_AT = WALL_AT + 8;
    static final int PACKET_SHIFT = 6;
    static final int LEN = 8;
    static final int LINK = 16;
    static final int PORT = 18;
    static final int FLAGS = 19;
    static final int L3 = 22;
    static final int L4 = 24;
    static final int PROTO = 26;
    static final int MARK = 28;
    static final int TIME = 32;
    static final int NSH_LEN = 56;
    static final int PLACE = 58;
    static final int CONTEXT = 32; // in a shared record, of 64 bytes
    static final int NSH_SHIFT = 8;

    static ByteBuffer data; // all frames; network order
    static ByteBuffer packets; // struct vnfc_packet[], by frame
    static ByteBuffer records;
    static ByteBuffer nsh;
    static ByteBuffer batch;
    static long dataAt; // the address of data

    private Native() {
    }

    /** Called before load. */
    static void map(ByteBuffer data, ByteBuffer packets, ByteBuffer records, ByteBuffer nsh, ByteBuffer batch,
            long dataAt) {
        Native.data = data.order(ByteOrder.BIG_ENDIAN);
        Native.packets = packets.order(ByteOrder.nativeOrder());
        Native.records = records.order(ByteOrder.BIG_ENDIAN);
        Native.nsh = nsh.order(ByteOrder.BIG_ENDIAN);
        Native.batch = batch.order(ByteOrder.nativeOrder());
        Native.dataAt = dataAt;
    }

    static long now() {
        if (batch == null) {
            throw new IllegalStateException("the clock works in a running VNFC only");
        }
        return batch.getLong(NOW_AT);
    }

    static long wallMinusMonotonic() {
        return batch.getLong(WALL_AT);
    }

    static native int run(String fds);

    static native int give();

    static native void exception();

    static native void error(String file, int line, String field, String found, String expected, String remedy);

    static native int edit(int frame, int edit, int n);

    static native int emit(int frame, int output, int port);

    static native int release(int frame, int verdict);

    static native void note(int frame, String text);

    static native int discard(int frame);

    static native long make();

    static native long copy(int frame);

    static native long payload(int frame);

    static native byte[] flow(int frame);

    static native long timer(double seconds, boolean repeat);

    static native void cancel(int id);

    static native int reason(String name, String why, String file, int line);

    static native int metric(int kind, String name, String why, String unit, String file, int line);

    static native int request(String name, String why, String unit, String arguments, boolean changes, String file,
            int line);

    static native void measure(int metric, double value);

    static native double measured(int metric);

    static native void log(String text);

    /** From now on: when the keeper asks where the component is, await returns; told ends the process. */
    static native void listen();

    static native void await();

    static native void told();
}

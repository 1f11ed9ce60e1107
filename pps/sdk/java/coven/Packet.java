package coven;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * One packet, good until the handler returns or, if it is held, until release. Its bytes are the frame's own:
 * nothing is copied. Offsets are from the first byte; access outside the packet is an
 * IndexOutOfBoundsException. Header views are null if the header is absent or cut short.
 */
public final class Packet {
    private static final int PUSH = 0;
    private static final int PULL = 1;
    private static final int PUT = 2;
    private static final int TRIM = 3;
    private static final int FIX = 5;
    private static final int RESIZE = 6;
    private static final int HELD = 2; // enum vnfc_place
    private static final int WATCHED = 64; // FRAME_WATCHED
    private static final int NO_ROOM = -2; // enum managed_error
    private static final int NO_FRAME = -3;
    static final int FIX_IP = 1;
    static final int FIX_L4 = 2;

    int frame = -1; // -1: given back
    int at; // of its struct vnfc_packet
    int base; // of its first byte in Native.data
    int fix; // checksums to be computed before it is sent
    private final Headers headers = new Headers(this);

    Packet() {
    }

    /** A packet that the VNFC made. */
    static Packet made(long frame) {
        if (frame == NO_FRAME) {
            throw new IllegalStateException("no frame is free to make a packet in: emit fewer at once");
        }
        Packet packet = new Packet();
        packet.point((int) frame);
        return packet;
    }

    void point(int number) {
        frame = number;
        at = number << Native.PACKET_SHIFT;
        base = (int) (Native.packets.getLong(at) - Native.dataAt);
        fix = 0;
    }

    void check() {
        if (frame < 0) {
            throw new IllegalStateException("this packet was already given back: take what you need before the "
                    + "handler returns, or hold(packet) it");
        }
    }

    /** Checksums that setters left to be computed. */
    void settle() {
        if (fix != 0) {
            Native.edit(frame, FIX, fix);
            fix = 0;
        }
    }

    /** After hold: the host may have refused it (hold_full). */
    void heldOrGone() {
        if (Native.packets.get(at + Native.PLACE) != HELD) {
            frame = -1;
        }
    }

    // ---- look

    /** Bytes. */
    public int len() {
        check();
        return Native.packets.getInt(at + Native.LEN);
    }

    /** The whole packet, in place, in network order; good as long as the packet is. */
    public ByteBuffer data() {
        return Native.data.slice(base, len()).order(ByteOrder.BIG_ENDIAN);
    }

    /** A copy of the bytes. */
    public byte[] bytes() {
        byte[] copy = new byte[len()];
        Native.data.get(base, copy);
        return copy;
    }

    private int inside(int offset, int size) {
        int len = len();
        if (offset < 0 || offset > len - size) {
            throw new IndexOutOfBoundsException("offset " + offset + " in a packet of " + len + " bytes");
        }
        return base + offset;
    }

    public int u8(int offset) {
        return Native.data.get(inside(offset, 1)) & 0xff;
    }

    public int u16(int offset) {
        return Native.data.getShort(inside(offset, 2)) & 0xffff;
    }

    public long u32(int offset) {
        return Native.data.getInt(inside(offset, 4)) & 0xffffffffL;
    }

    /** Change bytes; then {@link #fixChecksums} if a checksum covers them. */
    public void setU8(int offset, int value) {
        Native.data.put(inside(offset, 1), (byte) value);
    }

    public void setU16(int offset, int value) {
        Native.data.putShort(inside(offset, 2), (short) value);
    }

    public void setU32(int offset, long value) {
        Native.data.putInt(inside(offset, 4), (int) value);
    }

    /** Number of the port that it came in by. */
    public int port() {
        check();
        return Native.packets.get(at + Native.PORT);
    }

    /** Seconds, when it came in, comparable to now(). */
    public double time() {
        check();
        return Native.packets.getLong(at + Native.TIME) / 1e9;
    }

    /** 32 bits that never leave the VNF. */
    public int mark() {
        check();
        return Native.packets.getInt(at + Native.MARK);
    }

    public void mark(int value) {
        check();
        Native.packets.putInt(at + Native.MARK, value);
    }

    /** Byte i of the 16 bytes of NSH context. */
    public int context(int i) {
        check();
        return Native.records.get((frame << Native.PACKET_SHIFT) + Native.CONTEXT + (i & 15)) & 0xff;
    }

    public void context(int i, int value) {
        check();
        if ((i & ~15) != 0) {
            throw new IndexOutOfBoundsException("context has 16 bytes, not a byte " + i);
        }
        Native.records.put((frame << Native.PACKET_SHIFT) + Native.CONTEXT + i, (byte) value);
    }

    public Eth eth() {
        check();
        return headers.eth();
    }

    /** The outermost tag. */
    public Vlan vlan() {
        check();
        return headers.vlan();
    }

    public Ip ip() {
        check();
        return headers.ip();
    }

    public Ip6 ip6() {
        check();
        return headers.ip6();
    }

    public Tcp tcp() {
        check();
        return headers.tcp();
    }

    public Udp udp() {
        check();
        return headers.udp();
    }

    /** ICMP and ICMPv6 alike. */
    public Icmp icmp() {
        check();
        return headers.icmp();
    }

    /** For IPv4 over Ethernet. */
    public Arp arp() {
        check();
        return headers.arp();
    }

    /** For `nsh: aware` VNFCs. */
    public Nsh nsh() {
        check();
        return headers.nsh();
    }

    /** What follows the transport header, without padding: in place; null without such a header. */
    public ByteBuffer payload() {
        check();
        long found = Native.payload(frame);
        return found < 0 ? null : Native.data.slice(base + (int) (found >> 32), (int) found).order(ByteOrder.BIG_ENDIAN);
    }

    /** A key of its flow for maps, the same in both directions; null if it is not IP. */
    public String flow() {
        check();
        byte[] key = Native.flow(frame);
        return key == null ? null : new String(key, StandardCharsets.ISO_8859_1);
    }

    // ---- change

    private Packet edit(int edit, int n, String what) {
        check();
        int done = n < 0 ? NO_ROOM : Native.edit(frame, edit, n);
        if (done == NO_ROOM) {
            throw new IllegalArgumentException(what + ": not possible in a packet of " + len() + " bytes");
        }
        int pending = fix;
        point(frame);
        fix = pending;
        return this;
    }

    /** n zero bytes more in front. IllegalArgumentException: no room. */
    public Packet push(int n) {
        return edit(PUSH, n, "push(" + n + ")");
    }

    public Packet push(byte[] bytes) {
        push(bytes.length);
        Native.data.put(base, bytes);
        return reread();
    }

    /** n bytes fewer in front. */
    public Packet pull(int n) {
        return edit(PULL, n, "pull(" + n + ")");
    }

    /** n zero bytes more at the end. */
    public Packet put(int n) {
        return edit(PUT, n, "put(" + n + ")");
    }

    public Packet put(byte[] bytes) {
        int before = len();
        put(bytes.length);
        Native.data.put(base + before, bytes);
        return reread();
    }

    /** Cut to len bytes. */
    public Packet trim(int len) {
        return edit(TRIM, len, "trim(" + len + ")");
    }

    /** The whole packet anew. */
    public Packet replace(byte[] bytes) {
        edit(RESIZE, bytes.length, "replace: " + bytes.length + " bytes");
        Native.data.put(base, bytes);
        fix = 0;
        return reread();
    }

    /** Find the headers again, after a change of what they are. */
    public Packet reread() {
        return edit(4, 0, "reread");
    }

    /** After any change of bytes: compute all checksums anew. */
    public void fixChecksums() {
        check();
        Native.edit(frame, FIX, FIX_IP | FIX_L4);
        fix = 0;
    }

    // ---- make

    /** A copy, mark and context included, for emit. IllegalStateException: no frame is to be had just now. */
    public Packet copy() {
        check();
        Packet copy = made(Native.copy(frame));
        copy.fix = fix;
        return copy;
    }

    /** A copy to that output; the packet itself still needs its verdict. */
    public void copyTo(int output) {
        copy().emit(output, -1);
    }

    void emit(int output, int port) {
        check();
        Verdict.forward(output);
        settle();
        if (Native.emit(frame, output, port) < 0) {
            throw new IllegalStateException("emit: only a packet of newPacket() or copy() can be emitted, once; "
                    + "a held one is released");
        }
        frame = -1;
    }

    /** Whether anybody would read what led to its verdict. */
    boolean watched() {
        return (Native.packets.get(at + Native.FLAGS) & WATCHED) != 0;
    }

    void release(Verdict verdict) {
        if (verdict == null || verdict == Verdict.HOLD) {
            throw new IllegalArgumentException("release: found " + verdict + ", expected forward() or drop(reason)");
        }
        check();
        settle();
        verdict.leaveNote(frame);
        if (Native.release(frame, verdict.value) < 0) {
            throw new IllegalStateException("release: this packet is not held");
        }
        frame = -1;
    }

    /** Forget a packet of newPacket() or copy(). */
    public void discard() {
        check();
        if (Native.discard(frame) < 0) {
            throw new IllegalStateException("discard: only a packet of newPacket() or copy() can be discarded");
        }
        frame = -1;
    }

    @Override
    public String toString() {
        return frame < 0 ? "packet given back" : "packet of " + len() + " bytes, port " + port();
    }
}

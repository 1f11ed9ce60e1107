package coven;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * NSH, RFC 8300, in its packet: see {@link View}. A VNFC that writes `spi` or `si` has counted SI down itself. The
 * context of MD type 1 is `packet.context(i)`.
 */
public final class Nsh extends View {
    Nsh(Packet packet) {
        super(packet);
    }

    @Override
    ByteBuffer memory() {
        return Native.nsh;
    }

    private static final int BASE = 8;
    private static final int HEAD = 4; // of a TLV: class, type, length
    private static final int MOST = 63 * 4;
    private static final int VALUE_MOST = 127;

    /** A TLV of MD type 2. */
    public record Tlv(int mdClass, int type, byte[] value) {
    }

    public int ttl() {
        return u16(0) >> 6 & 0x3f;
    }

    public boolean oam() {
        return (u8(0) & 0x20) != 0;
    }

    public int mdType() {
        return u8(2) & 15;
    }

    public int next() {
        return u8(3);
    }

    public int spi() {
        return s32(4) >>> 8;
    }

    public void spi(int value) {
        if (value >>> 24 != 0) {
            throw new IllegalArgumentException("spi has 24 bits, " + value + " does not fit");
        }
        set32(4, value << 8 | si(), 0);
    }

    public int si() {
        return u8(7);
    }

    public void si(int value) {
        if ((value & ~0xff) != 0) {
            throw new IllegalArgumentException("si has 8 bits, " + value + " does not fit");
        }
        set8(7, value, 0);
    }

    /** The value of the first TLV of that class and type, a copy; null if there is none. */
    public byte[] tlv(int mdClass, int type) {
        int at = find(mdClass, type);
        return at < 0 ? null : copy(at + HEAD, u8(at + 3) & VALUE_MOST);
    }

    /** All TLVs, in their order. */
    public List<Tlv> tlvs() {
        List<Tlv> found = new ArrayList<>();
        for (int at = first(); at >= 0; at = behind(at)) {
            found.add(new Tlv(u16(at), u8(at + 2), copy(at + HEAD, u8(at + 3) & VALUE_MOST)));
        }
        return found;
    }

    /** Append a TLV. IllegalArgumentException: not MD type 2, a value of more than 127 bytes, or no room. */
    public void addTlv(int mdClass, int type, byte[] value) {
        int size = size();
        int padded = HEAD + (value.length + 3 & ~3);
        if (mdType() != 2 || value.length > VALUE_MOST || size + padded > MOST) {
            throw new IllegalArgumentException("addTlv: " + value.length + " bytes: at most " + VALUE_MOST
                    + ", in a header of MD type 2 that stays within " + MOST);
        }
        byte[] whole = Arrays.copyOf(value, padded - HEAD);
        set16(size, mdClass, 0);
        set8(size + 2, type, 0);
        set8(size + 3, value.length, 0);
        set(size + HEAD, whole, 0);
        resize(size + padded);
    }

    /** Take the first TLV of that class and type out; was there one? */
    public boolean removeTlv(int mdClass, int type) {
        int at = find(mdClass, type);
        if (at < 0) {
            return false;
        }
        int size = size();
        int behind = at + padded(at);
        set(at, copy(behind, size - behind), 0);
        resize(size - (behind - at));
        return true;
    }

    private int size() {
        packet.check();
        return Math.min(Native.packets.getShort(packet.at + Native.NSH_LEN) & 0xffff, MOST);
    }

    private void resize(int size) {
        set8(1, u8(1) & 0xc0 | size / 4, 0);
        Native.packets.putShort(packet.at + Native.NSH_LEN, (short) size);
    }

    private int padded(int at) {
        return HEAD + ((u8(at + 3) & VALUE_MOST) + 3 & ~3);
    }

    /** A TLV begins here and all of it is there; else -1. */
    private int whole(int at) {
        int left = size() - at;
        return left >= HEAD && left >= padded(at) ? at : -1;
    }

    private int first() {
        return mdType() == 2 ? whole(BASE) : -1;
    }

    private int behind(int at) {
        return whole(at + padded(at));
    }

    private int find(int mdClass, int type) {
        int at = first();
        while (at >= 0 && (u16(at) != mdClass || u8(at + 2) != type)) {
            at = behind(at);
        }
        return at;
    }
}

package coven;

import java.nio.ByteBuffer;

/** NSH, RFC 8300, in its packet: see {@link View}. */
public final class Nsh extends View {
    Nsh(Packet packet) {
        super(packet);
    }

    @Override
    ByteBuffer memory() {
        return Native.nsh;
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

    public int si() {
        return u8(7);
    }
}

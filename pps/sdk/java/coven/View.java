package coven;

import java.nio.ByteBuffer;

/**
 * A header in place: fields at offsets from `a`, which is an offset in Native.data. Getters give numbers in host
 * order; addresses are texts. Setters see to it that checksums are computed anew, once, before the packet is
 * sent. A view is good until its packet is given back or moved (push, pull).
 */
abstract class View {
    static final int FIX_IP = Packet.FIX_IP;
    static final int FIX_L4 = Packet.FIX_L4;
    final Packet packet;
    int a;

    View(Packet packet) {
        this.packet = packet;
    }

    ByteBuffer memory() {
        return Native.data;
    }

    final int u8(int offset) {
        return memory().get(a + offset) & 0xff;
    }

    final int u16(int offset) {
        return memory().getShort(a + offset) & 0xffff;
    }

    final int s32(int offset) {
        return memory().getInt(a + offset);
    }

    final long u32(int offset) {
        return memory().getInt(a + offset) & 0xffffffffL;
    }

    final void set8(int offset, int value, int fix) {
        packet.check();
        memory().put(a + offset, (byte) value);
        packet.fix |= fix;
    }

    final void set16(int offset, int value, int fix) {
        packet.check();
        memory().putShort(a + offset, (short) value);
        packet.fix |= fix;
    }

    final void set32(int offset, int value, int fix) {
        packet.check();
        memory().putInt(a + offset, value);
        packet.fix |= fix;
    }

    final void set(int offset, byte[] bytes, int fix) {
        packet.check();
        memory().put(a + offset, bytes);
        packet.fix |= fix;
    }

    final byte[] copy(int offset, int size) {
        byte[] bytes = new byte[size];
        memory().get(a + offset, bytes);
        return bytes;
    }
}

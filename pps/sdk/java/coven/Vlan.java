package coven;

/** An 802.1Q or 802.1ad tag, in its packet: see {@link View}. */
public final class Vlan extends View {
    Vlan(Packet packet) {
        super(packet);
    }

    public int id() {
        return u16(0) & 0xfff;
    }

    public void id(int value) {
        set16(0, u16(0) & 0xf000 | value & 0xfff, 0);
    }

    public int priority() {
        return u8(0) >> 5;
    }

    public void priority(int value) {
        set8(0, u8(0) & 0x1f | value << 5, 0);
    }

    public boolean dei() {
        return (u8(0) & 0x10) != 0;
    }

    public int type() {
        return u16(2);
    }
}

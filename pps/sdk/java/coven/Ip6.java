package coven;

/** IPv6, in its packet: see {@link View}. */
public final class Ip6 extends View {
    Ip6(Packet packet) {
        super(packet);
    }

    public int tc() {
        return u16(0) >> 4 & 0xff;
    }

    public int label() {
        return s32(0) & 0xfffff;
    }

    public int len() {
        return u16(4);
    }

    public int next() {
        return u8(6);
    }

    public int hopLimit() {
        return u8(7);
    }

    public void hopLimit(int value) {
        set8(7, value, 0);
    }

    public String src() {
        return Address.text(copy(8, 16));
    }

    public void src(String value) {
        set(8, Address.ip6(value), FIX_L4);
    }

    public String dst() {
        return Address.text(copy(24, 16));
    }

    public void dst(String value) {
        set(24, Address.ip6(value), FIX_L4);
    }
}

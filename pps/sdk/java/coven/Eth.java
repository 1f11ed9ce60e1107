package coven;

/** Ethernet, in its packet: see {@link View}. */
public final class Eth extends View {
    Eth(Packet packet) {
        super(packet);
    }

    public String dst() {
        return Address.mac(copy(0, 6));
    }

    public void dst(String mac) {
        set(0, Address.mac(mac), 0);
    }

    public String src() {
        return Address.mac(copy(6, 6));
    }

    public void src(String mac) {
        set(6, Address.mac(mac), 0);
    }

    public int type() {
        return u16(12);
    }

    public void type(int value) {
        set16(12, value, 0);
    }
}

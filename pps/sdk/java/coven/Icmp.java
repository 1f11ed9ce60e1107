package coven;

/** ICMP and ICMPv6, in its packet: see {@link View}. */
public final class Icmp extends View {
    Icmp(Packet packet) {
        super(packet);
    }

    public int type() {
        return u8(0);
    }

    public void type(int value) {
        set8(0, value, FIX_L4);
    }

    public int code() {
        return u8(1);
    }

    public void code(int value) {
        set8(1, value, FIX_L4);
    }

    public int checksum() {
        return u16(2);
    }

    public int id() {
        return u16(4);
    }

    public void id(int value) {
        set16(4, value, FIX_L4);
    }

    public int seq() {
        return u16(6);
    }

    public void seq(int value) {
        set16(6, value, FIX_L4);
    }
}

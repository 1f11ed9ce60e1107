package coven;

/** TCP, in its packet: see {@link View}. */
public final class Tcp extends View {
    Tcp(Packet packet) {
        super(packet);
    }

    public int sport() {
        return u16(0);
    }

    public void sport(int value) {
        set16(0, value, FIX_L4);
    }

    public int dport() {
        return u16(2);
    }

    public void dport(int value) {
        set16(2, value, FIX_L4);
    }

    public long seq() {
        return u32(4);
    }

    public void seq(long value) {
        set32(4, (int) value, FIX_L4);
    }

    public long ack() {
        return u32(8);
    }

    public void ack(long value) {
        set32(8, (int) value, FIX_L4);
    }

    /** In words of 4 bytes. */
    public int dataofs() {
        return u8(12) >> 4;
    }

    /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
    public int flags() {
        return u8(13);
    }

    public void flags(int value) {
        set8(13, value, FIX_L4);
    }

    public int window() {
        return u16(14);
    }

    public void window(int value) {
        set16(14, value, FIX_L4);
    }

    public int checksum() {
        return u16(16);
    }

    public int urgent() {
        return u16(18);
    }
}

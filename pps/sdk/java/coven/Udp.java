package coven;

/** UDP, in its packet: see {@link View}. */
public final class Udp extends View {
    Udp(Packet packet) {
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

    public int len() {
        return u16(4);
    }

    public void len(int value) {
        set16(4, value, FIX_L4);
    }

    public int checksum() {
        return u16(6);
    }
}

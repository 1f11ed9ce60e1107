package coven;

/** ARP for IPv4 over Ethernet, in its packet: see {@link View}. */
public final class Arp extends View {
    Arp(Packet packet) {
        super(packet);
    }

    /** 1 request, 2 reply. */
    public int op() {
        return u16(6);
    }

    public void op(int value) {
        set16(6, value, 0);
    }

    public String hwsrc() {
        return Address.mac(copy(8, 6));
    }

    public void hwsrc(String mac) {
        set(8, Address.mac(mac), 0);
    }

    public String psrc() {
        return Address.text(copy(14, 4));
    }

    public void psrc(String ip) {
        set(14, Address.ip4(ip), 0);
    }

    public String hwdst() {
        return Address.mac(copy(18, 6));
    }

    public void hwdst(String mac) {
        set(18, Address.mac(mac), 0);
    }

    public String pdst() {
        return Address.text(copy(24, 4));
    }

    public void pdst(String ip) {
        set(24, Address.ip4(ip), 0);
    }
}

package coven;

/** IPv4, in its packet: see {@link View}. */
public final class Ip extends View {
    Ip(Packet packet) {
        super(packet);
    }

    public int ihl() {
        return u8(0) & 15;
    }

    public int tos() {
        return u8(1);
    }

    public void tos(int value) {
        set8(1, value, FIX_IP);
    }

    public int dscp() {
        return u8(1) >> 2;
    }

    public void dscp(int value) {
        set8(1, u8(1) & 3 | value << 2, FIX_IP);
    }

    public int ecn() {
        return u8(1) & 3;
    }

    public void ecn(int value) {
        set8(1, u8(1) & 0xfc | value & 3, FIX_IP);
    }

    public int len() {
        return u16(2);
    }

    public void len(int value) {
        set16(2, value, FIX_IP | FIX_L4);
    }

    public int id() {
        return u16(4);
    }

    public void id(int value) {
        set16(4, value, FIX_IP);
    }

    /** Three bits: reserved, don't fragment, more fragments. */
    public int flags() {
        return u8(6) >> 5;
    }

    /** Of this fragment, in units of 8 bytes. */
    public int frag() {
        return u16(6) & 0x1fff;
    }

    public int ttl() {
        return u8(8);
    }

    public void ttl(int value) {
        set8(8, value, FIX_IP);
    }

    public int proto() {
        return u8(9);
    }

    public int checksum() {
        return u16(10);
    }

    /** As a number: 10.0.0.1 is 0x0a000001. */
    public int src() {
        return s32(12);
    }

    public void src(int value) {
        set32(12, value, FIX_IP | FIX_L4);
    }

    public void src(String value) {
        set(12, Address.ip4(value), FIX_IP | FIX_L4);
    }

    public String srcText() {
        return Address.text(copy(12, 4));
    }

    public int dst() {
        return s32(16);
    }

    public void dst(int value) {
        set32(16, value, FIX_IP | FIX_L4);
    }

    public void dst(String value) {
        set(16, Address.ip4(value), FIX_IP | FIX_L4);
    }

    public String dstText() {
        return Address.text(copy(16, 4));
    }
}

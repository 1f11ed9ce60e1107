package coven;

import java.nio.ByteBuffer;

/**
 * Views of a packet's headers, in place. Getters give numbers in host order; addresses also as texts.
 * Setters mend the checksums once, before the packet is sent. A view is good until its packet is given back
 * or moved (push, pull).
 */
public final class Headers {
    private static final int NONE = 0xffff;
    private static final int IPV6 = 4; // FRAME_IPV6
    private final Packet packet;
    private final Eth eth;
    private final Vlan vlan;
    private final Ip ip;
    private final Ip6 ip6;
    private final Tcp tcp;
    private final Udp udp;
    private final Icmp icmp;
    private final Arp arp;
    private final Nsh nsh;

    Headers(Packet packet) {
        this.packet = packet;
        eth = new Eth(packet);
        vlan = new Vlan(packet);
        ip = new Ip(packet);
        ip6 = new Ip6(packet);
        tcp = new Tcp(packet);
        udp = new Udp(packet);
        icmp = new Icmp(packet);
        arp = new Arp(packet);
        nsh = new Nsh(packet);
    }

    // ---- finding them

    private int l3() {
        return Native.packets.getShort(packet.at + Native.L3) & NONE;
    }

    private boolean isIp6() {
        return (Native.packets.get(packet.at + Native.FLAGS) & IPV6) != 0;
    }

    private boolean fits(int offset, int size) {
        return offset != NONE && offset + size <= Native.packets.getInt(packet.at + Native.LEN);
    }

    private boolean ethernet(int size) {
        return Native.packets.get(packet.at + Native.LINK) == 0
                && Native.packets.getInt(packet.at + Native.LEN) >= size;
    }

    /** Offset of a transport header of that protocol, or NONE. */
    private int l4(int proto, int size) {
        if ((Native.packets.get(packet.at + Native.PROTO) & 0xff) != proto) {
            return NONE;
        }
        int offset = Native.packets.getShort(packet.at + Native.L4) & NONE;
        return fits(offset, size) ? offset : NONE;
    }

    private static boolean tag(int type) {
        return type == 0x8100 || type == 0x88a8 || type == 0x9100;
    }

    Eth eth() {
        eth.a = packet.base;
        return ethernet(14) ? eth : null;
    }

    Vlan vlan() {
        if (!ethernet(18) || !tag(Native.data.getShort(packet.base + 12) & 0xffff)) {
            return null;
        }
        vlan.a = packet.base + 14;
        return vlan;
    }

    Ip ip() {
        int offset = l3();
        ip.a = packet.base + offset;
        return !isIp6() && fits(offset, 20) ? ip : null;
    }

    Ip6 ip6() {
        int offset = l3();
        ip6.a = packet.base + offset;
        return isIp6() && fits(offset, 40) ? ip6 : null;
    }

    Tcp tcp() {
        int offset = l4(6, 20);
        tcp.a = packet.base + offset;
        return offset != NONE ? tcp : null;
    }

    Udp udp() {
        int offset = l4(17, 8);
        udp.a = packet.base + offset;
        return offset != NONE ? udp : null;
    }

    Icmp icmp() {
        int offset = l4(isIp6() ? 58 : 1, 8);
        icmp.a = packet.base + offset;
        return offset != NONE ? icmp : null;
    }

    Arp arp() {
        if (!ethernet(14)) {
            return null;
        }
        int offset = 12;
        for (int tags = 0; tags < 8 && fits(offset, 6) && tag(Native.data.getShort(packet.base + offset) & 0xffff);
                tags++) {
            offset += 4;
        }
        if (!fits(offset, 30) || (Native.data.getShort(packet.base + offset) & 0xffff) != 0x0806) {
            return null;
        }
        arp.a = packet.base + offset + 2;
        boolean ip4 = arp.u16(2) == 0x0800 && arp.u8(4) == 6 && arp.u8(5) == 4;
        return ip4 ? arp : null;
    }

    Nsh nsh() {
        nsh.a = packet.frame << Native.NSH_SHIFT;
        return (Native.packets.getShort(packet.at + Native.NSH_LEN) & 0xffff) >= 8 ? nsh : null;
    }

    // ---- what they have in common

    /** Fields at offsets from `a`, an offset in Native.data. */
    abstract static class View {
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

    private static final int IP = Packet.FIX_IP;
    private static final int L4 = Packet.FIX_L4;
    private static final int BOTH = IP | L4;

    /** Ethernet. */
    public static final class Eth extends View {
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

    /** An 802.1Q or 802.1ad tag. */
    public static final class Vlan extends View {
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

    /** IPv4. */
    public static final class Ip extends View {
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
            set8(1, value, IP);
        }

        public int dscp() {
            return u8(1) >> 2;
        }

        public void dscp(int value) {
            set8(1, u8(1) & 3 | value << 2, IP);
        }

        public int ecn() {
            return u8(1) & 3;
        }

        public void ecn(int value) {
            set8(1, u8(1) & 0xfc | value & 3, IP);
        }

        public int len() {
            return u16(2);
        }

        public void len(int value) {
            set16(2, value, BOTH);
        }

        public int id() {
            return u16(4);
        }

        public void id(int value) {
            set16(4, value, IP);
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
            set8(8, value, IP);
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
            set32(12, value, BOTH);
        }

        public void src(String value) {
            set(12, Address.ip4(value), BOTH);
        }

        public String srcText() {
            return Address.text(copy(12, 4));
        }

        public int dst() {
            return s32(16);
        }

        public void dst(int value) {
            set32(16, value, BOTH);
        }

        public void dst(String value) {
            set(16, Address.ip4(value), BOTH);
        }

        public String dstText() {
            return Address.text(copy(16, 4));
        }
    }

    /** IPv6. */
    public static final class Ip6 extends View {
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
            set(8, Address.ip6(value), L4);
        }

        public String dst() {
            return Address.text(copy(24, 16));
        }

        public void dst(String value) {
            set(24, Address.ip6(value), L4);
        }
    }

    /** TCP. */
    public static final class Tcp extends View {
        Tcp(Packet packet) {
            super(packet);
        }

        public int sport() {
            return u16(0);
        }

        public void sport(int value) {
            set16(0, value, L4);
        }

        public int dport() {
            return u16(2);
        }

        public void dport(int value) {
            set16(2, value, L4);
        }

        public long seq() {
            return u32(4);
        }

        public void seq(long value) {
            set32(4, (int) value, L4);
        }

        public long ack() {
            return u32(8);
        }

        public void ack(long value) {
            set32(8, (int) value, L4);
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
            set8(13, value, L4);
        }

        public int window() {
            return u16(14);
        }

        public void window(int value) {
            set16(14, value, L4);
        }

        public int checksum() {
            return u16(16);
        }

        public int urgent() {
            return u16(18);
        }
    }

    /** UDP. */
    public static final class Udp extends View {
        Udp(Packet packet) {
            super(packet);
        }

        public int sport() {
            return u16(0);
        }

        public void sport(int value) {
            set16(0, value, L4);
        }

        public int dport() {
            return u16(2);
        }

        public void dport(int value) {
            set16(2, value, L4);
        }

        public int len() {
            return u16(4);
        }

        public void len(int value) {
            set16(4, value, L4);
        }

        public int checksum() {
            return u16(6);
        }
    }

    /** ICMP and ICMPv6. */
    public static final class Icmp extends View {
        Icmp(Packet packet) {
            super(packet);
        }

        public int type() {
            return u8(0);
        }

        public void type(int value) {
            set8(0, value, L4);
        }

        public int code() {
            return u8(1);
        }

        public void code(int value) {
            set8(1, value, L4);
        }

        public int checksum() {
            return u16(2);
        }

        public int id() {
            return u16(4);
        }

        public void id(int value) {
            set16(4, value, L4);
        }

        public int seq() {
            return u16(6);
        }

        public void seq(int value) {
            set16(6, value, L4);
        }
    }

    /** ARP for IPv4 over Ethernet. */
    public static final class Arp extends View {
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

    /** NSH, RFC 8300. */
    public static final class Nsh extends View {
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
}

package coven;

/** Finds a packet's headers: a view of each, null where it is absent or cut short. */
final class Headers {
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
}

package coven;

/** One of the VNF's ports. mac is null where there is none (a capture); mtu in bytes. */
public final class Port {
    public final String name;
    public final int number;
    public final String mac;
    public final int mtu;

    Port(String name, int number, String mac, int mtu) {
        this.name = name;
        this.number = number;
        this.mac = mac;
        this.mtu = mtu;
    }
}

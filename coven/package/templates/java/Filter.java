import coven.*;

/** Drops TCP to port 23 and forwards everything else. */
class Filter extends Vnfc {
    Reason telnet = reason("telnet", "telnet is not allowed here");

    public Verdict handle(Packet packet) {
        return packet.tcp() != null && packet.tcp().dport() == 23 ? drop(telnet) : forward();
    }
}

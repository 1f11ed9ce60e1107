import coven.*;

/** The least that a VNFC can do: every packet leaves by the other port, untouched. */
class Forward extends Vnfc {
    public Verdict handle(Packet packet) {
        return forward();
    }
}

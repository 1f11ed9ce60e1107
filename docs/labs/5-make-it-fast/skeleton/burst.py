"""The same decision for a whole burst at once, on columns of header fields."""

from vnfc import reason

bogon = reason("bogon", "from a network that is nobody's")
blocked = reason("blocked", "to a port that nobody needs")


def configure(config):
    pass


def handle_burst(burst):
    # what is not said otherwise is forwarded; the last verdict on a packet counts
    pass

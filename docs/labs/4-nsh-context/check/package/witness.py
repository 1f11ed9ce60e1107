"""Stands in for `act`: drops everything, for the reason that the mark is."""

from vnfc import drop, reason

REASONS = {
    0: reason("nobody", "byte 0 of the context is 0"),
    1: reason("staff", "byte 0 of the context is 1"),
    2: reason("guests", "byte 0 of the context is 2"),
}
strange = reason("strange", "byte 0 of the context is something else")


def handle(packet):
    return drop(REASONS.get(packet.context[0], strange))

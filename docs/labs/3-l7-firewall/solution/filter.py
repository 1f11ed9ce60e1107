"""Drops what the analyzer marked."""

from vnfc import drop, forward, reason

marked = reason("marked", "the analyzer marked this packet")


def handle(packet):
    return drop(marked) if packet.context[0] else forward()

"""Stands in for the filter: drops what is marked."""

from vnfc import drop, forward, reason

marked = reason("marked", "the analyzer marked this packet")


def handle(packet):
    return drop(marked) if packet.context[0] else forward()

"""Queues and what takes packets out of them."""

from __future__ import annotations

from pps.click.elements import Element, element, flag, keyword, number, optional, read_write, writable, write
from pps.click.values import boolean, integer, unsigned

ACTIVE = read_write(
    flag("active", "!$s.paused", "whether it moves packets"),
    """
	bool active;
	if (!click_boolean(value, &active))
		return click_refuse(out, "expected true or false");
	$s.paused = !active;
	click_wake();""",
)


@element
class SimpleQueue(Element):
    """Stores packets between push and pull. A packet too many is dropped."""

    ports, processing = "1/1-2", "h/lh"
    arguments = (optional("CAPACITY", integer(1, 65535), 1000),)
    reason = ("queue_full", "a queue was full")
    state = """
	uint32_t length, first, highest, capacity;
	uint64_t drops;
	struct vnfc_packet *slot[$slots];
"""
    push = """
	if ($s.length >= $s.capacity) {
		$s.drops++;
		$out(1, p);
		return;
	}
	if (!click_may_store(p)) {
		$s.drops++;
		click_drop(p, CLICK_HOLD_FULL);
		return;
	}
	$s.slot[($s.first + $s.length++) % $slots] = p;
	if ($s.length > $s.highest)
		$s.highest = $s.length;
	click_wake();"""
    pull = """
	if ($s.length == 0)
		return NULL;
	struct vnfc_packet *p = $s.slot[$s.first];
	$s.first = ($s.first + 1) % $slots;
	$s.length--;
	return p;"""
    functions = """
static inline void $empty(void)
{
	struct vnfc_packet *p;
	for (; $s.length; $s.length--) {
		p = $s.slot[$s.first];
		$s.first = ($s.first + 1) % $slots;
		$s.drops++;
		$drop(p);
	}
}"""
    handlers = (
        number("length", "$s.length", "packets in the queue"),
        number("highwater_length", "$s.highest", "the most there ever were"),
        number("drops", "$s.drops", "packets dropped"),
        number("capacity", "$s.capacity", "packets that it can hold"),
        write("reset_counts", "\t$s.drops = $s.highest = 0;"),
        write("reset", "\t$empty();"),
    )

    def configure(self) -> None:
        self.constants = {"slots": self.args["CAPACITY"]}
        self.init = "\t\t$s.capacity = $slots;"


@element
class Queue(SimpleQueue):
    """SimpleQueue that tells whoever pulls when there is something (here, all do)."""


@element
class ThreadSafeQueue(SimpleQueue):
    """Queue: one thread runs everything here."""


@element
class Unqueue(Element):
    """Pulls packets as fast as it can and pushes them on."""

    ports, processing = "1/1", "l/h"
    arguments = (
        optional("BURST", integer(-1, 2**31 - 1), 1),
        keyword("ACTIVE", boolean, True),
        keyword("LIMIT", integer(-1, 2**31 - 1), -1),
    )
    state = "uint64_t packets; bool paused;"
    handlers = (
        number("count", "$s.packets", "packets that passed"),
        ACTIVE,
        write("reset", "\t$s.packets = 0;\n\tclick_wake();"),
    )

    def configure(self) -> None:
        burst = self.args["BURST"] if self.args["BURST"] > 0 else 2**31 - 1
        self.constants = {"burst": burst, "limit": self.args["LIMIT"]}
        if not self.args["ACTIVE"]:
            self.init = "\t\t$s.paused = true;"

    task = """
	int64_t worked = 0;
	while (!$s.paused && worked < $burst && ($limit < 0 || (int64_t)$s.packets < $limit)) {
		struct vnfc_packet *p = $in(0);
		if (!p)
			break;
		$s.packets++;
		worked++;
		$out(0, p);
	}
	return worked > 0;"""


__all__ = ["ACTIVE", "unsigned", "writable"]

"""Queues and what takes packets out of them."""

from __future__ import annotations

from pps.click.elements import Element, Handler, element, flag, keyword, number, optional, read_write, writable, write
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
	struct vnfc_packet **slot; /* capacity of them */
"""
    push = """
	if ($s.length >= $s.capacity) {
		$s.drops++;
		$out(1, p);
		return;
	}
	if (!click_may_store(p)) {
		$s.drops++;
		click_drop_at(p, CLICK_HOLD_FULL, $where);
		return;
	}
	uint32_t at = $s.first + $s.length++;
	$s.slot[at < $s.capacity ? at : at - $s.capacity] = p;
	if ($s.length > $s.highest)
		$s.highest = $s.length;
	click_wake();"""
    pull = """
	if ($s.length == 0)
		return NULL;
	return $take();"""
    data = "static struct vnfc_packet *$slots_of_its_own[$slots];"
    functions = """
static inline struct vnfc_packet *$take(void)
{
	struct vnfc_packet *p = $s.slot[$s.first];
	$s.first = $s.first + 1 < $s.capacity ? $s.first + 1 : 0;
	$s.length--;
	return p;
}

/* The oldest stay, as many as there is room for then. */
static bool $resize(uint32_t capacity)
{
	struct vnfc_packet **slot = calloc(capacity, sizeof(*slot));
	uint32_t kept = 0;
	if (!slot)
		return false;
	while ($s.length && kept < capacity)
		slot[kept++] = $take();
	while ($s.length)
		$drop($take());
	if ($s.slot != $slots_of_its_own)
		free($s.slot);
	$s.slot = slot;
	$s.first = 0;
	$s.length = kept;
	$s.capacity = capacity;
	return true;
}"""
    handlers = (
        number("length", "$s.length", "packets in the queue"),
        number("highwater_length", "$s.highest", "the most there ever were"),
        number("drops", "$s.drops", "packets dropped"),
        read_write(
            number("capacity", "$s.capacity", "packets that it can hold"),
            """
	int64_t number;
	if (!click_number(value, &number) || number < 1 || number > 65535)
		return click_refuse(out, "expected a number from 1 to 65535");
	if (!$resize((uint32_t)number))
		return click_refuse(out, "out of memory");""",
        ),
        write("reset_counts", "\t$s.drops = 0;\n\t$s.highest = $s.length;"),
        write("reset", "\twhile ($s.length)\n\t\t$out(1, $take());"),
    )

    def configure(self) -> None:
        self.constants = {"slots": self.args["CAPACITY"]}
        self.init = "\t\t$s.capacity = $slots;\n\t\t$s.slot = $slots_of_its_own;"


@element
class Queue(SimpleQueue):
    """SimpleQueue that tells whoever pulls when there is something (here, all do)."""


@element
class ThreadSafeQueue(SimpleQueue):
    """Queue: one thread runs everything here."""


def _task_number(name: str, why: str) -> Handler:
    read = number(name, f"$s.{name}", why, "%lld", "long long")
    infinite = "\n\tif ($s.burst < 0)\n\t\t$s.burst = INT32_MAX;" if name == "burst" else ""
    handler = writable(f"$s.{name}", read, -1, 2**31 - 1)
    return read_write(read, f"{handler.write}{infinite}\n\tclick_wake();")


@element
class Unqueue(Element):
    """Pulls packets as fast as it can and pushes them on."""

    ports, processing = "1/1", "l/h"
    arguments = (
        optional("BURST", integer(-1, 2**31 - 1), 1),
        keyword("ACTIVE", boolean, True),
        keyword("LIMIT", integer(-1, 2**31 - 1), -1),
    )
    state = "uint64_t packets; int64_t burst, limit; bool paused;"
    handlers = (
        number("count", "$s.packets", "packets that passed"),
        ACTIVE,
        _task_number("burst", "packets that it moves at once"),
        _task_number("limit", "packets that it moves altogether, -1: any number"),
        write("reset", "\t$s.packets = 0;\n\tclick_wake();"),
        write("reset_counts", "\t$s.packets = 0;\n\tclick_wake();"),
    )

    def configure(self) -> None:
        burst = self.args["BURST"] if self.args["BURST"] > 0 else 2**31 - 1
        self.init = f"\t\t$s.burst = {burst};\n\t\t$s.limit = {self.args['LIMIT']};"
        if not self.args["ACTIVE"]:
            self.init += "\n\t\t$s.paused = true;"

    task = """
	int64_t worked = 0;
	while (!$s.paused && worked < $s.burst && ($s.limit < 0 || (int64_t)$s.packets < $s.limit)) {
		struct vnfc_packet *p = $in(0);
		if (!p)
			break;
		$s.packets++;
		worked++;
		$out(0, p);
	}
	return worked > 0;"""


__all__ = ["ACTIVE", "unsigned", "writable"]

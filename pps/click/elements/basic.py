"""Elements that count, copy and end packets."""

from __future__ import annotations

import re

from pps.click.elements import (
    Element,
    Handler,
    c_string,
    element,
    flag,
    keyword,
    number,
    optional,
    rate_number,
    read_write,
    write,
)
from pps.click.values import boolean, text, unsigned, unsigned64


@element
class Null(Element):
    """Passes packets on."""

    action = "\treturn p;"


@element
class Idle(Element):
    """Never makes a packet, drops those that come."""

    ports, processing, flow = "-/-", "a/a", "x/y"
    reason = ("idle", "an Idle element got this packet")
    push = "\t$drop(p);"
    pull = "\treturn NULL;"


@element
class Discard(Element):
    """Drops every packet; pulls as fast as it can where its input is pull. REASON and WHY (ours, not
    Click's) name the drop and explain it."""

    ports, processing = "1/0", "a/a"
    arguments = (
        keyword("ACTIVE", boolean, True),
        keyword("BURST", unsigned, 1),
        keyword("REASON", text),
        keyword("WHY", text),
    )
    reason = ("discard", "a Discard element got this packet")
    state = "uint64_t packets; bool paused;"
    push = "\t$s.packets++;\n\t$drop(p);"
    handlers = (
        number("count", "$s.packets", "packets dropped so far"),
        write("reset_counts", "\t$s.packets = 0;"),
        read_write(
            flag("active", "!$s.paused", "whether it pulls"),
            """
	bool active;
	if (!click_boolean(value, &active))
		return click_refuse(out, "expected true or false");
	$s.paused = !active;
	click_wake();""",
        ),
    )

    def configure(self) -> None:
        if (name := self.args["REASON"]) is not None:
            self.reason = (name, self.args["WHY"] or f"{self.name} got this packet")
            if not re.fullmatch("[a-z][a-z0-9_]{0,30}", name):
                self.wrong("REASON", f"REASON {name}", "a name like [a-z][a-z0-9_]{0,30}")
                self.reason = Discard.reason

    def finish(self) -> None:
        if self.args["ACTIVE"] is False:
            self.init = "\t\t$s.paused = true;"
        if self.input_modes == ["l"]:
            self.task = """
	struct vnfc_packet *p = $s.paused ? NULL : $in(0);
	if (!p)
		return false;
	$s.packets++;
	$drop(p);
	return true;"""


@element
class Tee(Element):
    """Copies every packet to all its outputs."""

    ports, processing = "1/1-", "h/h"
    arguments = (optional("N", unsigned),)
    state = "uint64_t lost;"
    handlers = (number("lost", "$s.lost", "copies that were not made: no frame was free"),)

    def configure(self) -> None:
        if self.args["N"] is not None and self.args["N"] != self.outputs:
            self.wrong("N", f"N is {self.args['N']}", f"the number of its outputs, {self.outputs}")
        self.push = "".join(
            f"\tif ((q = click_clone(p)))\n\t\t$out({port}, q);\n\telse\n\t\t$s.lost++;\n"
            for port in range(self.outputs - 1)
        )
        self.push = f"\tstruct vnfc_packet *q VNFC__UNUSED;\n{self.push}\t$out({self.outputs - 1}, p);"


@element
class PullTee(Element):
    """Passes pulled packets on, and pushes copies to its other outputs."""

    ports, processing = "1/1-", "l/lh"
    arguments = (optional("N", unsigned),)

    def configure(self) -> None:
        copies = "".join(f"\tif (p && (q = click_clone(p)))\n\t\t$out({port}, q);\n" for port in range(1, self.outputs))
        self.pull = f"\tstruct vnfc_packet *p = $in(0), *q VNFC__UNUSED;\n{copies}\treturn p;"


@element
class Counter(Element):
    """Counts packets and bytes, and their rates; calls a handler at a limit."""

    arguments = (
        keyword("COUNT_CALL", text),
        keyword("BYTE_COUNT_CALL", text),
    )
    includes = ("rate.h",)
    state = "uint64_t packets, bytes; struct click_ewma packet_rate, byte_rate;"
    handlers: tuple[Handler, ...] = (
        number("count", "$s.packets", "packets that passed"),
        number("byte_count", "$s.bytes", "bytes that passed"),
        rate_number("rate", "$s.packet_rate", "packets a second, averaged over some seconds", 10),
        rate_number("bit_rate", "$s.byte_rate", "bits a second, averaged likewise", 4, 1),
        rate_number("byte_rate", "$s.byte_rate", "bytes a second, averaged likewise", 4),
    )

    def configure(self) -> None:
        reset = "\tmemset(&$s, 0, sizeof($s));" + "".join(
            f"\n\t$called_{member} = false;"
            for argument, member in (("COUNT_CALL", "packets"), ("BYTE_COUNT_CALL", "bytes"))
            if self.args[argument] is not None
        )
        self.handlers = (*self.handlers, write("reset", reset), write("reset_counts", reset))
        calls = ""
        for argument, member in (("COUNT_CALL", "packets"), ("BYTE_COUNT_CALL", "bytes")):
            if (given := self.args[argument]) is None:
                continue
            limit, _, call = given.partition(" ")
            try:
                unsigned64(limit, self.graph.names)
            except ValueError:
                self.wrong(argument, f"{argument} {given}", "LIMIT ELEMENT.HANDLER VALUE")
                continue
            calls += f"\tif ($s.{member} >= $limit_{member} && !$called_{member}) {{\n"
            calls += f"\t\t$called_{member} = true;\n\t\tclick_call($name_{member}, $value_{member});\n\t}}\n"
            name, value = c_call(call).split(", ", 1)
            self.data += f"static bool $called_{member};\nstatic uint64_t $limit_{member} = {limit}ull;\n"
            self.data += f"static char $name_{member}[128] = {name}, $value_{member}[256] = {value};\n"
            self.handlers = (*self.handlers, _call_handler(argument.lower(), member))
        self.action = f"""
	$s.packets++;
	$s.bytes += p->len;
	click_ewma_add(&$s.packet_rate, 1, 10);
	click_ewma_add(&$s.byte_rate, p->len, 4);
{calls}	return p;"""


def _call_handler(name: str, member: str) -> Handler:
    """`LIMIT ELEMENT.HANDLER VALUE`, of a Counter that was given one; it is armed anew."""
    change = f"""
	uint64_t limit;
	char name[128], text[256] = "";
	int end = 0;
	if (sscanf(value, "%" SCNu64 " %127s %n", &limit, name, &end) < 2)
		return click_refuse(out, "expected LIMIT ELEMENT.HANDLER VALUE");
	if (!click_find(name))
		return click_refuse(out, "there is no handler %s", name);
	snprintf(text, sizeof(text), "%s", end ? value + end : "");
	$limit_{member} = limit;
	memcpy($name_{member}, name, sizeof(name));
	memcpy($value_{member}, text, sizeof(text));
	$called_{member} = false;"""
    return read_write(number(name, f"$limit_{member}", "the limit at which a handler is called"), change)


def c_call(call: str) -> str:
    """`handler value` as two C strings."""
    handler, _, value = call.strip().partition(" ")
    return f"{c_string(handler)}, {c_string(value.strip())}"

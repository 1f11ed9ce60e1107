"""Elements with a clock: rates, shapers, splitters, meters. Time is counted in ticks of 1 ms, as Click's is."""

from __future__ import annotations

from typing import Any

from pps.click.elements import (
    Element,
    element,
    every,
    keyword,
    mandatory,
    number,
    optional,
    rate_number,
    read_write,
    real_number,
    text_handler,
    write,
)
from pps.click.elements.queues import ACTIVE
from pps.click.values import bandwidth, boolean, nanoseconds, seconds, unsigned

LEAST_BYTES = 131072  #: a bucket of bytes lets a packet go when it holds so many (more than any packet has)


def rate_handler(expression: str, changed: str = "", unit: str = "number") -> Any:
    """`rate`: of packets a number; of bytes it is read, and may be written, with a unit."""
    read = number("rate", expression, "the rate, a second")
    if unit == "bandwidth":
        read = text_handler("rate", f"\tclick_say_bandwidth(out, {expression});", "the rate, with its unit")
    return read_write(
        read,
        f"""
	int64_t rate;
	if (!click_{unit}(value, &rate) || rate < 0 || rate > UINT32_MAX)
		return click_refuse(out, "expected a whole number, a second");
	{changed}
	click_wake();""",
    )


BUCKET_RATE = "click_bucket_rate_of(&$s.bucket)"
BUCKET_CHANGED = "click_bucket_rate(&$s.bucket, (uint32_t)rate, $size((uint32_t)rate));"
GAP_CHANGED = "click_gap_rate(&$s.gap, (uint32_t)rate);"


class Bucketed(Element):
    """What token buckets need: RATE, and how much may pass at once."""

    includes = ("bucket.h", "bandwidth.h")
    state = "struct click_bucket bucket; struct click_timer timer; uint64_t packets; bool paused;"
    burst = "BURST_SIZE"
    least = 1
    arguments: Any = (
        mandatory("RATE", unsigned),
        keyword("BURST_DURATION", seconds),
        keyword("BURST_SIZE", unsigned),
        keyword("ACTIVE", boolean, True),
    )
    handlers: Any = (rate_handler(BUCKET_RATE, BUCKET_CHANGED), ACTIVE)

    def configure(self) -> None:
        rate, tokens, duration = self.args["RATE"], self.args[self.burst], self.args["BURST_DURATION"]
        if tokens is not None and duration is not None:
            self.wrong(self.burst, f"BURST_DURATION and {self.burst}", "one of them")
        at_once_ms = 20 if duration is None else duration // 1_000_000
        each = f"{tokens}ull" if tokens is not None else f"(uint64_t)rate * {at_once_ms} / 1000"
        more = self.least if self.least > 1 else 0
        self.functions = f"""
static inline uint32_t $size(uint32_t rate VNFC__UNUSED)
{{
	uint64_t size = {each} + {more};
	return size > UINT32_MAX ? UINT32_MAX : size ? (uint32_t)size : 1;
}}"""
        self.constants = {"rate": rate, "least": self.least}
        self.init = "\t\tclick_bucket_rate(&$s.bucket, $rate, $size($rate));"
        if not self.args["ACTIVE"]:
            self.init += "\n\t\t$s.paused = true;"


BYTES = (
    mandatory("RATE", bandwidth),
    keyword("BURST_DURATION", seconds),
    keyword("BURST_BYTES", unsigned),
    keyword("ACTIVE", boolean, True),
)


@element
class RatedUnqueue(Bucketed):
    """Pulls RATE packets a second, and pushes them."""

    ports, processing = "1/1", "l/h"
    cost = "1"
    handlers: Any = (*Bucketed.handlers, number("count", "$s.packets", "packets that passed"))

    def configure(self) -> None:
        super().configure()
        self.task = f"""
	if ($s.paused)
		return false;
	click_bucket_refill(&$s.bucket);
	if (!click_bucket_has(&$s.bucket, $least)) {{
		click_wake_at(&$s.timer, click_bucket_when(&$s.bucket, $least));
		return false;
	}}
	struct vnfc_packet *p = $in(0);
	if (!p)
		return false;
	click_bucket_take(&$s.bucket, {self.cost});
	$s.packets++;
	$out(0, p);
	return true;"""


@element
class BandwidthRatedUnqueue(RatedUnqueue):
    """Pulls packets of RATE bytes a second together, and pushes them."""

    arguments: Any = BYTES
    burst, least, cost = "BURST_BYTES", LEAST_BYTES, "p->len"
    handlers: Any = (
        rate_handler(BUCKET_RATE, BUCKET_CHANGED, "bandwidth"),
        ACTIVE,
        number("count", "$s.packets", "packets that passed"),
    )


@element
class RatedSplitter(Bucketed):
    """RATE packets a second go to output 0, the others to output 1."""

    ports, processing = "1/1-2", "h/h"
    reason = ("over_rate", "more packets than a splitter's rate")
    push = """
	click_bucket_refill(&$s.bucket);
	if (click_bucket_has(&$s.bucket, 1)) {
		click_bucket_take(&$s.bucket, 1);
		$out(0, p);
	} else {
		$out(1, p);
	}"""


@element
class BandwidthRatedSplitter(RatedSplitter):
    """RATE bytes a second go to output 0, the others to output 1."""

    arguments: Any = BYTES
    burst, least = "BURST_BYTES", LEAST_BYTES
    handlers: Any = (rate_handler(BUCKET_RATE, BUCKET_CHANGED, "bandwidth"), ACTIVE)
    push = """
	click_bucket_refill(&$s.bucket);
	if (click_bucket_has(&$s.bucket, $least)) {
		click_bucket_take(&$s.bucket, p->len);
		$out(0, p);
	} else {
		$out(1, p);
	}"""


@element
class Shaper(Element):
    """Lets RATE packets a second be pulled, spread evenly."""

    ports, processing = "1/1", "l/l"
    includes = ("gap.h", "bandwidth.h")
    arguments: Any = (mandatory("RATE", unsigned),)
    state = "struct click_gap gap; struct click_timer timer;"
    cost = "1"
    handlers = (
        rate_handler("$s.gap.rate", GAP_CHANGED),
        write("reset", "\t$s.gap.begun = false;\n\tclick_wake();"),
    )

    def configure(self) -> None:
        self.constants = {"rate": self.args["RATE"]}
        self.init = "\t\tclick_gap_rate(&$s.gap, $rate);"
        self.pull = f"""
	if (!click_gap_open(&$s.gap)) {{
		if ($s.gap.rate)
			click_wake_at(&$s.timer, click_gap_when(&$s.gap));
		return NULL;
	}}
	struct vnfc_packet *p = $in(0);
	if (p)
		$s.gap.count += {self.cost};
	return p;"""


@element
class BandwidthShaper(Shaper):
    """Lets RATE bytes a second be pulled, spread evenly."""

    arguments: Any = (mandatory("RATE", bandwidth),)
    cost = "p->len"
    handlers = (rate_handler("$s.gap.rate", GAP_CHANGED, "bandwidth"), *Shaper.handlers[1:])


@element
class Meter(Element):
    """Packets go to output 0 while the average rate is below the first RATE, and so on."""

    ports, processing = "1/2-", "h/h"
    includes = ("rate.h",)
    arguments: Any = (every("RATE", unsigned, 1),)
    state = "struct click_ewma rate;"
    unit, scale = "1", 10
    handlers = (rate_number("rate", "$s.rate", "packets (or bytes) a second, averaged", 10),)

    def configure(self) -> None:
        rates = self.args["RATE"]
        if len(rates) + 1 != self.outputs:
            self.wrong(None, f"{len(rates)} rates and {self.outputs} outputs", "one output more than rates")
        if sorted(set(rates)) != rates:
            self.wrong(None, "its rates", "each greater than the one before")
        if any(rate > (2**32 - 1) >> self.scale for rate in rates):
            self.wrong(None, "its rates", f"at most {(2**32 - 1) >> self.scale}")
        tests = "".join(
            f"\tif (rate < {(rate << self.scale) // 1000}u) {{\n\t\t$out({i}, p);\n\t\treturn;\n\t}}\n"
            for i, rate in enumerate(rates)
        )
        self.push = f"""
	click_ewma_add(&$s.rate, {self.unit}, {self.scale});
	uint64_t rate = (uint64_t)$s.rate.average;
{tests}	$out({len(rates)}, p);"""


@element
class BandwidthMeter(Meter):
    """Meter for bytes a second."""

    arguments: Any = (every("RATE", bandwidth, 1),)
    unit = "p->len"


@element
class AverageCounter(Element):
    """Counts packets, and their average rate from the first to the last; the first IGNORE seconds do not
    count."""

    includes = ("bucket.h",)
    arguments = (optional("IGNORE", nanoseconds("s"), 0),)
    state = "uint64_t packets, bytes, first, last;"
    action = """
	uint64_t tick = click_tick() | (click_tick() == 0);
	if (!$s.first)
		$s.first = tick;
	if (tick - $s.first >= $ignore) {
		$s.packets++;
		$s.bytes += p->len;
	}
	$s.last = tick;
	return p;"""
    functions = """
static double $rate(uint64_t counted)
{
	int64_t ticks = (int64_t)($s.last - $s.first) - (int64_t)$ignore;
	return (double)counted * CLICK_TICKS / (ticks < 1 ? 1 : (double)ticks);
}"""
    handlers = (
        number("count", "$s.packets", "packets that passed"),
        number("byte_count", "$s.bytes", "bytes that passed"),
        real_number("rate", "$rate($s.packets)", "packets a second"),
        real_number("byte_rate", "$rate($s.bytes)", "bytes a second"),
        write("reset", "\tmemset(&$s, 0, sizeof($s));"),
    )

    def configure(self) -> None:
        self.constants = {"ignore": self.args["IGNORE"] // 1_000_000}


@element
class SetTimestamp(Element):
    """Sets a packet's timestamp: to now, or to TIMESTAMP (seconds since 1970)."""

    arguments = (
        optional("TIMESTAMP", nanoseconds("s")),
        keyword("FIRST", boolean, False),
        keyword("DELTA", boolean, False),
    )

    def configure(self) -> None:
        for name in ("FIRST", "DELTA"):
            if self.args[name]:
                self.wrong(name, f"{name} true", "SetTimestamp without it: a packet has one timestamp here")
        given = self.args["TIMESTAMP"]
        moment = "vnfc_now()" if given is None else f"{given}ull - vnfc__host->wall_minus_monotonic"
        self.action = f"\tp->time_ns = {moment};\n\treturn p;"

"""Aggregates: numbers for flows, and counts by number."""

from __future__ import annotations

from typing import Any

from pps.click.elements import Element, c_string, element, flag, keyword, number, read_write, text_handler, write
from pps.click.elements.basic import c_call
from pps.click.values import boolean, seconds, text, unsigned, unsigned64

SECOND = 10**9
NEVER = 2**64 - 1


def switch(name: str, expression: str, why: str, negated: bool = False) -> Any:
    return read_write(
        flag(name, f"{'!' if negated else ''}{expression}", why),
        f"""
	bool on;
	if (!click_boolean(value, &on))
		return click_refuse(out, "type mismatch");
	{expression} = {'!' if negated else ''}on;""",
    )


def writer(name: str, format: str, why: str) -> Any:
    return write(name, f"\treturn aggregates_write(&$s.counts, value, $banner, {format}, out);", why)


@element
class AggregateCounter(Element):
    """Counts packets or bytes by their aggregate annotation."""

    ports, processing, flow = "1-2/1-2", "a/a", "#/#"
    annotations = headers = True
    includes = ("aggregate.h", "rate.h")
    arguments = (
        keyword("BYTES", boolean, False),
        keyword("IP_BYTES", boolean, False),
        keyword("MULTIPACKET", boolean, True),
        keyword("EXTRA_LENGTH", boolean, True),
        keyword("AGGREGATE_FREEZE", unsigned),
        keyword("COUNT_FREEZE", unsigned64),
        keyword("AGGREGATE_STOP", unsigned),
        keyword("COUNT_STOP", unsigned64),
        keyword("AGGREGATE_CALL", text),
        keyword("COUNT_CALL", text),
        keyword("BANNER", text, ""),
    )
    state = "struct aggregates counts; bool frozen, stopped; uint64_t call_nonzero, call_count;"
    functions = """
/* Whether it was counted. `frozen`: only what has a count already. */
static bool $update(const struct vnfc_packet *p, bool frozen)
{
	if ($s.stopped)
		return false;
	struct aggregate *a = aggregates_at(&$s.counts, click_anno32(p, CLICK_AGGREGATE), !(frozen || $s.frozen));
	if (!a)
		return false;
	uint32_t amount = 1 + ($packets ? click_anno32(p, CLICK_EXTRA_PACKETS) : 0);
	if ($bytes)
		amount = p->len + ($extra ? click_anno32(p, CLICK_EXTRA_LENGTH) : 0);
	if ($bytes && $ip && click_network(p))
		amount -= (uint32_t)(click_network(p) - p->data);
	if (amount && !a->count) {
		if ($s.counts.nonzero >= $s.call_nonzero) {
			$s.call_nonzero = UINT64_MAX;
			$nonzero_call();
			return $update(p, frozen); /* that may have changed what we do */
		}
		$s.counts.nonzero++;
	}
	a->count += amount;
	$s.counts.count += amount;
	if ($s.counts.count >= $s.call_count) {
		$s.call_count = UINT64_MAX;
		$count_call();
	}
	return true;
}"""
    push = "\tunsigned to = !$update(p, port == 1);\n\t$out($outputs == 1 ? 0 : to, p);"
    pull = """
	struct vnfc_packet *p = $in($inputs == 1 ? 0 : port);
	if (p)
		$update(p, port == 1);
	return p;"""
    handlers = (
        number("count", "$s.counts.count", "packets or bytes counted"),
        number("nagg", "$s.counts.nonzero", "aggregates with a count"),
        switch("active", "$s.stopped", "whether it counts", negated=True),
        switch("freeze", "$s.frozen", "whether only aggregates are counted that have a count"),
        text_handler("banner", '\tclick_say(out, "%s", $banner);', "what is written before the counts"),
        write("stop", "\t$s.stopped = true;", "count no more"),
        write("clear", "\taggregates_clear(&$s.counts);", "forget all counts"),
        write(
            "reaggregate_counts",
            '\tif (!aggregates_again(&$s.counts))\n\t\treturn click_refuse(out, "out of memory!");',
            "counts become the aggregates: how often was each",
        ),
        writer("write_file", "AGGREGATE_BINARY", "write the counts to a file, in binary"),
        writer("write_text_file", "AGGREGATE_TEXT", "write the counts to a file (-: to the log)"),
        writer("write_ascii_file", "AGGREGATE_TEXT", "write_text_file"),
        writer("write_ip_file", "AGGREGATE_IP", "write the counts, aggregates as IP addresses"),
        writer("write_pdf_file", "AGGREGATE_PDF", "write each aggregate's part of the sum"),
    )

    def configure(self) -> None:
        a = self.args
        self.constants = {
            "bytes": int(a["BYTES"]),
            "ip": int(a["IP_BYTES"]),
            "packets": int(a["MULTIPACKET"]),
            "extra": int(a["EXTRA_LENGTH"]),
            "outputs": self.outputs,
            "inputs": self.inputs,
        }
        limits = {"nonzero": self._call("AGGREGATE"), "count": self._call("COUNT")}
        self.data = f"static const char $banner[] = {c_string(a['BANNER'])};"
        for member, (limit, code) in limits.items():
            self.data += f"\nstatic inline void ${member}_call(void);"
            self.functions += f"\nstatic inline void ${member}_call(void)\n{{\n{code}\n}}"
            self.init += f"\t\t$s.call_{member} = {limit}ull;\n"

    def _call(self, what: str) -> tuple[int, str]:
        """The limit that *what*_FREEZE, _STOP or _CALL gives, and what happens at it."""
        given = [kind for kind in ("FREEZE", "STOP", "CALL") if self.args[f"{what}_{kind}"] is not None]
        if len(given) > 1:
            found = ", ".join(f"{what}_{kind}" for kind in given)
            self.wrong(f"{what}_{given[1]}", found, "one of them")
        if not given:
            return NEVER, ""
        value = self.args[f"{what}_{given[0]}"]
        if given[0] != "CALL":
            return value, "\t$s.frozen = true;" if given[0] == "FREEZE" else "\t$s.stopped = true;"
        limit, _, call = value.partition(" ")
        if not limit.isdigit() or not call:
            self.wrong(f"{what}_CALL", f"{what}_CALL {value}", "N HANDLER [VALUE]")
            return NEVER, ""
        return int(limit), f"\tclick_call({c_call(call)});"


@element
class AggregateIPFlows(Element):
    """Numbers TCP and UDP flows: aggregate annotation, and paint (0 as the first packet went, 1 the other way)."""

    ports, processing = "1/1-2", "a/ah"
    annotations = headers = True
    includes = ("ipflows.h",)
    reason = ("no_flow", "AggregateIPFlows found no TCP or UDP flow that this packet belongs to")
    arguments = (
        keyword("TCP_TIMEOUT", seconds, 24 * 3600 * SECOND),
        keyword("TCP_DONE_TIMEOUT", seconds, 30 * SECOND),
        keyword("UDP_TIMEOUT", seconds, 60 * SECOND),
        keyword("FRAGMENT_TIMEOUT", seconds, 30 * SECOND),
        keyword("REAP", seconds, 1200 * SECOND),
        keyword("ICMP", boolean, False),
        keyword("FRAGMENTS", boolean),
    )
    state = "struct ipflows flows;"
    functions = """
static void $emit(struct vnfc_packet *p)
{
	$out(0, p);
}
/* What is to go on at once, or NULL. */
static struct vnfc_packet *$handle(struct vnfc_packet *p)
{
	enum ipflow_fate fate = ipflows_packet(&$s.flows, p);
	if ($s.flows.now >= $s.flows.reap_at) {
		if ($s.flows.reap_at)
			ipflows_reap(&$s.flows, false);
		$s.flows.reap_at = $s.flows.now + $s.flows.reap_every;
	}
	if (fate == IPFLOW_OTHER)
		$out(1, p);
	else if (fate == IPFLOW_CANNOT_WAIT)
		click_drop_at(p, CLICK_HOLD_FULL, $where);
	return fate == IPFLOW_EMIT ? p : NULL;
}"""
    action = "\treturn $handle(p);"
    handlers = (
        number("nflows", "$s.flows.live", "flows that it remembers"),
        write("clear", "\tipflows_reap(&$s.flows, true);", "forget all flows; what waits goes on"),
    )

    def finish(self) -> None:
        pulled = self.input_modes == ["l"]
        fragments = self.args["FRAGMENTS"]
        if fragments and pulled:
            self.wrong("FRAGMENTS", "FRAGMENTS true with a pull input", "a push input, or FRAGMENTS false")
        times = {"tcp": "TCP_TIMEOUT", "done": "TCP_DONE_TIMEOUT", "udp": "UDP_TIMEOUT", "fragment": "FRAGMENT_TIMEOUT",
                 "reap_every": "REAP"}  # fmt: skip
        self.init = "".join(f"\t\t$s.flows.{m} = {self.args[name] // SECOND}ull;\n" for m, name in times.items())
        self.init += f"""
		$s.flows.next = 1;
		$s.flows.icmp = {str(self.args['ICMP']).lower()};
		$s.flows.fragments = {str(not pulled if fragments is None else fragments).lower()};
		$s.flows.drop = $drop;
		$s.flows.emit = $emit;"""

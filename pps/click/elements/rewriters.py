"""IP rewriters: network address and port translation."""

from __future__ import annotations

import re
from typing import Any

from pps.click.arguments import unquote, words
from pps.click.elements import (
    Element,
    Handler,
    c_string,
    element,
    every,
    keyword,
    number,
    read_write,
    text_handler,
    write,
)
from pps.click.values import Names, annotation, boolean, integer, ip, mask_of, prefix, raw, seconds

SECOND = 10**9
MOST_FLOWS = 2**31 - 1
_PORTS = re.compile(r"(\d+)(?:-(\d+)[#?]?)?")
Specification = tuple[str, ...]


def _text(address: int) -> str:
    return ".".join(str(byte) for byte in address.to_bytes(4, "big"))


def _address(word: str, names: Names, what: str) -> str:
    if word == "-":
        return word
    try:
        return _text(ip(word, names))
    except ValueError:
        raise ValueError(f"{what}: an IPv4 address or -") from None


def _source(word: str, names: Names) -> str:
    """ADDRESS, FIRST-LAST, PREFIX/BITS (with # or ? behind it), or -."""
    if word == "-":
        return word
    bare = word.rstrip("#?") if word[-1] in "#?" else word
    how = word[len(bare):][:1]
    wrong = "bad source address: an IPv4 address, FIRST-LAST, a prefix, or -"
    try:
        if "/" in bare:
            address, mask = prefix(bare, names)
            if not address or not mask or mask != mask_of(bin(mask).count("1")):
                raise ValueError
            return f"{_text(address)}/{bin(mask).count('1')}{how}"
        first, dash, last = bare.partition("-")
        if not dash:
            if how:
                raise ValueError
            return _address(first, names, wrong)
        if ip(last, names) < ip(first, names):
            raise ValueError
        return f"{_address(first, names, wrong)}-{_address(last, names, wrong)}{how}"
    except ValueError:
        raise ValueError(wrong) from None


def _port(word: str, what: str, ranges: bool) -> str:
    found = _PORTS.fullmatch(word)
    if word == "-":
        return word
    if found is None or (found[2] and not ranges):
        raise ValueError(f"bad {what} port: 1 to 65535{', a range such as 1024-65535,' if ranges else ''} or -")
    low, high = int(found[1]), int(found[2] or found[1])
    if not (0 if found[2] else 1) <= low <= high <= 65535:
        raise ValueError(f"bad {what} port: 1 to 65535")
    return word


def pattern(parts: list[str], names: Names) -> list[str]:
    """SADDR DADDR, SADDR DADDR SPORT, or SADDR SPORT DADDR DPORT, checked, names replaced by addresses."""
    if not 2 <= len(parts) <= 4:
        raise ValueError("a pattern: SADDR SPORT DADDR DPORT")
    n = len(parts)
    out = [_source(parts[0], names)]
    to = _address(parts[2 if n == 4 else 1], names, "bad destination address")
    if n == 2:
        return [*out, to]
    if n == 3:
        return [*out, to, _port(parts[2], "source", True)]
    return [*out, _port(parts[1], "source", True), to, _port(parts[3], "destination", False)]


@element
class IPRewriterPatterns(Element):
    """Names for patterns: NAME SADDR SPORT DADDR DPORT."""

    ports = "0/0"
    arguments = (every("PATTERN", raw, 0),)

    def patterns(self) -> dict[str, list[str]]:
        found = {}
        for argument in self.given:
            name, *parts = words(unquote(argument.text)) or [""]
            try:
                found[name] = pattern(parts, self.graph.names)
            except ValueError as problem:
                self.mistakes.add(argument.place, f"{self}: pattern '{argument.text}'", str(problem))
                found[name] = ["-", "-"]
        return found

    def configure(self) -> None:
        self.patterns()


TABLE = '\trw_say_flows(&$s.rw, %d, %s, out);'
CAPACITY_WRITE = """
	int64_t most;
	if (!click_number(value, &most) || most < INT32_MIN || most > INT32_MAX)
		return click_refuse(out, "expected CAPACITY");
	$s.rw.flows->capacity = (int32_t)most;
	rw_shrink($s.rw.flows, (int32_t)most);"""
COMMON = (
    number("table_size", "rw_sum(&$s.rw, false)", "flows"),
    number("nmappings", "rw_sum(&$s.rw, false)", "flows"),
    number("mapping_failures", "rw_sum(&$s.rw, true)", "flows that found no place"),
    text_handler("patterns", "\trw_say_inputs(&$s.rw, out);", "what the inputs do, and how many flows they made"),
    number("size", "$s.rw.flows->heap[0].n + $s.rw.flows->heap[1].n", "flows, of all that share the capacity"),
    read_write(number("capacity", "$s.rw.flows->capacity", "flows at most", "%d", "int"), CAPACITY_WRITE),
    write("clear", "\trw_shrink($s.rw.flows, 0);", "forget all flows"),
)
TABLES = tuple(text_handler(name, TABLE % (0, "true"), "the flows, both directions") for name in ("table", "mappings"))
LOOKUP = "\treturn rw_answer(&$s.rw, value, out);"
LOOKUP_WHY = "what a TCP flow becomes: SADDR SPORT DADDR DPORT"


class Rewriter(Element):
    """What all share. `style` is what struct rw_options says; timeouts are in ns."""

    ports, processing = "1-/1-", "h/h"
    headers = annotations = True
    includes = ("rewriter_apply.h",)
    reason = ("not_rewritten", "an IP rewriter has no flow for this packet and makes none")
    state = "struct rewriter rw; struct rw_input input[$inputs];"
    general: Any = (
        every("INPUTSPEC", raw),
        keyword("CAPACITY", raw),
        keyword("MAPPING_CAPACITY", raw),
        keyword("GUARANTEE", seconds),
        keyword("REAP_INTERVAL", seconds),
        keyword("REAP_TIME", seconds),
    )
    annos: Any = (keyword("DST_ANNO", boolean, True), keyword("REPLY_ANNO", annotation(1)))
    style = ""
    shown: tuple[Handler, ...] = TABLES
    push = """
	int output = rw_packet(&$s.rw, p, port, $options);
	if (output < 0)
		$drop(p);
	else
		$out((unsigned)output, p);"""

    def first(self, *names: str, default: int) -> int:
        """The argument that was given, the last of them counts."""
        found = [self.args[name] for name in names if self.args.get(name) is not None]
        return int(found[-1]) if found else default

    def timeouts(self) -> tuple[str, int, int]:
        """Body of the function that gives a flow's timeout; guarantees of both maps."""
        raise NotImplementedError

    def configure(self) -> None:
        specs: list[str] = self.args["INPUTSPEC"]
        if len(specs) != self.inputs:
            self.wrong(None, f"{len(specs)} INPUTSPECs, {self.inputs} inputs", "one INPUTSPEC for each input")
            return
        timeout, *guarantees = self.timeouts()
        anno = self.args.get("REPLY_ANNO")
        set_dst = str(self.args.get("DST_ANNO", True)).lower()
        self.constants = {"inputs": max(self.inputs, 1)}
        self.functions = f"""
static uint64_t $timeout(const struct rw_flow *f VNFC__UNUSED)
{{
{timeout}
}}
static const struct rw_options $options = {{ {self.style}, .set_dst = {set_dst}, .anno = {int(anno is not None)},
						.anno_at = {anno or 0} }};"""
        init = f"""
		$s.rw.flows = {self._flows()};
		$s.rw.input = $s.input;
		$s.rw.inputs = {self.inputs};
		$s.rw.outputs = {self.outputs};
		$s.rw.reap_ns = {self.first("REAP_INTERVAL", "REAP_TIME", default=900 * SECOND)}ull;
		$s.rw.timeout = $timeout;
		$s.rw.guarantee[0] = {guarantees[0]}ull;
		$s.rw.guarantee[1] = {guarantees[1]}ull;"""
        handlers = []
        for i, (spec, place) in enumerate(zip(specs, self.every_place, strict=True)):
            try:
                text = self._specification(spec)
            except ValueError as problem:
                self.mistakes.add(place, f"{self}: input {i} is '{unquote(spec)}'", str(problem))
                continue
            refused = c_string(f"{place}: {self}: input {i}: ")
            init += f"\n\t\tif (rw_parse(&$s.rw, {c_string(text)}, &$s.input[{i}], &click_out) < 0)"
            init += f'\n\t\t\t$fail("%s%s | a specification | ", {refused}, click_out.text);'
            handlers.append(
                read_write(
                    text_handler(f"pattern{i}", f"\trw_say_input(&$s.rw, {i}, out);", f"what input {i} does"),
                    f"\treturn rw_write(&$s.rw, {i}, value, out);",
                )
            )
        self.init = f"{init}\n\t\trw_start(&$s.rw);"
        self.handlers = (*self.shown, *COMMON, *handlers)

    def _flows(self) -> str:
        """Its own flows with a capacity, or those of the rewriter that CAPACITY names."""
        given = self.args["MAPPING_CAPACITY"] or self.args["CAPACITY"]
        if given is not None and isinstance(self.graph.elements.get(unquote(given)), Rewriter):
            return f"&{self.graph.c_name(unquote(given), 's')}.rw.own"
        capacity = MOST_FLOWS
        if given is not None:
            try:
                capacity = integer(0)(given, self.graph.names)
            except ValueError:
                self.wrong("CAPACITY", f"CAPACITY {given}", "a number of flows, or the name of an IP rewriter")
        return f"&$s.rw.own;\n\t\t$s.rw.own.capacity = {capacity}"

    def _specification(self, spec: str) -> str:
        """As the runtime reads it. ValueError says what was expected."""
        kind, *rest = words(unquote(spec)) or [""]
        if kind in ("drop", "discard"):
            if rest:
                raise ValueError(f"{kind} alone")
            return kind
        if kind in ("pass", "passthrough", "nochange"):
            return " ".join([kind, *self._outputs(rest or ["0"], 1)])
        if kind == "keep":
            return " ".join([kind, *self._outputs(rest, 2)])
        if kind not in ("pattern", "xpattern"):
            what = "pattern SADDR SPORT DADDR DPORT FOUTPUT ROUTPUT"
            raise ValueError(f"drop, pass OUTPUT, keep FOUTPUT ROUTPUT, or {what}")
        outputs = self._outputs(rest[-2:], 2)
        if len(rest) == 3:
            named: dict[str, list[str]] = {}
            for each in self.graph.elements.values():
                if isinstance(each, IPRewriterPatterns):
                    named.update(each.patterns())
            if rest[0] not in named:
                raise ValueError(f"a pattern, or a name that IPRewriterPatterns gives one; not {rest[0]}")
            return " ".join([kind, *named[rest[0]], *outputs])
        return " ".join([kind, *pattern(rest[:-2], self.graph.names), *outputs])

    def _outputs(self, given: list[str], n: int) -> list[str]:
        if len(given) != n or not all(word.isdigit() and int(word) < self.outputs for word in given):
            what = "an output" if n == 1 else "forward and reply outputs"
            raise ValueError(f"{what}: 0 to {self.outputs - 1}")
        return given


TCP_TIMES: Any = (
    keyword("TCP_NODATA_TIMEOUT", seconds),
    keyword("TCP_GUARANTEE", seconds),
    keyword("TIMEOUT", seconds),
    keyword("TCP_TIMEOUT", seconds),
    keyword("TCP_DONE_TIMEOUT", seconds),
)
TCP_TIMEOUT = """	if ((f->state & RW_DONE_BOTH) == RW_DONE_BOTH)
		return {done}ull;
	return (f->state & RW_DATA_BOTH) == RW_DATA_BOTH ? {data}ull : {nodata}ull;"""
UDP_TIMEOUT = "	return f->state >= RW_STREAMING ? {streaming}ull : {idle}ull;"


@element
class TCPRewriter(Rewriter):
    """Rewrites addresses and ports of TCP."""

    arguments: Any = (*Rewriter.general, *TCP_TIMES, *Rewriter.annos)
    style = ".tcp = true"
    shown = (*TABLES, text_handler("lookup", LOOKUP, LOOKUP_WHY, parameter=True))

    def timeouts(self) -> tuple[str, int, int]:
        guarantee = self.first("TCP_GUARANTEE", "GUARANTEE", default=5 * SECOND)
        body = TCP_TIMEOUT.format(
            done=self.first("TCP_DONE_TIMEOUT", default=240 * SECOND),
            data=self.first("TIMEOUT", "TCP_TIMEOUT", default=86400 * SECOND),
            nodata=self.first("TCP_NODATA_TIMEOUT", default=300 * SECOND),
        )
        return body, guarantee, guarantee


@element
class UDPRewriter(Rewriter):
    """Rewrites addresses and ports of UDP (and TCP and DCCP, whose connections it does not follow)."""

    arguments: Any = (
        *Rewriter.general,
        keyword("UDP_TIMEOUT", seconds),
        keyword("TIMEOUT", seconds),
        keyword("UDP_STREAMING_TIMEOUT", seconds),
        keyword("STREAMING_TIMEOUT", seconds),
        keyword("UDP_GUARANTEE", seconds),
        *Rewriter.annos,
    )
    style = ".tcp = true, .udp = true"

    def timeouts(self) -> tuple[str, int, int]:
        idle = self.first("UDP_TIMEOUT", "TIMEOUT", default=300 * SECOND)
        streaming = self.first("UDP_STREAMING_TIMEOUT", "STREAMING_TIMEOUT", default=idle)
        guarantee = self.first("UDP_GUARANTEE", "GUARANTEE", default=5 * SECOND)
        return UDP_TIMEOUT.format(idle=idle, streaming=streaming), guarantee, guarantee


@element
class IPRewriter(TCPRewriter):
    """Rewrites addresses and ports of TCP and UDP, which have a map each."""

    arguments: Any = (
        *TCPRewriter.arguments,
        keyword("UDP_TIMEOUT", seconds),
        keyword("UDP_STREAMING_TIMEOUT", seconds),
        keyword("UDP_GUARANTEE", seconds),
    )
    style = ".tcp = true, .udp = true, .both = true"
    shown = (
        *(text_handler(name, TABLE % (0, "true"), "the TCP flows") for name in ("tcp_table", "tcp_mappings")),
        *(text_handler(name, TABLE % (1, "true"), "the UDP flows") for name in ("udp_table", "udp_mappings")),
        text_handler("tcp_lookup", LOOKUP, LOOKUP_WHY, parameter=True),
    )

    def timeouts(self) -> tuple[str, int, int]:
        tcp, guarantee, _ = super().timeouts()
        idle = self.first("UDP_TIMEOUT", default=300 * SECOND)
        streaming = self.first("UDP_STREAMING_TIMEOUT", default=idle)
        udp = UDP_TIMEOUT.format(idle=idle, streaming=streaming)
        body = f"\tif (f->map == RW_UDP)\n\t{udp}\n{tcp}"
        return body, guarantee, self.first("UDP_GUARANTEE", default=5 * SECOND)


@element
class IPAddrPairRewriter(Rewriter):
    """Rewrites source and destination addresses, whatever the protocol."""

    arguments: Any = (*Rewriter.general, keyword("TIMEOUT", seconds), keyword("REPLY_ANNO", annotation(1)))
    style = ".addresses = true"
    shown = tuple(
        text_handler(name, TABLE % (0, "false"), "the flows, both directions") for name in ("table", "mappings")
    )

    def timeouts(self) -> tuple[str, int, int]:
        guarantee = self.first("GUARANTEE", default=5 * SECOND)
        return f"\treturn {self.first('TIMEOUT', default=7200 * SECOND)}ull;", guarantee, guarantee

"""Checks of headers and lengths. What fails goes to output 1, or is dropped with the reason."""

from __future__ import annotations

from typing import Any

from pps.click.arguments import words
from pps.click.elements import (
    Element,
    Handler,
    element,
    keyword,
    mandatory,
    number,
    optional,
    text_handler,
    writable,
    write,
)
from pps.click.values import Names, boolean, ip, prefix, raw, unsigned

DROPS = (
    number("drops", "$s.drops", "packets that failed the check"),
    write("reset_drops", "\t$s.drops = 0;"),
)
FAIL = """
	$s.drops++;
	$s.why[why]++;
	$out(1, p);
	return NULL;"""
IP_MISTAKES = (
    "tiny packet", "bad IP version", "bad IP header length", "bad IP length", "bad IP checksum", "bad source address",
)  # fmt: skip


def transport_mistakes(protocol: str) -> tuple[str, ...]:
    return f"not {protocol}", "bad packet length", f"bad {protocol} checksum"


class Check(Element):
    """What all share."""

    ports, processing = "1/1-2", "a/ah"
    headers = True
    includes = ("ip.h", "check.h")
    state = "uint64_t drops; uint32_t why[6];"
    handlers: tuple[Handler, ...] = DROPS
    mistakes_known: tuple[str, ...] = IP_MISTAKES

    def details(self) -> None:
        """A handler that counts by what was wrong, where it is asked for."""
        if self.args["DETAILS"]:
            lines = "".join(
                f'\tclick_say(out, "%u\\t%s\\n", $s.why[{i}], "{text}");\n'
                for i, text in enumerate(self.mistakes_known)
            )
            self.handlers = (*DROPS, text_handler("drop_details", lines.rstrip("\n"), "what was wrong, and how often"))


def address_list(text: str, names: Names) -> list[int]:
    return [ip(word, names) for word in words(text)]


def interfaces(text: str, names: Names) -> list[tuple[int, int]]:
    return [prefix(word, names) for word in words(text)]


@element
class CheckIPHeader(Check):
    """Passes sound IPv4 headers: version, lengths, checksum, source address; cuts the packet to its IP
    length."""

    reason = ("bad_ip_header", "the IPv4 header is not sound")
    annotations = False  # the destination annotation costs only if another element reads annotations
    arguments: Any = (
        optional("FIRST", raw),
        optional("SECOND", unsigned),
        keyword("INTERFACES", interfaces, []),
        keyword("BADSRC", address_list, []),
        keyword("GOODDST", address_list, []),
        keyword("OFFSET", unsigned),
        keyword("CHECKSUM", boolean),
        keyword("VERBOSE", boolean, False),
        keyword("DETAILS", boolean, False),
    )
    offset_default = 0
    checksum_default = True
    action = (
        """
	uint8_t *ip = p->data + $offset;
	if (p->len < $offset || !click_ip_plausible(ip, p->len - $offset))
		goto bad;
	if ($checksum && packet_fold(packet_sum(ip, click_ip_header_len(ip), 0)) != 0xffff)
		goto bad;
	if ($bad_source(ip))
		goto bad;
	click_set_ip(p, ip);
	vnfc_trim(p, $offset + load16(ip + 2));
	click_set_dst_ip(p, ((struct ip4_header *)ip)->dst);
	return p;
bad:;
	unsigned why = click_why_not_ip(ip, p->len < $offset ? 0 : p->len - $offset, $checksum);"""
        + FAIL
    )

    def configure(self) -> None:
        offset, bad = self._positional()
        good: list[int] = [*self.args["GOODDST"], *(address for address, _ in self.args["INTERFACES"])]
        bad += self.args["BADSRC"]
        if self.args["INTERFACES"]:
            bad += [address & mask | ~mask & 0xFFFFFFFF for address, mask in self.args["INTERFACES"]]
            bad += [0, 0xFFFFFFFF]
        if (checksum := self.args["CHECKSUM"]) is None:
            checksum = self.checksum_default
        self.details()
        self.constants = {"offset": offset, "checksum": int(checksum)}
        tests = " || ".join(f"source == {address:#x}u" for address in bad) or "false"
        excuse = " && ".join(f"load32(ip + 16) != {address:#x}u" for address in good) or "true"
        self.functions = f"""
static inline bool $bad_source(const uint8_t *ip)
{{
	uint32_t source VNFC__UNUSED = load32(ip + 12);
	return ({tests}) && ({excuse});
}}"""

    def _positional(self) -> tuple[int, list[int]]:
        """(OFFSET), or the old (BADSRC, OFFSET)."""
        first, names = self.args["FIRST"], self.graph.names
        offset: int = self.args["OFFSET"] if self.args["OFFSET"] is not None else self.offset_default
        if first is None:
            return offset, []
        try:
            return unsigned(first, names), []
        except ValueError:
            pass
        try:
            bad = [*address_list(first, names), 0, 0xFFFFFFFF]
            return self.args["SECOND"] if self.args["SECOND"] is not None else offset, bad
        except ValueError:
            self.wrong("FIRST", f"'{first}'", "an offset, or source addresses that are bad")
            return offset, []


@element
class CheckIPHeader2(CheckIPHeader):
    """CheckIPHeader without the checksum, unless CHECKSUM is given."""

    checksum_default = False


@element
class CheckIPHeader3(CheckIPHeader2):
    """CheckIPHeader2."""


class CheckTransport(Check):
    """TCP and UDP: the IP header pointer must be set."""

    arguments = (keyword("VERBOSE", boolean, False), keyword("DETAILS", boolean, False))

    def configure(self) -> None:
        self.details()


@element
class CheckTCPHeader(CheckTransport):
    """Passes TCP with a sound header length and checksum."""

    reason = ("bad_tcp_header", "the TCP header is not sound")
    mistakes_known = transport_mistakes("TCP")
    action = "\tenum click_why why = click_check_tcp(p);\n\tif (why == CLICK_SOUND)\n\t\treturn p;" + FAIL


@element
class CheckUDPHeader(CheckTransport):
    """Passes UDP with a sound length and checksum."""

    reason = ("bad_udp_header", "the UDP header is not sound")
    mistakes_known = transport_mistakes("UDP")
    action = "\tenum click_why why = click_check_udp(p);\n\tif (why == CLICK_SOUND)\n\t\treturn p;" + FAIL


@element
class CheckICMPHeader(CheckTransport):
    """Passes ICMP that is long enough for its type and has a sound checksum."""

    reason = ("bad_icmp_header", "the ICMP header is not sound")
    mistakes_known = transport_mistakes("ICMP")
    action = "\tenum click_why why = click_check_icmp(p);\n\tif (why == CLICK_SOUND)\n\t\treturn p;" + FAIL


@element
class CheckLength(Element):
    """Packets up to LENGTH bytes go to output 0."""

    ports, processing = "1/1-2", "a/ah"
    reason = ("too_long", "CheckLength found a longer packet")
    arguments = (mandatory("LENGTH", unsigned), keyword("EXTRA_LENGTH", boolean, False))
    state = "uint32_t length;"
    action = """
	if (p->len <= $s.length)
		return p;
	$out(1, p);
	return NULL;"""
    handlers = (writable("$s.length", number("length", "$s.length", "the most bytes that pass")),)

    def configure(self) -> None:
        self.init = f"\t\t$s.length = {self.args['LENGTH']}u;"

"""ICMP: error messages, and answers to pings."""

from __future__ import annotations

from pps.click.arguments import unquote, words
from pps.click.elements import (
    Element,
    element,
    keyword,
    mandatory,
    number,
    optional,
    read_write,
    text_handler,
    writable,
)
from pps.click.values import Names, boolean, byte, integer, ip, raw

TYPES = {"unreachable": 3, "sourcequench": 4, "redirect": 5, "timeexceeded": 11, "parameterproblem": 12}
CODES = {
    3: ("net", "host", "protocol", "port", "needfrag", "srcroutefail", "netunknown", "hostunknown", "isolated",
        "netprohibited", "hostprohibited", "tosnet", "toshost", "filterprohibited", "hostprecedence",
        "precedencecutoff"),
    5: ("net", "host", "tosnet", "toshost"),
    11: ("transit", "reassembly"),
    12: ("erroratptr", "missingopt", "length"),
}  # fmt: skip


def error_type(text: str, names: Names) -> int:
    word = unquote(text)
    value = TYPES[word] if word in TYPES else integer(0, 255)(word, names) if word.isdigit() else -1
    if value not in TYPES.values():
        raise ValueError("an ICMP error: " + ", ".join(TYPES) + ", or its number")
    return value


def addresses(text: str, names: Names) -> list[int]:
    return [ip(word, names) for word in words(unquote(text))]


@element
class ICMPError(Element):
    """Makes an ICMP error message of a packet, but for packets that RFC 1812 lets nobody answer."""

    headers = annotations = reshapes = True
    includes = ("icmp.h", "addresses.h")
    arguments = (
        mandatory("SRC", ip),
        mandatory("TYPE", error_type),
        optional("CODE", raw, "0"),
        optional("BADADDRS", addresses, []),
        keyword("MTU", integer(68, 4000), 576),
        keyword("PMTU", integer(0, 65535), 0),
        keyword("SET_FIX_ANNO", boolean, True),
    )
    reasons = {"icmp_error": "an ICMP error message went out instead of this packet"}
    reason = ("no_icmp_error", "this packet called for an ICMP error, but must not be answered with one (RFC 1812)")
    state = "uint32_t src; uint32_t mtu, pmtu;"
    action = """
	struct click_icmp_error e = { .src = $s.src, .mtu = $s.mtu, .pmtu = $s.pmtu, .type = $type, .code = $code };
	struct vnfc_packet *q = click_icmp_answerable(p, $type, $bad) ? click_icmp_error(p, &e) : NULL;
	if (!q) {
		$drop(p);
		return NULL;
	}
	if ($fix)
		click_set_anno8(q, CLICK_FIX_IP_SRC, 1);
	click_drop_at(p, VNFC_DROP(icmp_error), $where);
	return q;"""
    handlers = (
        read_write(
            text_handler(
                "src",
                "\tchar text[CLICK_IP_TEXT];\n\tclick_say(out, \"%s\", click_ip_text($s.src, text));",
                "the source address of the messages",
            ),
            """
	uint32_t address;
	if (!click_parse_ip(value, &address))
		return click_refuse(out, "expected IP address");
	$s.src = address;""",
        ),
        writable("$s.mtu", number("mtu", "$s.mtu", "the longest message, in bytes"), 68, 4000),
        writable("$s.pmtu", number("pmtu", "$s.pmtu", "the path's MTU, for needfrag"), 0, 65535),
    )

    def configure(self) -> None:
        kind = self.args["TYPE"]
        word = unquote(self.args["CODE"])
        names = CODES.get(kind, ())
        code = names.index(word) if word in names else None
        if code is None:
            try:
                code = byte(word, self.graph.names)
            except ValueError:
                self.wrong("CODE", f"CODE is '{word}'", f"{', '.join(names)}{' or ' if names else ''}0 to 255")
                return
        self.constants = {"type": kind, "code": code, "fix": int(self.args["SET_FIX_ANNO"])}
        tests = " || ".join(f"address == {bad:#x}u" for bad in self.args["BADADDRS"]) or "false"
        self.functions = f"""
static bool $bad(uint32_t address VNFC__UNUSED)
{{
	address = net32(address);
	return {tests};
}}"""
        self.init = f"""
		$s.src = net32({self.args['SRC']:#x}u);
		$s.mtu = {self.args['MTU']};
		$s.pmtu = {self.args['PMTU']};"""


@element
class ICMPPingResponder(Element):
    """Turns ICMP echo requests into their replies; other packets go to output 1."""

    ports, processing = "1/1-2", "a/ah"
    headers = annotations = True
    includes = ("icmp.h",)
    reason = ("no_ping", "ICMPPingResponder got something else than an ICMP echo request")
    action = """
	if (click_icmp_ping(p))
		return p;
	$out(1, p);
	return NULL;"""

"""Changing IP packets: TTL, DSCP, ECN, addresses, checksums. The network header pointer must be set."""

from __future__ import annotations

from pps.click.arguments import unquote
from pps.click.elements import (
    Element,
    element,
    flag,
    keyword,
    mandatory,
    number,
    optional,
    read_write,
    text_handler,
    writable,
)
from pps.click.values import Names, annotation, boolean, integer, ip, raw, text

NOT_IP = ("not_ip", "an element that changes IPv4 packets got something else")


class IPChange(Element):
    """What most share."""

    headers = True
    includes = ("ip.h", "ipchange.h")
    reason = NOT_IP  # of those that drop: the others pass what is not IPv4 as it is


@element
class DecIPTTL(IPChange):
    """Takes 1 off the TTL; packets whose time is over go to output 1."""

    ports, processing = "1/1-2", "a/ah"
    reason = ("ip_ttl_over", "the packet's TTL was 1 or 0")
    arguments = (keyword("ACTIVE", boolean, True), keyword("MULTICAST", boolean, True))
    state = "uint64_t drops; bool paused;"
    action = """
	struct ip4_header *ip = click_ip(p);
	if ($s.paused || !ip || (!$multicast && (net32(ip->dst) >> 28) == 14))
		return p;
	if (ip->ttl <= 1) {
		$s.drops++;
		$out(1, p);
		return NULL;
	}
	click_change8(ip, &ip->ttl, (uint8_t)(ip->ttl - 1));
	return p;"""
    handlers = (
        number("drops", "$s.drops", "packets whose time was over"),
        read_write(
            flag("active", "!$s.paused", "whether it does anything"),
            """
	bool active;
	if (!click_boolean(value, &active))
		return click_refuse(out, "expected true or false");
	$s.paused = !active;""",
        ),
    )

    def configure(self) -> None:
        self.constants = {"multicast": int(self.args["MULTICAST"])}
        self.init = "" if self.args["ACTIVE"] else "\t\t$s.paused = true;"


@element
class SetIPDSCP(IPChange):
    """Sets the DSCP."""

    arguments = (mandatory("DSCP", integer(0, 63)),)
    state = "uint8_t dscp;"
    action = """
	struct ip4_header *ip = click_ip(p);
	if (ip)
		click_change8(ip, &ip->tos, (uint8_t)((ip->tos & 3) | $s.dscp << 2));
	return p;"""
    handlers = (writable("$s.dscp", number("dscp", "$s.dscp", "the DSCP"), 0, 63),)

    def configure(self) -> None:
        self.init = f"\t\t$s.dscp = {self.args['DSCP']};"


ECN = {
    "0": 0,
    "no": 0,
    "-": 0,
    "1": 1,
    "ect1": 1,
    "ECT(1)": 1,
    "2": 2,
    "ect2": 2,
    "ECT(0)": 2,
    "3": 3,
    "ce": 3,
    "CE": 3,
}


def ecn(argument: str, names: Names) -> int:
    word = unquote(argument)
    if word not in ECN:
        raise ValueError(" or ".join(ECN))
    return ECN[word]


@element
class SetIPECN(IPChange):
    """Sets the ECN bits."""

    arguments = (mandatory("ECN", ecn),)
    state = "uint8_t ecn;"
    action = """
	struct ip4_header *ip = click_ip(p);
	if (ip)
		click_change8(ip, &ip->tos, (uint8_t)((ip->tos & 0xfc) | $s.ecn));
	return p;"""
    handlers = (writable("$s.ecn", number("ecn", "$s.ecn", "the ECN bits"), 0, 3),)

    def configure(self) -> None:
        self.init = f"\t\t$s.ecn = {self.args['ECN']};"


@element
class SetIPAddress(Element):
    """Sets the destination annotation."""

    annotations = True
    includes = ("ip.h", "ipchange.h")
    arguments = (mandatory("IPADDR", ip), keyword("ANNO", annotation(4), 0))
    state = "uint32_t address;"
    action = "\tclick_set_anno32(p, $anno, $s.address);\n\treturn p;"
    handlers = (
        read_write(
            text_handler("addr", "\tclick_say_ip(out, $s.address);", "the address"),
            """
	if (!click_ip_of(value, &$s.address))
		return click_refuse(out, "expected an IPv4 address");""",
        ),
    )

    def configure(self) -> None:
        self.constants = {"anno": self.args["ANNO"]}
        self.init = f"\t\t$s.address = net32({self.args['IPADDR']:#x}u);"


@element
class GetIPAddress(Element):
    """Copies an address of the packet into the destination annotation."""

    annotations = headers = True
    includes = ("ip.h",)
    arguments = (
        optional("OFFSET", integer(0)),
        optional("ANNO", annotation(4), 0),
        keyword("IP", text),
    )

    def configure(self) -> None:
        offset, where = self.args["OFFSET"], self.args["IP"]
        if (offset is None) == (where is None) or where not in (None, "src", "dst"):
            self.wrong("IP", "its arguments", "OFFSET, or IP src, or IP dst")
            return
        self.constants = {"anno": self.args["ANNO"]}
        if where:
            source = f"click_ip(p) ? (const void *)&click_ip(p)->{where} : NULL"
        else:
            source = f"p->len >= {offset + 4} ? (const void *)(p->data + {offset}) : NULL"
        self.action = f"""
	uint32_t address;
	const void *at = {source};
	if (at) {{
		memcpy(&address, at, 4);
		click_set_anno32(p, $anno, address);
	}}
	return p;"""


@element
class StoreIPAddress(IPChange):
    """Writes an address (or the destination annotation) into the packet, at an offset or as src or dst."""

    ports, processing = "1/1-2", "a/ah"
    annotations = True
    reason = ("short_packet", "the packet has no room for what was to be stored in it")
    arguments = (mandatory("ADDR_OR_OFFSET", raw), optional("OFFSET", text))

    def configure(self) -> None:
        address, where = "click_dst_ip(p)", unquote(self.args["ADDR_OR_OFFSET"])
        given = self.args["OFFSET"] is not None
        if given:
            try:
                address = f"net32({ip(self.args['ADDR_OR_OFFSET'], self.graph.names):#x}u)"
            except ValueError as problem:
                self.wrong("ADDR_OR_OFFSET", f"'{where}'", str(problem))
            where = self.args["OFFSET"]
        known = "true" if given else "address != 0"
        if where.lower() in ("src", "dst"):
            store = f"""
	if (click_ip(p)) {{
		click_change_address(p, &click_ip(p)->{where.lower()}, address);
		return p;
	}}"""
        elif where.isdigit():
            store = f"""
	if (({known}) && p->len >= {int(where) + 4}) {{
		memcpy(p->data + {int(where)}, &address, 4);
		return p;
	}}"""
        else:
            self.wrong("OFFSET", f"'{where}'", "an offset, src or dst")
            return
        self.action = f"\tuint32_t address = {address};{store}\n\t$out(1, p);\n\treturn NULL;"


@element
class SetIPChecksum(IPChange):
    """Computes the IP header's checksum."""

    state = "uint64_t drops;"
    action = """
	uint8_t *ip = click_network(p) ? click_network(p) : p->data;
	uint32_t len = ip <= click_end(p) ? (uint32_t)(click_end(p) - ip) : 0, header;
	if (click_is_ip4(ip, len) && (header = click_ip_header_len(ip)) >= sizeof(struct ip4_header) && header <= len) {
		memset(ip + 10, 0, 2);
		uint16_t sum = vnfc_csum_finish(vnfc_csum(ip, header, 0));
		memcpy(ip + 10, &sum, 2);
		return p;
	}
	$s.drops++;
	$drop(p);
	return NULL;"""
    handlers = (number("drops", "$s.drops", "packets without an IP header"),)


@element
class SetTCPChecksum(IPChange):
    """Computes the TCP checksum; FIXOFF mends a header length that cannot be."""

    arguments = (optional("FIXOFF", boolean, False),)
    action = """
	if (click_set_tcp_checksum(p, $fixoff))
		return p;
	$drop(p);
	return NULL;"""

    def configure(self) -> None:
        self.constants = {"fixoff": int(self.args["FIXOFF"])}


@element
class SetUDPChecksum(IPChange):
    """Computes the UDP checksum; fragments and short packets go to output 1."""

    ports, processing = "1/1-2", "a/ah"
    action = """
	if (click_set_udp_checksum(p))
		return p;
	$out(1, p);
	return NULL;"""


@element
class IPMirror(IPChange):
    """Exchanges source and destination: addresses, ports, sequence numbers."""

    arguments = (optional("DST_ANNO", boolean, True),)
    action = """
	click_mirror(p);
	if ($note && click_ip(p))
		click_set_dst_ip(p, click_ip(p)->dst);
	return p;"""

    def configure(self) -> None:
        self.constants = {"note": int(self.args["DST_ANNO"])}

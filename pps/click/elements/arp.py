"""ARP: answering for addresses, and asking for them."""

from __future__ import annotations

from typing import Any

from pps.click.arguments import unquote, words
from pps.click.elements import (
    Element,
    element,
    every,
    keyword,
    mandatory,
    number,
    optional,
    read_write,
    text_handler,
    write,
)
from pps.click.values import Names, boolean, ether, ip, prefix, seconds, unsigned
from pps.click.values import element as element_name

Answers = tuple[list[tuple[int, int]], bytes]


def answers(text: str, names: Names) -> Answers:
    """Prefixes (host order) and the Ethernet address that they are at."""
    prefixes: list[tuple[int, int]] = []
    found: bytes | None = None
    both: bytes | None = None
    for word in words(unquote(text)):
        try:
            address, mask = prefix(word, names)
            prefixes.append((address & mask, mask))
            both = names.ether.get(word, both)
        except ValueError:
            if found is not None:
                raise ValueError("one Ethernet address") from None
            found = ether(word, names)
    found = found or both
    if not prefixes or found is None:
        raise ValueError("IP/MASK... ETH")
    return prefixes, found


@element
class ARPResponder(Element):
    """Answers ARP requests for its addresses; other packets go to output 1."""

    ports, processing = "1/1-2", "a/ah"
    headers = annotations = True
    includes = ("arp.h", "arp_answers.h")
    arguments = (every("ENTRY", answers),)
    reason = ("no_arp_request", "ARPResponder got something else than a request for one of its addresses")
    state = "struct arp_answers answers;"
    action = """
	struct arp_header *arp = click_arp(p, ARP_REQUEST);
	const struct arp_answer *a = arp ? arp_answers_find(&$s.answers, arp->target_ip) : NULL;
	struct vnfc_packet *q = NULL;
	if (a) {
		struct arp_header reply = {
			.operation = net16(ARP_REPLY),
			.sender_ip = arp->target_ip,
			.target_ip = arp->sender_ip,
		};
		memcpy(reply.sender_mac, a->mac, 6);
		memcpy(reply.target_mac, arp->sender_mac, 6);
		q = click_arp_make(p, reply.target_mac, reply);
	}
	if (q)
		click_give(p, VNFC_CONSUME);
	else
		$out(1, p);
	return q;"""
    handlers = (
        text_handler("table", "\tarp_answers_say(&$s.answers, out);", "prefixes and their Ethernet addresses"),
        text_handler(
            "lookup",
            "\treturn arp_answers_ask(&$s.answers, value, out);",
            "the Ethernet address of an IP",
            parameter=True,
        ),
        write("add", "\treturn arp_answers_write(&$s.answers, value, out);", "also answer for: IP/MASK... ETH"),
        write("remove", "\treturn arp_answers_remove(&$s.answers, value, out);", "no longer answer for: IP/MASK"),
    )

    def configure(self) -> None:
        for prefixes, mac in self.args["ENTRY"]:
            for address, mask in prefixes:
                bytes_of = ", ".join(str(b) for b in mac)
                self.init += (
                    f"\t\tarp_answers_add(&$s.answers, (struct arp_answer){{ net32({address:#x}u), "
                    f"net32({mask:#x}u), {{ {bytes_of} }} }});\n"
                )


TABLE_ARGUMENTS = (
    keyword("CAPACITY", unsigned, 2048),
    keyword("ENTRY_CAPACITY", unsigned, 0),
    keyword("ENTRY_PACKET_CAPACITY", unsigned, 0),
    keyword("CAPACITY_SLIM_FACTOR", unsigned, 2),
    keyword("TIMEOUT", seconds, 300 * 10**9),
)


class HasTable(Element):
    """Elements with an ARP table of their own."""

    includes = ("arp.h", "ip.h")
    headers = annotations = True
    reason = ("arp_unanswered", "ARP did not answer in time, or too many packets waited for it")

    def table_init(self) -> str:
        a = self.args
        if a["CAPACITY_SLIM_FACTOR"] == 0:
            self.wrong("CAPACITY_SLIM_FACTOR", "CAPACITY_SLIM_FACTOR 0", "at least 1")
        return f"""
		$s.own.capacity = {a['CAPACITY']}u;
		$s.own.entry_capacity = {a['ENTRY_CAPACITY']}u;
		$s.own.entry_packets = {a['ENTRY_PACKET_CAPACITY']}u;
		$s.own.slim = {a['CAPACITY_SLIM_FACTOR']}u;
		$s.own.timeout = {a['TIMEOUT']}ull;
		$s.own.drop = $drop;
		arp_start(&$s.own);"""


def table_handlers(table: str, drops: str) -> tuple[Any, ...]:
    return (
        text_handler("table", f"\tarp_say({table}, out);", "address, whether it is known, Ethernet address, age"),
        number("count", f"{table}->entries", "addresses in the table"),
        number("length", f"{table}->packets", "packets that wait"),
        number("drops", drops, "packets dropped"),
        write("insert", f"\treturn arp_write({table}, value, false, out);", "what is known: IP ETH"),
        write("delete", f"\treturn arp_write({table}, value, true, out);", "forget: IP"),
    )


@element
class ARPTable(HasTable):
    """A table that several ARPQueriers share."""

    ports = "0/0"
    arguments = TABLE_ARGUMENTS
    state = "struct arp_table own;"
    handlers = (
        *table_handlers("(&$s.own)", "$s.own.drops"),
        write("clear", "\tarp_clear(&$s.own);", "forget everything, drop what waits"),
    )

    def configure(self) -> None:
        self.init = self.table_init()


def address_handler(name: str, member: str, why: str) -> Any:
    return read_write(
        text_handler(
            name, f'\tchar text[CLICK_IP_TEXT];\n\tclick_say(out, "%s", click_ip_text($s.{member}, text));', why
        ),
        f"""
	uint32_t address;
	if (!click_parse_ip(value, &address))
		return click_refuse(out, "expected IP address");
	$s.{member} = address;""",
    )


@element
class ARPQuerier(HasTable):
    """Puts an Ethernet header before IP packets; asks by ARP for addresses that it does not know."""

    ports, processing = "1-2/1-2", "h/h"
    reshapes = True
    reasons = {"not_ip": "ARPQuerier got something else than IPv4 to put an Ethernet header before"}
    arguments: Any = (
        mandatory("IP", prefix),
        optional("ETH", ether),
        *TABLE_ARGUMENTS,
        keyword("BROADCAST", ip),
        keyword("TABLE", element_name),
        keyword("POLL_TIMEOUT", seconds, 60 * 10**9),
        keyword("BROADCAST_POLL", boolean, False),
    )
    state = """struct arp_table own; struct arp_table *table; uint32_t ip, broadcast; uint8_t mac[6];
	uint64_t queries, responses, drops; bool warned;"""
    functions = """
/* Ask who has the packet's next hop: its present owner, or everyone. */
static void $ask(const struct vnfc_packet *p, bool known)
{
	struct arp_header arp = { .operation = net16(ARP_REQUEST), .sender_ip = $s.ip, .target_ip = click_dst_ip(p) };
	memcpy(arp.sender_mac, $s.mac, 6);
	struct vnfc_packet *q = click_arp_make(p, known && !$everyone ? p->data : ARP_EVERYONE, arp);
	if (!q)
		return;
	$s.queries++;
	$out($ask_output, q);
}

/* The packet has an Ethernet header in front, with its type. */
static void $handle(struct vnfc_packet *p)
{
	uint32_t to = click_dst_ip(p), host = net32(to);
	int known = arp_lookup($s.table, to, p->data, $poll);
	if (known > 0) {
		$ask(p, true);
	} else if (known < 0 && (to == UINT32_MAX || to == $s.broadcast)) {
		memset(p->data, 255, 6);
	} else if (known < 0 && host >> 28 == 14) {
		store32(p->data + 2, 0x5e000000u | (host & 0x7fffff));
		store16(p->data, 0x0100);
	} else if (known < 0) {
		if (!to && !$s.warned)
			vnfc_log("would query for 0.0.0.0; missing dest IP addr annotation?");
		$s.warned |= !to;
		if (to && !click_may_store(p)) {
			$s.drops++;
			click_drop_at(p, CLICK_HOLD_FULL, $where);
			return;
		}
		int waits = to ? arp_wait($s.table, to, p) : -1;
		if (waits > 0)
			$ask(p, false);
		$s.drops += !to;
		if (waits < 0)
			$drop(p);
		return;
	}
	memcpy(p->data + 6, $s.mac, 6);
	$out(0, p);
}"""
    push = """
	if (port == 0) {
		if (!click_is_ip4(p->data, p->len)) { /* the type in front would be a lie */
			$s.drops++;
			click_drop_at(p, VNFC_DROP(not_ip), $where);
			return;
		}
		if (!$s.ip || !vnfc_push(p, sizeof(struct eth_header))) {
			$s.drops++;
			$drop(p);
			return;
		}
		p->link = LINK_ETHERNET;
		click_set_mac(p, p->data);
		store16(p->data + 12, ETHER_IP4);
		$handle(p);
		return;
	}
	$s.responses += p->len >= ARP_MESSAGE;
	struct arp_header *arp = click_arp(p, ARP_REPLY);
	struct vnfc_packet *next, *waiting = NULL;
	if (arp && !(arp->sender_mac[0] & 1))
		waiting = arp_insert($s.table, arp->sender_ip, arp->sender_mac);
	for (; waiting; waiting = next) {
		next = (struct vnfc_packet *)waiting->note;
		$handle(waiting);
	}
	click_give(p, VNFC_CONSUME);"""
    handlers = (
        *table_handlers("$s.table", "$s.drops"),
        text_handler(
            "stats",
            '\tclick_say(out, "%llu packets killed\\n%llu ARP queries sent\\n",\n'
            "\t\t  (unsigned long long)($s.drops + $s.table->drops), (unsigned long long)$s.queries);",
            "packets dropped and queries sent",
        ),
        number("queries", "$s.queries", "queries sent"),
        number("responses", "$s.responses", "packets that came as responses"),
        address_handler("broadcast", "broadcast", "the network's broadcast address"),
        address_handler("ipaddr", "ip", "the address that asks"),
        write(
            "clear",
            "\t$s.queries = $s.drops = $s.responses = 0;\n\tarp_clear($s.table);",
            "forget everything, drop what waits",
        ),
    )

    def configure(self) -> None:
        address, mask = self.args["IP"]
        mac = self.args["ETH"]
        if mac is None:
            mac = self.graph.names.ether.get(self.given[0].text)
        if mac is None:
            self.wrong("ETH", "no Ethernet address", "IP and ETH, or one name that AddressInfo gives both")
            return
        broadcast = self.args["BROADCAST"]
        if broadcast is None:
            broadcast = 0xFFFFFFFF if mask == 0xFFFFFFFF else address | ~mask & 0xFFFFFFFF
        self.constants = {
            "poll": self.args["POLL_TIMEOUT"],
            "everyone": int(self.args["BROADCAST_POLL"]),
            "ask_output": max(self.outputs - 1, 0),
        }
        table = "&$s.own"
        if (shared := self.args["TABLE"]) is not None:
            if not isinstance(self.graph.elements[shared], HasTable):
                self.wrong("TABLE", f"TABLE {shared}", "an ARPTable or an ARPQuerier")
            table = f"&{self.graph.c_name(shared, 's')}.own"
        self.init = self.table_init() + f"""
		$s.table = {table};
		$s.ip = net32({address:#x}u);
		$s.broadcast = net32({broadcast:#x}u);
		memcpy($s.mac, (const uint8_t[6]){{ {', '.join(str(b) for b in mac)} }}, 6);"""

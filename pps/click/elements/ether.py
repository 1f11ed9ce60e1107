"""Ethernet headers and VLAN tags."""

from __future__ import annotations

from pps.click.arguments import unquote
from pps.click.elements import (
    Element,
    Handler,
    element,
    keyword,
    mandatory,
    number,
    optional,
    read_write,
    text_handler,
    writable,
)
from pps.click.values import Names, boolean, ether, integer, unsigned

ETHERTYPE = integer(0, 0xFFFF)
NO_ROOM = ("no_header_room", "no room before the packet for another header")


def c_bytes(value: bytes) -> str:
    return "{ " + ", ".join(f"{b:#04x}" for b in value) + " }"


def mac_handler(name: str, where: str, why: str) -> Handler:
    read = text_handler(name, f"\tclick_say_mac(out, {where});", why)
    refusal = 'click_refuse(out, "expected an Ethernet address")'
    return read_write(read, f"\tif (!click_mac_of(value, {where}))\n\t\treturn {refusal};")


def writable_type(
    name: str, expression: str, change: str, most: int = 0xFFFF, why: str = "the Ethernet type"
) -> Handler:
    """A number up to `most` in a header; `change` sets it to `number`."""
    read = number(name, expression, why, "%u", "unsigned")
    refuse = f'\t\treturn click_refuse(out, "expected a number from 0 to {most}");'
    test = f"\tif (!click_number(value, &number) || number < 0 || number > {most})"
    return read_write(read, f"\tint64_t number;\n{test}\n{refuse}\n\t{change};")


def tag_handlers(of: str) -> tuple[Handler, ...]:
    """The parts of a VLAN tag."""
    return (
        writable_type("vlan_tci", of, f"{of} = (uint16_t)number", 0xFFFF, "the tag"),
        writable_type("vlan_id", f"{of} & 0xfff", f"{of} = (uint16_t)(({of} & 0xf000) | number)", 0xFFF, "the VLAN"),
        writable_type(
            "vlan_pcp", f"{of} >> 13", f"{of} = (uint16_t)(({of} & 0x1fff) | number << 13)", 7, "the priority"
        ),
    )


@element
class EtherEncap(Element):
    """Puts an Ethernet header in front."""

    reshapes = True
    includes = ("ether.h",)
    arguments = (mandatory("ETHERTYPE", ETHERTYPE), mandatory("SRC", ether), mandatory("DST", ether))
    reason = NO_ROOM
    state = "struct eth_header header;"
    action = """
	if (!vnfc_push(p, sizeof($s.header))) {
		$drop(p);
		return NULL;
	}
	memcpy(p->data, &$s.header, sizeof($s.header));
	click_set_mac(p, p->data);
	return p;"""
    handlers: tuple[Handler, ...] = (
        mac_handler("src", "$s.header.src", "the source address"),
        mac_handler("dst", "$s.header.dst", "the destination address"),
        *(writable_type(name, "net16($s.header.type)", "$s.header.type = net16((uint16_t)number)")
          for name in ("ethertype", "etht")),
    )

    def configure(self) -> None:
        self.data = f"static const uint8_t $first[12] = {c_bytes(self.args['DST'] + self.args['SRC'])};"
        self.init = f"\t\tmemcpy(&$s.header, $first, 12);\n\t\t$s.header.type = net16({self.args['ETHERTYPE']});"


@element
class EtherMirror(Element):
    """Exchanges source and destination."""

    action = """
	uint8_t address[6];
	if (p->len >= sizeof(struct eth_header)) {
		memcpy(address, p->data, 6);
		memcpy(p->data, p->data + 6, 6);
		memcpy(p->data + 6, address, 6);
	}
	return p;"""


@element
class EtherRewrite(Element):
    """Sets source and destination."""

    headers = True
    includes = ("ether.h",)
    arguments = (mandatory("SRC", ether), mandatory("DST", ether))
    state = "uint8_t address[12];"
    action = """
	uint8_t *mac = click_mac(p);
	if (mac && click_end(p) - mac >= 12)
		memcpy(mac, $s.address, 12);
	return p;"""
    handlers = (
        mac_handler("src", "($s.address + 6)", "the source address"),
        mac_handler("dst", "$s.address", "the destination address"),
    )

    def configure(self) -> None:
        self.data = f"static const uint8_t $first[12] = {c_bytes(self.args['DST'] + self.args['SRC'])};"
        self.init = "\t\tmemcpy($s.address, $first, 12);"


@element
class HostEtherFilter(Element):
    """Packets for the host (or for all) go to output 0, those for others, or from the host itself, to
    output 1."""

    ports, processing = "1/1-2", "a/ah"
    includes = ("ether.h",)
    arguments = (
        mandatory("ETHER", ether),
        optional("DROP_OWN", boolean, False),
        optional("DROP_OTHER", boolean, True),
        keyword("OFFSET", unsigned, 0),
    )
    reason = ("other_host", "the Ethernet frame is for another host")
    state = "uint8_t address[6];"
    action = """
	const uint8_t *eth = p->data + $offset;
	bool pass = p->len >= $offset + sizeof(struct eth_header);
	if (pass && $drop_own && memcmp(eth + 6, $s.address, 6) == 0)
		pass = false;
	else if (pass && $drop_other && !(eth[0] & 1) && memcmp(eth, $s.address, 6) != 0)
		pass = false;
	if (pass)
		return p;
	$out(1, p);
	return NULL;"""
    handlers = (mac_handler("ether", "$s.address", "the host's address"),)

    def configure(self) -> None:
        self.constants = {
            "offset": self.args["OFFSET"],
            "drop_own": int(self.args["DROP_OWN"]),
            "drop_other": int(self.args["DROP_OTHER"]),
        }
        self.data = f"static const uint8_t $first[6] = {c_bytes(self.args['ETHER'])};"
        self.init = "\t\tmemcpy($s.address, $first, 6);"


def tci(argument: str, names: Names) -> int | str:
    return "ANNO" if unquote(argument) == "ANNO" else int(integer(0, 0xFFFF)(argument, names))


@element
class VLANEncap(Element):
    """Puts a VLAN tag in; packets of the native VLAN stay as they are."""

    reshapes = annotations = True
    arguments = (
        optional("VLAN_TCI", tci),
        optional("VLAN_PCP", integer(0, 7), 0),
        keyword("VLAN_ID", integer(0, 0xFFF), 0),
        keyword("NATIVE_VLAN", integer(-1, 0xFFF), 0),
        keyword("ETHERTYPE", ETHERTYPE, 0x8100),
    )
    reason = NO_ROOM
    state = "uint16_t tci, ethertype; int32_t native;"
    action = """
	uint16_t tci = $of_packet ? net16(click_anno16(p, CLICK_VLAN_TCI)) : $s.tci;
	if ((tci & 0xfff) == $s.native) {
		click_set_mac(p, p->data);
		return p;
	}
	if (p->len < 12 || !vnfc_push(p, 4)) {
		$drop(p);
		return NULL;
	}
	memmove(p->data, p->data + 4, 12);
	store16(p->data + 12, $s.ethertype);
	store16(p->data + 14, tci);
	click_set_mac(p, p->data);
	return p;"""

    def configure(self) -> None:
        given = self.args["VLAN_TCI"]
        first = given if isinstance(given, int) else self.args["VLAN_ID"]
        self.constants = {"of_packet": int(given == "ANNO")}
        self.init = f"""
		$s.tci = {first | self.args["VLAN_PCP"] << 13};
		$s.native = {self.args["NATIVE_VLAN"]};
		$s.ethertype = {self.args["ETHERTYPE"]};"""
        native = number("native_vlan", "$s.native", "the VLAN whose packets get no tag", "%d", "int")
        self.handlers = (
            *tag_handlers("$s.tci"),
            writable("$s.native", native, -1, 0xFFF),
            writable_type("ethertype", "$s.ethertype", "$s.ethertype = (uint16_t)number"),
        )


@element
class VLANDecap(Element):
    """Takes a VLAN tag off, and notes it in an annotation."""

    reshapes = annotations = True
    arguments = (optional("ANNO", boolean, True), keyword("ETHERTYPE", ETHERTYPE, 0x8100))
    action = """
	uint16_t tci = 0;
	if (p->len >= 18 && load16(p->data + 12) == $ethertype) {
		memcpy(&tci, p->data + 14, 2);
		memmove(p->data + 4, p->data, 12);
		vnfc_pull(p, 4);
	}
	click_set_mac(p, p->data);
	if ($note)
		click_set_anno16(p, CLICK_VLAN_TCI, tci);
	return p;"""

    def configure(self) -> None:
        self.constants = {"ethertype": self.args["ETHERTYPE"], "note": int(self.args["ANNO"])}


@element
class SetVLANAnno(Element):
    """Sets the annotation that VLANEncap(ANNO) takes."""

    annotations = True
    arguments = (
        optional("VLAN_TCI", integer(0, 0xFFFF)),
        optional("VLAN_PCP", integer(0, 7), 0),
        keyword("VLAN_ID", integer(0, 0xFFF), 0),
    )
    state = "uint16_t tci;"
    action = "\tclick_set_anno16(p, CLICK_VLAN_TCI, net16($s.tci));\n\treturn p;"
    handlers = tag_handlers("$s.tci")

    def configure(self) -> None:
        given = self.args["VLAN_TCI"]
        tci = (self.args["VLAN_ID"] if given is None else given) | self.args["VLAN_PCP"] << 13
        self.init = f"\t\t$s.tci = {tci};"

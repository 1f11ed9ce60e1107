"""Taking bytes off the front and putting them back."""

from __future__ import annotations

from pps.click.elements import Element, element, mandatory, optional
from pps.click.values import unsigned


@element
class Strip(Element):
    """Takes bytes off the front; header pointers stay."""

    reshapes = True
    arguments = (mandatory("LENGTH", unsigned),)
    action = "\tclick_pull(p, $length);\n\treturn p;"

    def configure(self) -> None:
        self.constants = {"length": self.args["LENGTH"]}


@element
class Unstrip(Element):
    """Puts bytes back that were stripped."""

    reshapes = True
    arguments = (mandatory("LENGTH", unsigned),)
    reason = ("cannot_unstrip", "no room before the packet's data")
    action = """
	if (vnfc_push(p, $length))
		return p;
	$drop(p);
	return NULL;"""

    def configure(self) -> None:
        self.constants = {"length": self.args["LENGTH"]}


@element
class StripToNetworkHeader(Element):
    """Moves the data's start to the network header."""

    headers = reshapes = True
    action = """
	ptrdiff_t by = click_network(p) ? click_network(p) - p->data : 0;
	if (by > 0)
		click_pull(p, (uint32_t)by);
	else if (by < 0)
		vnfc_push(p, (uint32_t)-by);
	return p;"""


@element
class Align(Element):
    """Nothing is to be aligned here: packets pass."""

    arguments = (mandatory("MODULUS", unsigned), mandatory("OFFSET", unsigned))
    action = "\treturn p;"


@element
class MarkIPHeader(Element):
    """Sets the network header to OFFSET bytes behind the packet's start."""

    headers = True
    arguments = (optional("OFFSET", unsigned, 0),)
    includes = ("ip.h",)
    action = """
	if (p->len >= $offset + sizeof(struct ip4_header))
		click_set_ip(p, p->data + $offset);
	return p;"""

    def configure(self) -> None:
        self.constants = {"offset": self.args["OFFSET"]}


@element
class MarkMACHeader(Element):
    """Sets the MAC header to OFFSET bytes behind the packet's start."""

    headers = True
    arguments = (optional("OFFSET", unsigned, 0), optional("LENGTH", unsigned, 0))
    action = "\tclick_set_mac(p, p->data + ($offset <= p->len ? $offset : 0));\n\treturn p;"

    def configure(self) -> None:
        self.constants = {"offset": self.args["OFFSET"]}

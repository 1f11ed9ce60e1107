"""IPv4 routing tables: the destination annotation decides the output, a gateway replaces the annotation."""

from __future__ import annotations

from typing import Any

from pps.click.arguments import unquote, words
from pps.click.elements import Element, Handler, element, every, text_handler, write
from pps.click.values import Names, integer, ip, mask_of, prefix

TABLE = (
    text_handler("table", "\troutes_table(&$s.routes, out);", "the routes: prefix, gateway or -, output"),
    text_handler(
        "lookup", "\treturn routes_answer(&$s.routes, value, out);", "output and gateway of an address", parameter=True
    ),
)
COMMAND = "\tstruct click_route route, old;\n\treturn routes_command(&$s.routes, %s, value, out, &route, &old);"
CHANGES = (
    write("add", COMMAND % "ROUTES_ADD", "a new route: ADDR/MASK [GATEWAY] OUTPUT"),
    write("set", COMMAND % "ROUTES_SET", "a route, new or instead of the one for its prefix"),
    write("remove", COMMAND % "ROUTES_REMOVE", "no longer this route: ADDR/MASK [[GATEWAY] OUTPUT]"),
    write("ctrl", "\treturn routes_control(&$s.routes, value, out);", "lines of add, set and remove: all or none"),
)
Route = tuple[int, int, int, int]


def route(text: str, names: Names) -> Route:
    """Address, mask and gateway (0: none) in host order, output."""
    parts = words(unquote(text))
    expected = "ADDR/MASK [GATEWAY] OUTPUT"
    if not 2 <= len(parts) <= 3:
        raise ValueError(expected)
    address, mask = prefix(parts[0], names)
    if mask != mask_of(bin(mask).count("1")):
        raise ValueError("a mask that is a prefix")
    gateway = 0 if len(parts) == 2 or parts[1] == "-" else ip(parts[1], names)
    return address & mask, mask, gateway, integer(0)(parts[-1], names)


class RouteTable(Element):
    """What all tables share."""

    ports, processing = "1/-", "h/h"
    annotations = True
    includes = ("routes.h",)
    reason = ("unroutable", "no route for the packet's destination")
    arguments: Any = (every("ROUTE", route),)
    state = "struct click_routes routes;"
    moves = False
    handlers: tuple[Handler, ...] = TABLE
    push = """
	const struct click_route *r = routes_lookup(&$s.routes, click_dst_ip(p));
	if (!r) {
		$drop(p);
		return;
	}
	if (r->gateway)
		click_set_dst_ip(p, r->gateway);
	$out((unsigned)r->output, p);"""

    def configure(self) -> None:
        routes: list[Route] = self.args["ROUTE"]
        rows = ""
        for place, (address, mask, gateway, output) in zip(self.every_place, routes, strict=True):
            if output >= self.outputs:
                found = f"{self}: OUTPUT {output}"
                self.mistakes.add(place, found, f"a connected output: 0 to {self.outputs - 1}")
            rows += f"\t{{ {address:#x}u, {mask:#x}u, {gateway:#x}u, {output} }},\n"
        self.init = f"\t\t$s.routes.outputs = {self.outputs};\n\t\t$s.routes.moves = {str(self.moves).lower()};"
        if rows:
            row = "static const struct { uint32_t address, mask, gateway; int32_t output; }"
            self.data = f"{row} $given[] = {{\n{rows}}};"
            self.init += """
		for (unsigned i = 0; i < sizeof($given) / sizeof($given[0]); i++) {
			struct click_route old, route = {
				.address = net32($given[i].address),
				.mask = net32($given[i].mask),
				.gateway = net32($given[i].gateway),
				.output = $given[i].output,
			};
			routes_add(&$s.routes, route, false, &old); /* of two for one prefix, the first counts */
		}"""


@element
class StaticIPLookup(RouteTable):
    """Longest prefix first; the table stays as it is."""


@element
class LinearIPLookup(RouteTable):
    """Longest prefix first; the table may be changed."""

    handlers = TABLE + CHANGES


@element
class RadixIPLookup(RouteTable):
    """Longest prefix first, made for big tables; the table may be changed."""

    moves = True
    handlers = (*TABLE, *CHANGES, write("flush", "\troutes_flush(&$s.routes);", "forget all routes"))

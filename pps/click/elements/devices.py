"""FromDevice and ToDevice: where packets come in and leave."""

from __future__ import annotations

from pps.click.elements import Element, c_string, element, keyword, mandatory, number, write
from pps.click.values import boolean, text, unsigned

PULL_TASK = """
	struct vnfc_packet *p = $in(0);
	if (p)
		$leave(p);
	return p != NULL;"""


@element
class FromDevice(Element):
    """What arrives by a port of the VNF; alone in a configuration, everything that arrives."""

    ports, processing = "0/1", "/h"
    arguments = (
        mandatory("DEVNAME", text),
        keyword("SNIFFER", boolean),
        keyword("PROMISC", boolean),
        keyword("SNAPLEN", unsigned),
        keyword("FORCE_IP", boolean),
        keyword("METHOD", text),
        keyword("BURST", unsigned),
        keyword("HEADROOM", unsigned),
        keyword("CAPTURE", text),
        keyword("BPF_FILTER", text),
        keyword("OUTBOUND", boolean),
        keyword("PROTOCOL", unsigned),
        keyword("TIMESTAMP", boolean),
        keyword("ENCAP", text),
    )
    state = "uint64_t packets; int port;"
    functions = """
static inline void $arrive(struct vnfc_packet *p)
{
	$s.packets++;
	$out(0, p);
}"""
    handlers = (
        number("count", "$s.packets", "packets that came in"),
        write("reset_counts", "\t$s.packets = 0;"),
    )

    def configure(self) -> None:
        if self.args["BPF_FILTER"]:
            self.wrong(
                "BPF_FILTER",
                "BPF_FILTER",
                "no filter here",
                "use IPClassifier, or the descriptor's classifier",
            )
        others = [e for e in self.graph.elements.values() if isinstance(e, FromDevice) and e is not self]
        device = c_string(self.args["DEVNAME"])
        self.init = f"\t\t$s.port = vnfc_port({device});"
        if others:
            found = c_string(self.unknown(self.args["DEVNAME"], "a port of the VNF"))
            self.init += f'\n\t\tif ($s.port < 0)\n\t\t\t$fail("%s", {found});'
        for other in others:
            name = other.given[0].text if other.given else ""
            if name == self.args["DEVNAME"] and other.number < self.number:
                self.wrong("DEVNAME", f"{name} for a second time", f"each port once (first at {other.place})")


@element
class ToDevice(Element):
    """Packets leave: by the output of that name, by `back`, or (named after a port of the VNF) by that
    port if they came by it, else by output 0. Takes pushed and pulled packets."""

    ports, processing = "1/0", "a/h"
    arguments = (
        mandatory("DEVNAME", text),
        keyword("BURST", unsigned),
        keyword("METHOD", text),
        keyword("DEBUG", boolean),
        keyword("IGNORE_QUEUE_OVERFLOWS", boolean),
    )
    state = "uint64_t packets; int output, port;"
    functions = """
static inline void $leave(struct vnfc_packet *p)
{
	$s.packets++;
	click_send(p, $s.output >= 0 ? (unsigned)$s.output : p->port == $s.port ? OUTPUT_BACK : 0);
}"""
    push = "\t$leave(p);"
    handlers = (
        number("count", "$s.packets", "packets that left"),
        write("reset_counts", "\t$s.packets = 0;"),
    )

    def configure(self) -> None:
        name = self.args["DEVNAME"]
        expected = "an output of this VNFC, a port of the VNF, or back"
        found = c_string(self.unknown(name, expected))
        self.init = f"""
		$s.output = vnfc_output({c_string(name)});
		$s.port = vnfc_port({c_string(name)});
		if ($s.output < 0 && $s.port < 0)
			$fail("%s", {found});"""

    def finish(self) -> None:
        if self.input_modes == ["l"]:
            self.task = PULL_TASK

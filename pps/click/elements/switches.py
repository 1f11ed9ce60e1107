"""Switches: they choose an output without looking for a pattern."""

from __future__ import annotations

from pps.click.elements import Element, element, mandatory, number, optional, read_write
from pps.click.values import integer, unsigned

NO_OUTPUT = ("no_output", "the switch has no output of that number")


@element
class Switch(Element):
    """All packets go to one output, which a handler changes; -1 drops them."""

    ports, processing = "1/-", "h/h"
    arguments = (optional("OUTPUT", integer(-1), 0),)
    reason = NO_OUTPUT
    state = "int64_t output;"
    push = "\t$out($s.output < 0 ? UINT32_MAX : (unsigned)$s.output, p);"
    handlers = (
        read_write(
            number("switch", "$s.output", "the output that packets go to", "%lld", "long long"),
            """
	int64_t output;
	if (!click_number(value, &output))
		return click_refuse(out, "expected the number of an output, or -1");
	$s.output = output >= $outputs ? -1 : output;""",
        ),
    )

    def configure(self) -> None:
        if self.args["OUTPUT"] >= self.outputs:
            self.wrong("OUTPUT", f"output {self.args['OUTPUT']}", f"less than {self.outputs}")
        self.constants = {"outputs": self.outputs}
        self.init = f"\t\t$s.output = {self.args['OUTPUT']};"


@element
class StaticSwitch(Element):
    """All packets go to one output; -1 drops them."""

    ports, processing = "1/-", "h/h"
    arguments = (mandatory("OUTPUT", integer(-1)),)
    reason = NO_OUTPUT

    def configure(self) -> None:
        output = self.args["OUTPUT"]
        self.push = "\t$drop(p);" if output < 0 else f"\t$out({output}, p);"


@element
class RoundRobinSwitch(Element):
    """Each packet goes to the next output."""

    ports, processing = "1/1-", "h/h"
    state = "unsigned next;"
    push = """
	unsigned output = $s.next;
	$s.next = output + 1 < $outputs ? output + 1 : 0;
	$out(output, p);"""

    def configure(self) -> None:
        self.constants = {"outputs": self.outputs}


@element
class RandomSwitch(Element):
    """Each packet goes to an output by chance, all with the same probability."""

    ports, processing = "1/1-", "h/h"
    push = "\t$out((unsigned)(vnfc_random() % $outputs), p);"

    def configure(self) -> None:
        self.constants = {"outputs": self.outputs}


@element
class HashSwitch(Element):
    """The sum of LENGTH bytes at OFFSET says the output; a shorter packet goes to output 0."""

    ports, processing = "1/1-", "h/h"
    arguments = (mandatory("OFFSET", unsigned), mandatory("LENGTH", integer(1)))

    def configure(self) -> None:
        self.constants = {
            "offset": self.args["OFFSET"],
            "length": self.args["LENGTH"],
            "outputs": self.outputs,
        }
        # a number of outputs that is a power of two folds the sum before it takes its low bits
        fold = "(sum ^ sum >> 4) & ($outputs - 1)" if self.outputs in (2, 4, 8) else "sum % $outputs"
        self.push = f"""
	unsigned sum = 0;
	if (p->len < (uint64_t)$offset + $length) {{
		$out(0, p);
		return;
	}}
	for (uint32_t i = 0; i < $length; i++)
		sum += p->data[$offset + i];
	$out({fold}, p);"""

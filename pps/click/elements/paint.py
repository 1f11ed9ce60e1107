"""Paint: a byte of annotation that travels with a packet."""

from __future__ import annotations

from pps.click.elements import Element, element, keyword, mandatory, number, optional, writable
from pps.click.values import annotation, byte

COLOR = number("color", "$s.color", "the colour")


class Painting(Element):
    """What they share: a colour, which may be changed, and the annotation it is in."""

    annotations = True
    arguments = (mandatory("COLOR", byte), optional("ANNO", annotation(1), 16))
    state = "uint8_t color;"
    handlers = (writable("$s.color", COLOR, 0, 255),)

    def configure(self) -> None:
        self.constants = {"anno": self.args["ANNO"]}
        self.init = f"\t\t$s.color = {self.args['COLOR']};"


@element
class Paint(Painting):
    """Sets a packet's colour."""

    action = "\tclick_set_anno8(p, $anno, $s.color);\n\treturn p;"


@element
class CheckPaint(Painting):
    """Packets of the colour go to output 0, others to output 1."""

    ports, processing = "1/1-2", "a/ah"
    reason = ("other_paint", "CheckPaint found another colour")
    action = """
	if (click_anno8(p, $anno) == $s.color)
		return p;
	$out(1, p);
	return NULL;"""


@element
class PaintTee(Painting):
    """Copies packets of the colour to output 1 too."""

    ports, processing = "1/2", "a/ah"
    action = """
	struct vnfc_packet *q = click_anno8(p, $anno) == $s.color ? click_clone(p) : NULL;
	if (q)
		$out(1, q);
	return p;"""


@element
class PaintSwitch(Element):
    """A packet goes to the output of its colour's number."""

    ports, processing = "1/-", "h/h"
    annotations = True
    arguments = (keyword("ANNO", annotation(1), 16),)
    reason = ("no_output", "the switch has no output of that number")
    push = "\t$out(click_anno8(p, $anno), p);"

    def configure(self) -> None:
        self.constants = {"anno": self.args["ANNO"]}

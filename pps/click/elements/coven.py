"""Elements that Click does not have: what Coven's VNFCs can do beyond Click's."""

from __future__ import annotations

from pps.click.arguments import words
from pps.click.elements import Element, c_string, element, every, mandatory, optional
from pps.click.values import byte, integer, raw

CONTEXT_OFFSET = integer(0, 15)


@element
class ContextSwitch(Element):
    """Byte OFFSET of a packet's NSH context says the output; the last output takes all greater values as
    well."""

    ports, processing = "1/1-", "h/h"
    arguments = (optional("OFFSET", CONTEXT_OFFSET, 0),)
    push = """
	unsigned value = p->context[$offset];
	$out(value < $outputs ? value : $outputs - 1, p);"""

    def configure(self) -> None:
        self.constants = {"offset": self.args["OFFSET"], "outputs": self.outputs}


@element
class SetContext(Element):
    """Sets byte OFFSET of a packet's NSH context."""

    arguments = (mandatory("OFFSET", CONTEXT_OFFSET), mandatory("VALUE", byte))
    action = "\tp->context[$offset] = $value;\n\treturn p;"

    def configure(self) -> None:
        self.constants = {"offset": self.args["OFFSET"], "value": self.args["VALUE"]}


@element
class ContextPaint(Element):
    """Paints a packet with byte OFFSET of its NSH context."""

    annotations = True
    arguments = (optional("OFFSET", CONTEXT_OFFSET, 0),)
    action = "\tclick_set_anno8(p, CLICK_PAINT, p->context[$offset]);\n\treturn p;"

    def configure(self) -> None:
        self.constants = {"offset": self.args["OFFSET"]}


@element
class Settings(Element):
    """KEY ELEMENT.HANDLER: the descriptor's `config` key is written to that handler, also when it changes."""

    ports = "0/0"
    arguments = (every("SETTING", raw, 1),)

    def configure(self) -> None:
        rows = ""
        for argument in self.given:
            parts = words(argument.text)
            owner, dot, handler = parts[-1].rpartition(".")
            target = self.graph.elements.get(owner)
            if len(parts) != 2 or not dot:
                self.mistakes.add(argument.place, f"{self}: '{argument.text}'", "KEY ELEMENT.HANDLER")
            elif target is None:
                self.mistakes.add(argument.place, f"{self}: element {owner}", "the name of an element")
            else:
                self.settings.append((handler, target, argument.place))
                call = f"click_setting({c_string(parts[0])}, {c_string(parts[1])})"
                rows += f"\tif ((status = {call}) != VNFC_OK)\n\t\treturn status;\n"
        self.functions = f"static int $apply(void)\n{{\n\tint status;\n{rows}\treturn VNFC_OK;\n}}"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.settings: list[tuple[str, Element, object]] = []

    def finish(self) -> None:
        for handler, target, place in self.settings:
            writes = [h.name for h in target.handlers if h.write is not None]
            if handler not in writes:
                found = f"{self}: {target} has no write handler {handler}"
                self.mistakes.add(place, found, " or ".join(writes) or "another element")  # type: ignore[arg-type]

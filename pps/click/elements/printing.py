"""Print and IPPrint: lines in the VNF's log (`coven logs`), 100 a second at most."""

from __future__ import annotations

from typing import Any

from pps.click.elements import Element, c_string, element, flag, keyword, optional, read_write
from pps.click.values import boolean, integer, one_of, text

CONTENTS = one_of(NONE=0, HEX=1, ASCII=2, none=0, hex=1, ascii=2, true=1, false=0)
ACTIVE = read_write(
    flag("active", "!$s.silent", "whether it prints"),
    """
	bool active;
	if (!click_boolean(value, &active))
		return click_refuse(out, "expected true or false");
	$s.silent = !active;""",
)


class Printing(Element):
    includes = ("print.h",)
    state = "bool silent;"
    handlers = (ACTIVE,)

    def prepare(self, **constants: int) -> None:
        self.constants = constants
        self.data = f"static const char $label[] = {c_string(self.args['LABEL'] or '')};"
        self.init = "" if self.args["ACTIVE"] else "\t\t$s.silent = true;"


@element
class Print(Printing):
    """Prints a packet's length and first bytes."""

    arguments: Any = (
        optional("LABEL", text, ""),
        optional("MAXLENGTH", integer(), 24),
        keyword("LENGTH", integer()),
        keyword("NBYTES", integer()),
        keyword("CONTENTS", CONTENTS, 1),
        keyword("TIMESTAMP", boolean, False),
        keyword("PRINTANNO", boolean, False),
        keyword("ACTIVE", boolean, True),
        keyword("HEADROOM", boolean, False),
    )
    action = """
	if (!$s.silent)
		click_print(p, $label, $bytes, $contents, $timestamp, $notes, $headroom);
	return p;"""

    def configure(self) -> None:
        given = [self.args[name] for name in ("LENGTH", "NBYTES") if self.args[name] is not None]
        self.annotations = bool(self.args["PRINTANNO"])
        self.prepare(
            bytes=given[0] if given else self.args["MAXLENGTH"],
            contents=self.args["CONTENTS"],
            timestamp=int(self.args["TIMESTAMP"]),
            notes=int(self.args["PRINTANNO"]),
            headroom=int(self.args["HEADROOM"]),
        )


PAYLOAD = one_of(no=0, false=0, NO=0, yes=1, true=1, hex=1, HEX=1, ascii=2, ASCII=2)
FLAGS = ("ID", "PAINT", "TOS", "TTL", "LENGTH", "AGGREGATE")


@element
class IPPrint(Printing):
    """Prints an IP packet as a line; the network header pointer must be set."""

    headers = True
    includes = ("ipprint.h",)
    arguments: Any = (
        optional("LABEL", text, ""),
        keyword("CONTENTS", CONTENTS, 0),
        keyword("PAYLOAD", PAYLOAD, 0),
        keyword("MAXLENGTH", integer(), 1500),
        keyword("NBYTES", integer()),
        keyword("TIMESTAMP", boolean, True),
        *(keyword(name, boolean, False) for name in FLAGS),
        keyword("SWAP", boolean, True),
        keyword("ACTIVE", boolean, True),
    )
    action = """
	if (!$s.silent)
		click_ipprint(p, &$what);
	return p;"""

    def configure(self) -> None:
        self.annotations = bool(self.args["PAINT"] or self.args["AGGREGATE"])
        if self.args["CONTENTS"] and self.args["PAYLOAD"]:
            self.wrong("PAYLOAD", "CONTENTS and PAYLOAD", "one of them")
        self.prepare()
        flags = ", ".join(f".{name.lower()} = {int(self.args[name])}" for name in (*FLAGS, "SWAP"))
        length = self.args["MAXLENGTH"] if self.args["NBYTES"] is None else self.args["NBYTES"]
        self.data = f"""static const struct click_ipprint $what = {{
	.label = {c_string(self.args["LABEL"])}, .timestamp = {int(self.args["TIMESTAMP"])}, {flags},
	.contents = {self.args["CONTENTS"] or self.args["PAYLOAD"]}, .payload = {int(bool(self.args["PAYLOAD"]))},
	.bytes = {length},
}};"""

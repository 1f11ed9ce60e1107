"""NSH for VNFCs with `nsh: aware`, which Click does not have: service paths, and the TLVs of MD type 2."""

from __future__ import annotations

from pps.click.arguments import unquote
from pps.click.elements import Element, element, every, mandatory, optional
from pps.click.values import Names, byte, integer, port

SPI = integer(0, 2**24 - 1)
VALUE_MOST = 127


def value(argument: str, names: Names) -> bytes:
    try:
        found = bytes.fromhex(unquote(argument))
    except ValueError:
        found = None
    if found is None or len(found) > VALUE_MOST:
        raise ValueError(f"hex digits, at most {VALUE_MOST} bytes")
    return found


@element
class ServicePathSwitch(Element):
    """Packets of the first SPI go to output 0, and so on; those of others, or without NSH, to the last one."""

    ports, processing = "1/1-", "h/h"
    arguments = (every("SPI", SPI, 1),)

    def configure(self) -> None:
        last = self.outputs - 1
        cases = "".join(
            f"\tcase {spi}:\n\t\toutput = {number};\n\t\tbreak;\n"
            for number, spi in enumerate(self.args["SPI"][:last])
        )
        self.push = f"""
	unsigned output = {last};
	uint32_t size;
	switch (vnfc_nsh(p, &size) ? vnfc_nsh_path(p) >> 8 : UINT32_MAX) {{
{cases}	}}
	$out(output, p);"""


@element
class SetServicePath(Element):
    """Reclassifies: the packet leaves at this place of a service path, SI not counted down once more."""

    arguments = (mandatory("SPI", SPI), mandatory("SI", byte))
    action = "\tvnfc_set_nsh_path(p, $spi, $si);\n\treturn p;"

    def configure(self) -> None:
        self.constants = {"spi": self.args["SPI"], "si": self.args["SI"]}


@element
class TLVSwitch(Element):
    """Byte OFFSET of the value of the first such TLV says the output; the last output takes greater ones, and
    packets without that byte."""

    ports, processing = "1/1-", "h/h"
    arguments = (mandatory("CLASS", port), mandatory("TYPE", byte), optional("OFFSET", byte, 0))
    push = """
	uint32_t len = 0;
	const uint8_t *value = vnfc_nsh_tlv(p, $class, $type, &len);
	unsigned output = value && len > $offset ? value[$offset] : $outputs;
	$out(output < $outputs ? output : $outputs - 1, p);"""

    def configure(self) -> None:
        self.constants = {
            "class": self.args["CLASS"],
            "type": self.args["TYPE"],
            "offset": self.args["OFFSET"],
            "outputs": self.outputs,
        }


@element
class SetTLV(Element):
    """Makes VALUE, in hex digits, the value of that TLV; of no effect without NSH of MD type 2, or without room."""

    arguments = (mandatory("CLASS", port), mandatory("TYPE", byte), mandatory("VALUE", value))

    def configure(self) -> None:
        which = f"p, {self.args['CLASS']}, {self.args['TYPE']}"
        given = self.args["VALUE"]
        cells = ", ".join(str(cell) for cell in given) or "0"
        self.action = f"""\tstatic const uint8_t value[] = {{ {cells} }};
	while (vnfc_remove_nsh_tlv({which}))
		;
	vnfc_add_nsh_tlv({which}, value, {len(given)});
	return p;"""

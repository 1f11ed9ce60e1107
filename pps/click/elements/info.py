"""Elements that say something about the configuration and handle no packets."""

from __future__ import annotations

from pps.click.arguments import words
from pps.click.elements import Element, element, every
from pps.click.values import ether, mask_of, prefix, raw


@element
class AddressInfo(Element):
    """Names for addresses: NAME followed by an IP address, an IP prefix, an Ethernet address, or several."""

    ports = "0/0"
    arguments = (every("NAME", raw, 0),)

    def describe(self) -> None:
        names = self.graph.names
        for argument in self.given:
            name, *addresses = words(argument.text) or [""]
            if not addresses:
                found = f"{self}: '{argument.text}'"
                self.mistakes.add(argument.place, found, "NAME ADDRESS [ADDRESS...]")
            for address in addresses:
                try:
                    names.ether[name] = ether(address, names)
                    continue
                except ValueError:
                    pass
                try:
                    value, mask = prefix(address, names)
                except ValueError:
                    found = f"{self}: {name} is '{address}'"
                    expected = "an IP address, an IP prefix or an Ethernet address"
                    self.mistakes.add(argument.place, found, expected)
                    continue
                bits = bin(mask).count("1") if mask == mask_of(bin(mask).count("1")) else 32
                # a name may have an address and a network, too: 10.0.0.254 10.0.0.0/24
                if "/" in address:
                    names.net[name] = (value, bits)
                    if value & ~mask or name not in names.ip:
                        names.ip[name] = (value, bits)
                else:
                    names.ip[name] = (value, bits)
                    names.net.setdefault(name, (value, bits))

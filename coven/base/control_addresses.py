"""Which VNFs are reachable by Click's ControlSocket protocol over TCP: what the operator says of it, in `coven.yaml` or
to `coven serve`. The protocol knows no token: it is on loopback only, and who merely calls the API cannot ask for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coven.base.places import is_loopback
from coven.base.problem import Misuse
from coven.base.reading import NAME, Reader
from coven.base.yaml12 import Node
from itf.mistakes import Mistake

FIELD = "control_sockets"  #: of coven.yaml: VNF -> {listen, read_only}
OPTION = "--control-socket"
VNFS = 1000
EXAMPLE = "127.0.0.1:7777"


@dataclass(frozen=True)
class Address:
    """A TCP address on loopback."""

    host: str
    port: int
    read_only: bool = False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str, read_only: bool = False) -> Address:
    """HOST:PORT. Raises ValueError, saying what is expected."""
    host, _, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"HOST:PORT, for example {EXAMPLE}")
    if not is_loopback(host):
        raise ValueError("a loopback address: the protocol of ControlSocket knows no token")
    return Address(host, int(port), read_only)


def read_field(reader: Reader, node: Node | None) -> dict[str, Address]:
    """The field `control_sockets`; mistakes are the reader's."""
    if node is None:
        return {}
    read = reader.names(
        node, FIELD, "a VNF's name", VNFS, lambda name, _, value, place: _entry(reader, name, value, place)
    )
    addresses = {name: address for name, address in read.items() if address is not None}
    for name, other in _shared(addresses):
        expected = "an address of its own"
        reader.wrong(node.keys[name], f"{FIELD}.{name}", str(addresses[name]), expected, f"{other} has this one")
    return addresses


def _entry(reader: Reader, name: str, value: Node, place: tuple[int, int]) -> Address | None:
    at = f"{FIELD}.{name}"
    entry = reader.map(value, at, ("listen", "read_only"))
    if "listen" not in entry:
        reader.wrong(place, f"{at}.listen", "nothing", "HOST:PORT on loopback", f"for example listen: {EXAMPLE}")
        return None
    listen = reader.string(entry["listen"], f"{at}.listen")
    try:
        return read_address(listen, reader.flag(entry.get("read_only"), f"{at}.read_only", False)) if listen else None
    except ValueError as expected:
        reader.wrong(entry["listen"], f"{at}.listen", listen, str(expected))
        return None


def read_options(words: list[str], configured: Mapping[str, Address]) -> dict[str, Address]:
    """What `--control-socket VNF=HOST:PORT` says, over what the file says. Raises Misuse."""
    mistakes: list[Mistake] = []
    both = dict(configured)
    for text in words:
        name, _, address = text.partition("=")
        try:
            if not NAME.fullmatch(name):
                raise ValueError(f"VNF=HOST:PORT, for example fw={EXAMPLE}")
            both[name] = read_address(address)
        except ValueError as expected:
            mistakes.append(Mistake(field=OPTION, found=text, expected=str(expected)))
    for name, other in _shared(both):
        found = f"{both[name]} for {name} and for {other}"
        mistakes.append(Mistake(field=OPTION, found=found, expected="an address of its own for each VNF"))
    if mistakes:
        raise Misuse(mistakes)
    return both


def _shared(addresses: Mapping[str, Address]) -> list[tuple[str, str]]:
    """The VNFs whose address an earlier one has, with that one."""
    first: dict[tuple[str, int], str] = {}
    owners = ((name, first.setdefault((each.host, each.port), name)) for name, each in addresses.items())
    return [(name, owner) for name, owner in owners if owner != name]

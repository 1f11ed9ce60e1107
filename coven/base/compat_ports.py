"""Where the interface of the original prototype listens: what the operator says of it, in `coven.yaml` or to
`coven serve`."""

from __future__ import annotations

import re
from dataclasses import dataclass

FIELD, OPTION = "coven_compat", "--coven-compat"
HOST, HTTP_PORT, TCP_PORT = "127.0.0.1", 6667, 6668
FORM = f"HOST, or HOST:HTTP,TCP as {HOST}:{HTTP_PORT},{TCP_PORT}"
_TEXT = re.compile(r"(\[[^]]*\]|[^:]*)(?::(\d{1,5}),(\d{1,5}))?", re.ASCII)


@dataclass(frozen=True)
class Ports:
    """The address, and the ports of HTTP and of TCP."""

    host: str = HOST
    http: int = HTTP_PORT
    tcp: int = TCP_PORT


def read_ports(text: str) -> Ports:
    """HOST[:HTTP,TCP]; an empty text means the usual ones. Raises ValueError, saying what is expected."""
    found = _TEXT.fullmatch(text)
    ports = [int(port) for port in found.groups()[1:] if port] if found else []
    if not found or any(port > 65535 for port in ports):
        raise ValueError(FORM)
    return Ports(found[1] or HOST, *ports)

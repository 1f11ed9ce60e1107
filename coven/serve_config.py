"""`/etc/coven/coven.yaml`: what `coven serve` goes by when the command line does not say otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coven.errors import Mistake, Refused
from coven.reading import Reader
from coven.yaml12 import read

CONFIG = Path("/etc/coven/coven.yaml")
FIELDS = ("listen", "state")


@dataclass(frozen=True)
class ServeConfig:
    listen: str | None = None  #: HOST:PORT
    state: str | None = None  #: folder


def serve_config(file: Path = CONFIG) -> ServeConfig:
    """What the file says; nothing when there is none. Raises Refused with every mistake in it."""
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return ServeConfig()
    except OSError as error:
        mistake = Mistake(str(file), found=error.strerror, expected="a file that can be read")
        raise Refused(mistake, title="configuration refused") from None
    return parse(text, str(file))


def parse(text: bytes, name: str) -> ServeConfig:
    reader = Reader(name)
    fields = reader.map(read(text, name), "", FIELDS)
    listen = reader.string(fields.get("listen"), "listen")
    state = reader.string(fields.get("state"), "state")
    if listen and not listen.rpartition(":")[2].isdigit():
        reader.wrong(fields["listen"], "listen", listen, "HOST:PORT", "for example 127.0.0.1:8080")
    if state and not Path(state).is_absolute():
        reader.wrong(fields["state"], "state", state, "an absolute path")
    if reader.mistakes:
        raise Refused(reader.mistakes, title="configuration refused")
    return ServeConfig(listen or None, state or None)

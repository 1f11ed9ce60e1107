"""Click's ControlSocket protocol, for tools that speak it: READ, WRITE, CHECKREAD and their kin become agent requests.

Here is what clients say and are answered; who may connect, and where, is in `listeners.py`. Handlers are those
of the VNF's Click VNFC by their Click names (`counter.count`, `list`); `VNFC/element.handler` where there are several,
and `VNFC.REQUEST` reads a request of a VNFC in any language.

Protocol: ControlSocket(n) of Click, version 1.3.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from coven.base.yaml12 import read as read_yaml
from coven.keeper.client import Unreachable
from itf.mistakes import Kind, Refused

BANNER = "Click::ControlSocket/1.3"
OK = 200
SYNTAX, UNIMPLEMENTED = 500, 501
NO_ELEMENT, NO_HANDLER = 510, 511
HANDLER_ERROR, TOO_BIG, PERMISSION, NO_ROUTER = 520, 521, 530, 540
MOST_DATA = 48 << 10  #: bytes of data with a command: an agent request is one message of 64 KiB
MOST_ARGUMENTS = 60 << 10  #: bytes of a request's arguments as JSON
MOST_LINE = MOST_DATA + 1024
ANY = "handler"  #: the request of a Click VNFC that reads and writes any of its handlers
ANY_TAKES = ["name", "value", "mode"]  #: its arguments
HELP = (
    "Commands supported:",
    "READ handler [arg...]   call read handler, return DATA",
    "READDATA handler len    call read handler with len data bytes, return DATA",
    "READUNTIL handler term  call read handler, take data until term, return DATA",
    "WRITE handler [arg...]  call write handler",
    "WRITEDATA handler len   call write handler, pass len data bytes",
    "WRITEUNTIL handler term call write handler, take data until term",
    "CHECKREAD handler       check if read handler is valid",
    "CHECKWRITE handler      check if write handler is valid",
    "QUIT                    close connection",
)

#: asks the keeper: ask("request", vnfc=.., name=.., args=[..]); raises Refused, or Unreachable
Ask = Callable[..., dict[str, Any]]
#: hears of a change, without its contents, and of the code that answers it
Note = Callable[[str, int], None]


class Failed(Exception):
    """A command's answer that is no success."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.code = code


class Handlers:
    """The handlers of one VNF, by the names that clients use."""

    def __init__(self, ask: Ask, note: Note = lambda what, code: None):
        """`note`: told of whatever may change something."""
        self._ask, self._note = ask, note

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        try:
            yield
        except Failed as failed:
            self._note(what, failed.code)
            raise
        self._note(what, OK)

    def _call(self, vnfc: str, name: str, *args: Any) -> Any:
        if len(json.dumps(args)) > MOST_ARGUMENTS:
            raise Failed(TOO_BIG, "Data too large for handler")
        try:
            return self._ask("request", vnfc=vnfc, name=name, args=list(args)).get("value")
        except Unreachable as problem:
            raise Failed(NO_ROUTER, f"The VNF does not answer: {problem}") from None
        except Refused as refused:
            if refused.kind in (Kind.TIMEOUT, Kind.UNAVAILABLE):
                raise Failed(NO_ROUTER, f"VNFC '{vnfc}' does not answer: it is busy, or ended and restarting") from None
            texts = [mistake.found or refused.title for mistake in refused.mistakes]
            raise Failed(HANDLER_ERROR, "\n".join(map(str, texts))) from None

    def _offered(self) -> dict[str, list[dict[str, Any]]]:
        """The requests of each VNFC."""
        try:
            return dict(self._ask("list").get("requests", {}))
        except (Unreachable, Refused) as problem:
            raise Failed(NO_ROUTER, f"The VNF does not answer: {problem}") from None

    def _find(self, handler: str) -> tuple[str, str, str]:
        """VNFC, the handler's name in it (of a request: as it is declared), and what it can: r, w, rw, or `ask` for a
        request of a VNFC that is no Click. Raises Failed."""
        offered = self._offered()
        click = [vnfc for vnfc, requests in offered.items() if any(map(_reaches_all, requests))]
        vnfc, slash, rest = handler.partition("/")
        candidates = [(each, handler) for each in click]
        if slash and vnfc in click:
            candidates.insert(0, (vnfc, rest))
        silent: Failed | None = None
        for vnfc, name in candidates:
            try:
                name = self._numbered(vnfc, name)
                if can := str(self._call(vnfc, ANY, name, "", "check")):
                    return vnfc, name, can
            except Failed as failed:  # another VNFC may have it
                silent = failed
        vnfc, _, name = handler.partition(".")
        if vnfc not in click and any(each["name"] == name for each in offered.get(vnfc, [])):
            return vnfc, name, "ask"
        if silent is not None:
            raise silent
        element, dot, _ = handler.rpartition(".")
        if dot and not any(self._has(vnfc, element) for vnfc in click):
            raise Failed(NO_ELEMENT, f"No element named '{element}'")
        raise Failed(NO_HANDLER, f"No handler named '{handler}'")

    def _has(self, vnfc: str, element: str) -> bool:
        return bool(self._call(vnfc, ANY, f"{element}.name", "", "check"))

    def _numbered(self, vnfc: str, handler: str) -> str:
        """`3.count` is the count of the third element of the list."""
        number, dot, rest = handler.partition(".")
        if not (dot and _is_number(number)):
            return handler
        names = str(self._call(vnfc, ANY, "list", "", "read")).splitlines()[1:]
        return f"{names[int(number) - 1]}.{rest}" if 0 < int(number) <= len(names) else handler

    def check(self, handler: str, writing: bool) -> None:
        """Raises Failed unless the handler is there and can be read (written)."""
        can = self._find(handler)[2]
        if not ("w" in can if writing else can in ("r", "rw", "ask")):
            raise Failed(NO_HANDLER, f"Handler '{handler}' not {'writable' if writing else 'readable'}")

    def read(self, handler: str, value: str) -> str:
        vnfc, name, can = self._find(handler)
        if can == "ask":
            request = next(each for each in self._offered()[vnfc] if each["name"] == name)
            with self._noted(f"REQUEST {handler}"):
                return _plain(self._call(vnfc, name, *_arguments(value, request.get("args", []))))
        if "r" not in can:
            raise Failed(PERMISSION, f"Handler '{handler}' write-only")
        return str(self._call(vnfc, ANY, name, value, "read"))

    def write(self, handler: str, value: str) -> str:
        with self._noted(f"WRITE {handler}"):
            vnfc, name, can = self._find(handler)
            if "w" not in can:
                raise Failed(PERMISSION, f"Handler '{handler}' read-only")
            return str(self._call(vnfc, ANY, name, value, "write") or "")


def _reaches_all(request: dict[str, Any]) -> bool:
    """Whether this is the request by which a Click VNFC offers its handlers, not one that is called alike."""
    return request["name"] == ANY and [each["name"] for each in request.get("args", [])] == ANY_TAKES


def _is_number(text: str) -> bool:
    """Whether it is one that `int` takes, and that means something here."""
    return text.isascii() and text.isdigit() and len(text) < 10


def _arguments(value: str, declared: list[dict[str, Any]]) -> list[Any]:
    """The words of a line as a request's arguments: texts where it is declared so, else YAML. Raises Failed."""
    try:
        return [
            word if i < len(declared) and declared[i].get("type") == "str" else read_yaml(word).plain()
            for i, word in enumerate(value.split())
        ]
    except Refused as refused:
        raise Failed(HANDLER_ERROR, str(refused.mistakes[0])) from None


def _plain(value: Any) -> str:
    """A request's answer as text: lists and tables a line each."""
    if isinstance(value, dict):
        return "".join(f"{key} {_plain(each)}\n" for key, each in value.items())
    if isinstance(value, list):
        return "".join(f"{_plain(each)}\n" for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


class Conversation:
    """One client's connection: lines in, answers out."""

    def __init__(self, handlers: Handlers, read_only: bool, stream_in: BinaryIO, stream_out: BinaryIO):
        self.handlers, self.read_only = handlers, read_only
        self._in, self._out = stream_in, stream_out
        self._ended_by_cr = False  #: a line feed right behind belongs to the line before

    # ---- bytes -----------------------------------------------------------------------------------------

    def _byte(self) -> bytes:
        byte = self._in.read(1)
        if byte == b"\n" and self._ended_by_cr:
            byte = self._in.read(1)
        self._ended_by_cr = False
        return byte

    def line(self) -> str | None:
        """The next line, ended by CR, LF or both; None at the end. Raises Failed if it is too long."""
        line = bytearray()
        while (byte := self._byte()) not in (b"", b"\n", b"\r"):
            line += byte
            if len(line) > MOST_LINE:
                raise Failed(SYNTAX, "Line too long")
        self._ended_by_cr = byte == b"\r"
        return None if not byte and not line else line.decode("latin-1")

    def _data(self, length: str) -> str:
        if not _is_number(length):
            raise Failed(SYNTAX, "Syntax error in data length")
        if int(length) > MOST_DATA:
            raise Failed(TOO_BIG, "Data too large for handler")
        first = self._byte() if int(length) else b""
        data = first + self._in.read(int(length) - len(first))
        if len(data) < int(length):
            raise Failed(SYNTAX, "Not enough data")
        return data.decode("latin-1")

    def _until(self, end: str) -> str:
        lines: list[str] = []
        while (line := self.line()) is not None and line.rstrip() != end.rstrip():
            lines.append(line)
            if sum(map(len, lines)) > MOST_DATA:
                raise Failed(TOO_BIG, "Data too large for handler")
        return "".join(f"{line}\n" for line in lines)

    def say(self, code: int, text: str) -> None:
        """One line for each of the text's, all but the last with a hyphen behind the code."""
        lines = text.splitlines() or [""]
        for i, line in enumerate(lines):
            between = "-" if i < len(lines) - 1 else " "
            self._out.write(f"{code}{between}{line}\r\n".encode("latin-1", "replace"))

    # ---- commands --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until QUIT, or the client goes."""
        self._out.write(f"{BANNER}\r\n".encode())
        self._out.flush()
        going = True
        while going:
            try:
                line = self.line()
                if line is None:
                    return
                going = self._command(line)
            except Failed as failed:
                self.say(failed.code, str(failed))
                going = str(failed) not in ("Line too long", "Not enough data")
            self._out.flush()

    def _command(self, line: str) -> bool:
        """Returns whether to go on. Raises Failed."""
        command, _, rest = line.strip().partition(" ")
        command, rest = command.upper(), rest.lstrip()
        handler, _, last = rest.partition(" ")
        if not command:
            return True
        if command in ("QUIT", "CLOSE"):
            self.say(OK, "Goodbye!")
            return False
        if command == "HELP":
            self.say(OK, "\n".join(HELP))
            return True
        if command == "LLRPC":
            raise Failed(UNIMPLEMENTED, f"Cannot call LLRPC '{handler}' remotely")
        verb = command.removesuffix("DATA").removesuffix("UNTIL")
        if verb not in ("READ", "WRITE", "CHECKREAD", "CHECKWRITE") or (verb != command and "CHECK" in verb):
            raise Failed(UNIMPLEMENTED, f"Command '{command}' unimplemented")
        checks = verb.startswith("CHECK")
        if not handler or (checks and last) or (command.endswith("DATA") and len(last.split()) != 1):
            raise Failed(SYNTAX, "Wrong number of arguments")
        if command.endswith("DATA"):
            last = self._data(last)
        elif command.endswith("UNTIL"):
            last = self._until(last)
        writing = verb.endswith("WRITE")
        if writing and self.read_only:
            raise Failed(PERMISSION, f"Permission denied for '{handler}'")
        if checks:
            self.handlers.check(handler, writing)
            self.say(OK, f"{'Write' if writing else 'Read'} handler '{handler}' OK")
        elif writing:
            self._write(handler, last)
        else:
            self._read(handler, last)
        return True

    def _read(self, handler: str, value: str) -> None:
        try:
            data = self.handlers.read(handler, value).encode("latin-1", "replace")
        except Failed as failed:
            raise _about(failed, f"Read handler '{handler}' error") from None
        self.say(OK, f"Read handler '{handler}' OK")
        self._out.write(b"DATA %d\r\n" % len(data) + data)

    def _write(self, handler: str, value: str) -> None:
        try:
            self.handlers.write(handler, value)
        except Failed as failed:
            raise _about(failed, f"Write handler '{handler}' error") from None
        self.say(OK, f"Write handler '{handler}' OK")


def _about(failed: Failed, what: str) -> Failed:
    """What a handler refused, under a heading; other failures as they are."""
    return Failed(failed.code, f"{what}:\n{failed}") if failed.code == HANDLER_ERROR else failed

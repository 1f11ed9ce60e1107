"""The prototype's text protocol over TCP: a request of up to 50 bytes, an answer, the end.

The answer is the status of the HTTP call that it stands for, `|`, and what that answers. The texts are the prototype's,
misspellings included: clients compare them.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from coven.package.zips import MAX_ARCHIVE
from coven.rest.original.codes import Code, Reply
from coven.rest.original.platform import Platform
from coven.rest.original.shelf import Body
from itf import limits

REQUEST_BYTES = 50
ANSWER_BYTES = 1024
NAMED = ("package", "setup", "install", "configure", "launch", "request")  #: with fields behind
ALONE = ("start", "stop", "reset", "status", "list", "check", "close", "off")
CHANGES = ("package", "setup", "install", "configure", "launch", "start", "stop", "reset", "off")

Rest = Callable[[int], Body]  #: the bytes that follow a request, so many


def is_whole(request: bytes) -> bool:
    """Whether no more of a request has to come: TCP may bring it in pieces."""
    word, bar, _ = request.rstrip(b"\0").partition(b"|")
    if word in (b"package", b"setup") and bar:
        return len(request) >= REQUEST_BYTES
    return len(request) >= REQUEST_BYTES or word.decode("latin-1") in (ALONE if not bar else NAMED)


def spoken(request: bytes) -> str:
    """Its text. Raises ValueError."""
    return request.rstrip(b"\0").decode()


def word_of(text: str) -> str:
    return text.partition("|")[0]


def answer(platform: Platform, request: bytes, rest: Rest) -> bytes | None:
    """What a request is answered with; None: nothing."""
    try:
        text = spoken(request)
    except ValueError as error:
        return _said(_failed("", f"{error}", "THE REQUEST"))
    reply = _answer(platform, text, rest)
    return None if reply is None else _said(reply)


def _said(reply: Reply) -> bytes:
    return f"{int(reply.status)}|{reply.text}".encode(errors="replace")[:ANSWER_BYTES]


def _done(operation: str) -> Reply:
    return Reply(f"SUCCESFULLY EXECUTED THE {operation} OPERATION")


def _failed(operation: str, why: str, what: str | None = None) -> Reply:
    return Reply(f"AN ERROR OCCURRED DURING {what or f'THE {operation} OPERATION'} ({why})", HTTPStatus.BAD_REQUEST)


def _answer(platform: Platform, text: str, rest: Rest) -> Reply | None:
    word, *fields = text.split("|")
    if word in ALONE and not fields:
        calls = {"start": platform.start, "stop": platform.stop, "reset": platform.reset, "status": platform.status,
                 "list": platform.requests, "check": platform.check, "off": platform.off}  # fmt: skip
        return calls[word]() if word in calls else _done("CLOSING")
    if word == "request":
        return platform.request(*fields[:2]) if len(fields) == 3 else _failed("REQUEST", "Invalid arguments")
    if word in ("configure", "launch"):
        return _from_package(platform, word, fields)
    if word == "install":
        if len(fields) != 1:
            return _failed("INSTALL", "Invalid arguments")
        if not platform.shelf.has(fields[0]):
            return _failed("INSTALL", "Ivalid package")
        return _installed(platform, fields[0])
    if word in ("package", "setup"):
        return _received(platform, word, fields, rest)
    return None


def _received(platform: Platform, word: str, fields: list[str], rest: Rest) -> Reply:
    operation = word.upper()
    if len(fields) != 2:
        return _failed(operation, "Invalid arguments")
    name, size = fields
    if not (size.isascii() and size.isdigit()):
        return _failed(operation, "Ivalid digit")
    if int(size) > MAX_ARCHIVE:
        return _failed(operation, f"more than {MAX_ARCHIVE} bytes")
    try:
        kept = platform.package(name, rest(int(size)))
    except (OSError, EOFError) as error:
        return _failed("PACKAGE", str(error))
    if kept != Reply(Code.DONE):
        return _failed("PACKAGE", kept.text)
    return _done("PACKAGE") if word == "package" else _installed(platform, name)


def _installed(platform: Platform, name: str) -> Reply:
    reply = platform.install(name)
    return _done("INSTALL") if reply == Reply(Code.DONE) else _failed("INSTALL", reply.text)


def _from_package(platform: Platform, word: str, fields: list[str]) -> Reply:
    """`launch` starts, whatever number `configure` says; all its errors are those of `configure`."""
    if len(fields) != 1:
        return _failed("CONFIGURE", "Invalid arguments")
    try:
        script = platform.script(fields[0])
    except OSError as error:
        return _failed("CONFIGURE", limits.words(error))
    if script is None:
        return _failed("CONFIGURE", "Ivalid package")
    reply = platform.configure(script)
    return reply if word == "configure" or reply.status != HTTPStatus.OK else platform.start()

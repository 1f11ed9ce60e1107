"""What a client is told when a handler fails: a limit by its name, as something to try again; all else as our fault."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from coven.agent.rights.callers import ANYONE
from coven.rest.api import application
from coven.rest.routes import Route, route
from coven.rest.web import VERDICT


class Part:
    def __init__(self, problem: BaseException):
        self.problem = problem

    @route("GET", "/v1/thing", "a thing", reply="Any")
    def thing(self) -> None:
        raise self.problem

    def around(self, entry: Route, call: Callable[[], Any]) -> Any:
        return call()


def ask(problem: BaseException) -> tuple[str, dict[str, str], dict[str, Any]]:
    told: list[Any] = []
    environ: dict[str, Any] = {"PATH_INFO": "/v1/thing", VERDICT: ANYONE, "wsgi.errors": io.StringIO()}
    setup_testing_defaults(environ)
    api = SimpleNamespace(parts=(Part(problem),), measured=SimpleNamespace(request=lambda *_: None))
    answer = application(api)  # type: ignore[arg-type]
    said = b"".join(answer(environ, lambda *words: told.extend(words)))
    return told[0], dict(told[1]), json.loads(said)


@pytest.mark.parametrize(
    ("problem", "limit"),
    [
        (MemoryError(), "memory"),
        (OSError(errno.EMFILE, "x"), "RLIMIT_NOFILE"),
        (OSError(errno.ENFILE, "x"), "fs.file-max"),
        (RuntimeError("can't start new thread"), "processes"),
    ],
)
def test_a_limit_is_worth_trying_again(problem: Exception, limit: str) -> None:
    status, headers, said = ask(problem)
    assert status.startswith("503") and headers["Retry-After"] == "1"
    assert limit in said["errors"][0]["found"] and said["errors"][0]["remedy"]


def test_all_else_is_a_fault_of_ours() -> None:
    status, headers, said = ask(KeyError("secret"))
    assert status.startswith("500") and "Retry-After" not in headers
    assert "secret" not in json.dumps(said) and said["errors"][0]["remedy"] == "see its log"

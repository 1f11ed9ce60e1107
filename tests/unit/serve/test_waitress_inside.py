"""coven/serve/spool.py derives from what waitress does not promise to keep. Here stands what it was tried with: where a
new waitress is other inside, read what changed, try tests/integration/serve and test_full_disk, then write it down here
and in setup.cfg.
"""

from __future__ import annotations

import ast
import configparser
import hashlib
import inspect
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from waitress import buffers, channel, parser, receiver, server, task, trigger, wasyncore

from coven.serve import spool

ROOT = Path(__file__).resolve().parents[3]
TRIED = "3.0.2"
#: the beginning of the SHA-256 of the source of each class that spool.py derives from or steers, in the version tried
INSIDE: dict[Any, str] = {
    buffers.OverflowableBuffer: "545747c4f2e2e71a",
    channel.HTTPChannel: "aa3da44fa1741b69",
    parser.HTTPRequestParser: "f2b09de756c11493",
    receiver.FixedStreamReceiver: "434997a7017f1336",
    receiver.ChunkedReceiver: "7d4fd7a3f8c53daa",
    server.BaseWSGIServer: "82ab2f37dc852df3",
    task.Task: "407d67e516390fb5",
    task.ErrorTask: "50756541cbe4e25b",
    task.WSGITask: "9d14cf12c73aa868",
    # coven/serve/original.py ends a server that runs in a thread by these
    trigger._triggerbase: "45aa5c2ee413ab32",
    wasyncore.close_all: "6b588549e9916191",
    wasyncore.loop: "9c04aac11e1c336c",
}


@pytest.mark.parametrize("part", INSIDE, ids=lambda part: part.__name__)
def test_the_inside_is_what_was_tried(part: Any) -> None:
    found = hashlib.sha256(inspect.getsource(part).encode()).hexdigest()[:16]
    assert found == INSIDE[part], f"waitress {version('waitress')} has another {part.__name__} than {TRIED}: see above"


def test_setup_asks_for_what_was_tried() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"].split("\n")
    assert [line for line in wanted if line.startswith("waitress")] == [f"waitress ~= {TRIED}"]


def test_nothing_of_waitress_is_used_beside_these() -> None:
    """What spool.py imports from waitress is watched here."""
    tree = ast.parse(inspect.getsource(spool))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    used = {alias.name for node in froms if (node.module or "").startswith("waitress") for alias in node.names}
    assert used - {"ParsingError", "ClientDisconnected"} <= {part.__name__ for part in INSIDE}


def test_what_is_overridden_is_there_to_be() -> None:
    """A method that waitress no longer calls by that name would be dead, and nobody would notice."""
    for ours, theirs, names in (
        (spool.Spool, buffers.OverflowableBuffer, ("append", "getfile", "close")),
        (spool.Parser, parser.HTTPRequestParser, ("parse_header",)),
        (spool.Unreadable, task.ErrorTask, ("execute",)),
        (spool.Task, task.WSGITask, ("finish", "build_response_header", "get_environment")),
        (spool.Channel, channel.HTTPChannel, ("received", "handle_write")),
    ):
        for name in names:
            mine, other = inspect.signature(getattr(ours, name)), inspect.signature(getattr(theirs, name))
            assert name in vars(ours) and len(mine.parameters) == len(other.parameters), (ours, name)
    for name in ("error_task_class", "parser_class"):
        assert name in vars(spool.Channel) and name in vars(channel.HTTPChannel)

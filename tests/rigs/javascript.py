"""What tests of JavaScript VNFCs share: checking a component, and running it at a fake forwarder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pps.javascript.framework import JavascriptFramework
from tests.rigs.python_host import Host

FRAMEWORK = JavascriptFramework()
MISSING = FRAMEWORK.missing()
WHY = f"JavaScript: {MISSING.found} ({MISSING.remedy})" if MISSING else ""
EVERYTHING = (
    "after back bool cancel config consume counter drop emit every float forward gauge health histogram hold int "
    "log newPacket now ports random reason release request state text wall"
)


def component(body: str) -> str:
    return f'"use strict"; const {{ {", ".join(EVERYTHING.split())} }} = require("vnfc");\n{body}\n'


def check(root: Path, text: str) -> list[dict[str, Any]]:
    """The errors that are found without running it."""
    source = root / "component.js"
    source.write_text(text)
    command = FRAMEWORK.build_command([source], root, root / "note.json", [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [each.as_dict() for each in FRAMEWORK.parse_errors(done.stderr, root)] if done.returncode else []


@contextmanager
def host(tmp_path: Path, body: str, config: dict[str, Any] | None = None, **options: Any) -> Iterator[Host]:
    source = tmp_path / "component.js"
    source.write_text(component(body))
    with Host(FRAMEWORK.host_command(source, "component"), **options) as running:
        assert running.init(config)["op"] == "ready", running.close()
        yield running

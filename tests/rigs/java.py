"""What tests of Java VNFCs share: compiling a component, and running it at a fake forwarder."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pps.java.framework import JavaFramework
from tests.rigs.python_host import Host

FRAMEWORK = JavaFramework()
MISSING = FRAMEWORK.missing()
WHY = f"Java: {MISSING.found} ({MISSING.remedy})" if MISSING else ""


def component(body: str, name: str = "Component") -> str:
    return f"import coven.*;\nimport java.util.*;\npublic class {name} extends Vnfc {{\n{body}\n}}\n"


def build(root: Path, text: str, name: str = "Component") -> tuple[Path, list[dict[str, Any]]]:
    """The artifact, and the errors of its compilation."""
    source = root / f"{name}.java"
    source.write_text(text)
    out = root / "out"
    out.mkdir(exist_ok=True)
    artifact = out / FRAMEWORK.artifact_name(name.lower())
    command = FRAMEWORK.build_command([source], root, artifact, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return artifact, []
    return artifact, [each.as_dict() for each in FRAMEWORK.parse_errors(done.stderr, root)]


@contextmanager
def host(tmp_path: Path, body: str, config: dict[str, Any] | None = None, **options: Any) -> Iterator[Host]:
    artifact, errors = build(tmp_path, component(body))
    assert not errors, errors
    with Host(FRAMEWORK.host_command(artifact, "component"), **options) as running:
        assert running.init(config)["op"] == "ready", running.close()
        yield running

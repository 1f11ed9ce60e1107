"""The Click Modular Router's own program, for `engine: click`: where it is, and what to do where it is not."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path

from itf.limits import reached
from itf.mistakes import Mistake

HOW = "build Click from its sources (github.com/kohler/click) and put its `click` on PATH"


@functools.lru_cache
def _is_modular_router(path: str, _changed: int) -> bool:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10)
    except subprocess.SubprocessError:
        return False
    except OSError as error:
        if reached(error):
            raise
        return False
    return re.match(r"click \(Click\) \d", done.stdout) is not None


def find() -> Path | None:
    """The Modular Router's click on PATH: Debian has a package of that name which is something else."""
    path = shutil.which("click")
    if path is None:
        return None
    found = Path(path).resolve()
    return found if _is_modular_router(str(found), found.stat().st_mtime_ns) else None


def absent() -> Mistake:
    """What to say when there is none."""
    other = shutil.which("click")
    found = f"{other}, which is another program of that name" if other else "no click"
    return Mistake(field="engine", found=found, expected="the Click Modular Router's click on PATH", remedy=HOW)

"""Core dumps of a VNFC that is debugged: from where the kernel writes them to where its author looks for them.

`kernel.core_pattern` says where, seen with the eyes of the process that crashes; a confined one sees nothing that
keeps a file. With `--debug` it is given a folder: it goes there on its way to the end where the pattern is relative
(`pps/c/cores.c`), and finds it under the name of the pattern's folder where it is absolute. A pattern that is a
program needs no folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from coven.keeper.hosts.build import Ready
from coven.keeper.logs import Logs
from pps.confine.confinement import Bind

PATTERN = Path("/proc/sys/kernel/core_pattern")
ENVIRONMENT = "COVEN_CORES"


class Cores:
    """The folder for the cores of one VNFC's process; `collect` when that has ended.

    ready: what a debugger needs beside a core, the host's program and what was built of the sources. folder: made
    anew. Raises OSError.
    """

    def __init__(self, folder: Path, name: str, ready: Ready, uid: int | None, logs: Logs):
        self.folder, self.name, self.ready, self.logs = folder, name, ready, logs
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        if uid is not None:
            os.chown(folder, uid, uid)
        self.pattern = PATTERN.read_text().strip()

    def binds(self, package: Path, namespaced: bool) -> list[Bind]:
        """What the process may write to. `namespaced`: it has a view of files of its own."""
        inside = Path(self.pattern).parent
        needed = [package, *(bind if isinstance(bind, Path) else bind[1] for bind in self.ready.binds)]
        hidden = any(path.is_relative_to(inside) for path in needed)
        if namespaced and inside.is_absolute() and not hidden and "%" not in str(inside):
            return [self.folder, (self.folder, inside)]
        return [self.folder]

    @property
    def environment(self) -> dict[str, str]:
        return {} if self.pattern.startswith(("/", "|")) else {ENVIRONMENT: str(self.folder)}

    def collect(self) -> None:
        """Put a core and what belongs to it where the command was given, and say how to look at it."""
        found = [path for path in self.folder.iterdir() if path.is_file() and not path.is_symlink()]
        told = self.folder.with_name(f"{self.folder.name}.told")
        if not found or told.exists():  # the first crash of a run is the one to look at
            return
        told.touch()
        try:
            target = Path(f"{self.name}.core").absolute()
            target.mkdir(mode=0o700, exist_ok=True)
        except OSError:  # not ours to write to
            target = Path(tempfile.mkdtemp(prefix=f"{self.name}.core-"))
        try:
            shutil.copyfile(found[0], target / "core")
            shutil.copyfile(self.ready.artifact, target / self.ready.artifact.name)
        except OSError as problem:
            self.logs.say(self.name, f"its core dump could not be kept: {problem}")
            return
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
        # the artifact's own place goes with the run: gdb looks for its file name here
        look = f"gdb -iex 'set solib-search-path {target}' {self.ready.command[0]} {target / 'core'}"
        self.logs.say(self.name, f"core dump: {look}")

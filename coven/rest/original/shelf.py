"""The packages of the prototype's interface: archives as they came, and folders that they were installed into."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Protocol

from coven.agent.store import missing
from coven.base import durable
from coven.package.zips import MAX_ARCHIVE, full_disk, refused, unpack
from itf.mistakes import Kind, Mistake, Refused

SUFFIX = ".coven"
MOST = 32  #: archives, and folders
NAME_BYTES = 200
CHUNK = 1 << 16


class Body(Protocol):
    """What an archive is read from."""

    def read(self, size: int, /) -> bytes: ...


def folder_of(name: str) -> str:
    """Where the package is installed: its name without the last extension."""
    return name[:at] if (at := name.rfind(".")) > 0 else name


def check_name(name: str) -> None:
    """Raises Refused for what cannot be a package's name."""
    if (
        not name.isprintable()
        or "/" in name
        or len(name.encode("utf-8", "surrogatepass")) > NAME_BYTES
        or folder_of(name) in ("", ".", "..")
        or any("\ud800" <= c <= "\udfff" for c in name)
    ):
        raise refused(ascii(name)[:100], f"a name of at most {NAME_BYTES} bytes, without /")


class Shelf:
    def __init__(self, folder: Path):
        self._folder = folder
        self._archives, self._installed, self._last = folder / "archives", folder / "installed", folder / "last"
        for each in (folder, self._archives, self._installed):
            each.mkdir(mode=0o700, exist_ok=True)
        for left in folder.glob("old-*"):  # by an agent that died between two names
            for kept in left.iterdir():
                if not (self._installed / kept.name).exists():
                    kept.rename(self._installed / kept.name)
            _remove(left)
        for left in folder.glob("new-*"):  # half made
            _remove(left)

    def keep(self, name: str, body: Body) -> None:
        """An archive, whatever is in it. Raises Refused."""
        check_name(name)
        target = self._archives / f"{name}{SUFFIX}"
        if not target.exists() and sum(1 for _ in self._archives.iterdir()) >= MOST:
            mistake = Mistake(file=name, found=f"{MOST} packages already", expected="fewer",
                              remedy="the same name takes the place of one")  # fmt: skip
            raise Refused(mistake, title="too many packages", kind=Kind.NO_SPACE)
        part = None
        try:
            fd, part = tempfile.mkstemp(prefix="new-", dir=self._folder)
            with open(fd, "wb") as file:
                left = MAX_ARCHIVE
                while chunk := body.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise Refused(Mistake(file=name, found=f"more than {MAX_ARCHIVE} bytes"),
                                      title="package too large", kind=Kind.TOO_LARGE)  # fmt: skip
                    file.write(chunk)
            durable.move(Path(part), target)
        except OSError as error:
            raise full_disk(error, name) from None
        finally:
            if part is not None:
                Path(part).unlink(missing_ok=True)

    def has(self, name: str) -> bool:
        return "/" not in name and len(name) <= NAME_BYTES and (self._archives / f"{name}{SUFFIX}").is_file()

    def install(self, name: str) -> None:
        """Unpack an archive, in the place of what was there. Raises Refused; then everything is as it was."""
        check_name(name)
        if not self.has(name):
            raise missing(f"package {name}")
        target = self._installed / folder_of(name)
        if not target.exists() and sum(1 for _ in self._installed.iterdir()) >= MOST:
            raise Refused(Mistake(file=name, found=f"{MOST} installed packages already", expected="fewer"),
                          title="too many packages", kind=Kind.NO_SPACE)  # fmt: skip
        made = Path(tempfile.mkdtemp(prefix="new-", dir=self._folder))
        try:
            with (self._archives / f"{name}{SUFFIX}").open("rb") as stream:
                unpack(stream, made, name)
            self._replace(made, target)
            (part := self._folder / "new-last").write_text(target.name)
            durable.move(part, self._last)
        except OSError as error:
            raise full_disk(error, name) from None
        finally:
            _remove(made)

    def _replace(self, made: Path, target: Path) -> None:
        """What was made takes the place of what is there, if anything, which is back when that fails."""
        if not target.exists():
            durable.move(made, target)
            return
        durable.settle(made)
        old = Path(tempfile.mkdtemp(prefix="old-", dir=self._folder)) / target.name
        os.rename(target, old)
        try:
            os.rename(made, target)
        except OSError:
            os.rename(old, target)
            raise
        finally:
            durable.settle_names(self._installed)
            _remove(old.parent)

    def installed(self, name: str) -> Path | None:
        """The folder of an installed package, by its name or the folder's."""
        folder = folder_of(name)
        if folder in ("", ".", "..") or "/" in folder or "\0" in folder or len(folder) > NAME_BYTES:
            return None
        found = self._installed / folder
        return found if found.is_dir() else None

    @property
    def last(self) -> str | None:
        """The folder of the package that was installed last."""
        try:
            name = self._last.read_text()
        except OSError:
            return None
        return name if (self._installed / name).is_dir() else None

    def find(self, file: str) -> tuple[str, str] | None:
        """What a component's `File` means, as (package's folder, path in it): `NFPackages/PKG/...`, else in the package
        that was installed last."""
        parts = [part for part in file.split("/") if part not in ("", ".")]
        if file.startswith("/") or ".." in parts or "\0" in file:
            return None
        tries = [(parts[1], parts[2:])] if len(parts) > 2 and parts[0] == "NFPackages" else []
        if (last := self.last) is not None and parts:
            tries.append((last, parts))
        for package, inside in tries:
            try:
                found = (self._installed / package).joinpath(*inside).is_file()
            except OSError:  # a name that is too long is no file's
                continue
            if found:
                return package, "/".join(inside)
        return None

    def files(self, package: str) -> dict[str, Path]:
        """All files of an installed package, by their path in it."""
        root = self._installed / package
        return {str(path.relative_to(root)): path for path in sorted(root.rglob("*")) if path.is_file()}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

"""`coven new`: a package that runs at once, for its author to change.

`templates/package/` is what every package begins with; `templates/LANGUAGE/` holds the one source that a
language brings. A further language is one more folder with one file.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import string
import tempfile
from pathlib import Path

from itf.mistakes import Mistake, Refused, suggest

TEMPLATES = Path(__file__).with_name("templates")
COMMON = "package"
DEFAULT = "python"
ALIASES = {"cpp": "c++"}
#: what the descriptor must say where the source's suffix does not say it
STATED = {"exec": "\n    language: exec    # an executable, whatever it is written in"}


def languages() -> dict[str, Path]:
    """The source that each language brings."""
    folders = sorted(each for each in TEMPLATES.iterdir() if each.is_dir() and each.name != COMMON)
    return {each.name: next(file for file in sorted(each.iterdir()) if file.is_file()) for each in folders}


def provider() -> str:
    """Whoever works here, as far as that can stand in a descriptor as it is."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return name if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,63}", name) else "example"


def new(path: Path, language: str = DEFAULT) -> list[Path]:
    """Make the package folder `path`, called by its last part; returns its files, the source first.

    Nothing is ever written over, and a failure leaves nothing. Raises Refused.
    """
    from coven.base.reading import NAME  # heavy, and help asks for the languages

    known = languages()
    language = ALIASES.get(language, language)
    name = path.absolute().name
    mistakes: list[Mistake] = []
    if not NAME.fullmatch(name):
        expected = "a name of small letters, digits, - and _, at most 32, a letter first"
        near = "".join(c if c.isalnum() else "-" for c in name.lower()).lstrip("-0123456789_")[:32].rstrip("-")
        mistakes.append(Mistake(
            field="NAME", found=name, expected=expected, remedy=f"for example {near or 'firewall'}"
        ))
    if language not in known:
        remedy = suggest(language, known)
        mistakes.append(Mistake(
            field="--language", found=language, expected="a language to write it in", remedy=remedy
        ))
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        expected = "a folder that is empty or not there"
        mistakes.append(Mistake(
            file=str(path), found="it is there already", expected=expected, remedy="choose another name, or remove it"
        ))  # fmt: skip
    if mistakes:
        raise Refused(mistakes, title="nothing was made")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=path.parent) as scratch:
        made = Path(scratch) / name
        _fill(made, {"name": name, "source": known[language].name, "stated": STATED.get(language, ""),
                     "provider": provider()}, known[language])  # fmt: skip
        if path.exists():
            path.rmdir()
        os.rename(made, path)
    source = path / known[language].name
    return [source, *(file for file in sorted(path.rglob("*")) if file.is_file() and file != source)]


def _fill(folder: Path, words: dict[str, str], source: Path) -> None:
    for template in sorted((TEMPLATES / COMMON).rglob("*")):
        target = folder / template.relative_to(TEMPLATES / COMMON)
        if template.is_file() and "__pycache__" not in template.parts:
            target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            target.write_text(string.Template(template.read_text()).substitute(words))
    shutil.copyfile(source, folder / source.name)

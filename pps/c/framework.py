"""VNFCs in C and C++: how their sources are built, and how their host is started."""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from itf.mistakes import Mistake
from pps.framework import PPS, ROOT, Framework, build_folder
from pps.mistakes import SOURCE, BuildError, last_line
from pps.sources import text_of

INCLUDE = PPS / "sdk" / "include"
#: pkg-config names that a descriptor's `libs` may hold unless the operator says otherwise
ALLOWED_LIBS = frozenset({"zlib", "libpcre2-8", "liblz4", "libzstd", "libcrypto", "jansson", "libcjson"})
TOOL_SECONDS = 10  #: for what only looks something up
ASK_OPERATOR = "the operator may allow it: `libs` in /etc/coven/coven.yaml"


#: g++ reads what is beside such a source as C++, too
CPP_SUFFIXES = (".cc", ".cpp", ".cxx")
#: what C++ refuses, and what is never meant
C_ERRORS = ("implicit-function-declaration", "incompatible-pointer-types", "int-conversion")


class CFramework(Framework):
    """The framework for C and C++. `allowed_libs` is the operator's list of pkg-config names."""

    name = "c"
    suffixes = (".c", *CPP_SUFFIXES)
    own_libs = True
    light = True

    def __init__(self, allowed_libs: Iterable[str] = ALLOWED_LIBS):
        self.allow(allowed_libs)

    def allow(self, libs: Iterable[str]) -> None:
        """What the operator allows instead."""
        self.allowed_libs = frozenset(libs)

    def artifact_name(self, vnfc: str) -> str:
        return f"{vnfc}.so"

    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The host's command, to which `--fds POOL,HOP,BELL,CONTROL` is appended."""
        return [str(build_folder() / "coven-host-c"), "--artifact", str(artifact), "--name", name]

    def visible(self) -> list[Path]:
        """What compiler and host must be able to read, beside the package and the system."""
        return [INCLUDE, ROOT / "itf", build_folder()]

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that compiles `sources` into `output`, to be run inside the confinement.

        `include` is the package's root. COVEN_SANITIZE (such as `address,undefined`) builds with sanitizers.
        Raises BuildError.
        """
        flags = self._library_flags(libs)
        sanitize = os.environ.get("COVEN_SANITIZE", "")
        checks = [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer"] if sanitize else ["-Wl,-z,defs"]
        return [
            *_compiler(sources), "-O2", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall",
            "-Werror=return-type",
            "-fdiagnostics-format=json", *checks,
            f"-fmacro-prefix-map={include}/=",  # __FILE__, which the host names declarations' places by
            "-I", str(include), "-I", str(INCLUDE), "-idirafter", str(ROOT),
            "-o", str(output), *map(str, sources), *flags, "-lm",
        ]  # fmt: skip

    def _library_flags(self, libs: list[str]) -> list[str]:
        errors: list[Mistake] = []
        for number, lib in enumerate(libs):
            field = f"libs[{number}]"
            if lib not in self.allowed_libs:
                allowed = ", ".join(sorted(self.allowed_libs))
                expected = f"a library that the operator allows: {allowed or 'there is none'}"
                errors.append(Mistake(field=field, found=lib, expected=expected, remedy=ASK_OPERATOR))
            elif subprocess.run(["pkg-config", "--exists", "--", lib], check=False, timeout=TOOL_SECONDS).returncode:
                expected, remedy = "an installed library", "install its development package"
                errors.append(Mistake(field=field, found=lib, expected=expected, remedy=remedy))
        if errors:
            raise BuildError(errors)
        if not libs:
            return []
        done = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "--", *libs], check=True, capture_output=True, text=True,
            timeout=TOOL_SECONDS,
        )
        return shlex.split(done.stdout)

    def parse_warnings(self, output: str, root: Path) -> list[Mistake]:
        """What gcc warned of; `expected` is the option that turns the warning off."""
        warnings = []
        for line in output.splitlines():
            for each in _diagnostics(line):
                if each.get("kind") == "warning":
                    option = f"nothing to warn of ({each['option']})" if each.get("option") else None
                    warnings.append(replace(_compiler_error(each, root), expected=option))
        return warnings

    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """The errors in what gcc wrote to stderr, files relative to the package's root."""
        errors: list[Mistake] = []
        for line in stderr.splitlines():
            if line.startswith("["):
                errors += [_compiler_error(each, root) for d in _diagnostics(line) for each in _errors(d)]
            else:
                errors += _linker_error(line, root)
        # names that no author wrote follow from mistakes in front of VNFC_HANDLE, lost returns from those in it
        plain = [e for e in errors if not any(word in str(e.found) for word in CONSEQUENCES)]
        said = "\n".join(line for line in stderr.splitlines() if not line.startswith("[]"))
        return plain or errors or last_line(said, "a source that compiles")


def _errors(diagnostic: dict[str, Any]) -> list[dict[str, Any]]:
    """The errors in a diagnostic. Those in a macro that never ends are children of the warning that it does not."""
    own = [diagnostic] if "error" in str(diagnostic.get("kind")) else []
    return own + [inner for child in diagnostic.get("children", []) for inner in _errors(child)]


def _diagnostics(line: str) -> list[dict[str, Any]]:
    """Those in a line of gcc's, which writes one list for each source."""
    if not line.startswith("["):
        return []
    try:
        return list(json.loads(line))
    except ValueError:
        return []


def _compiler(sources: list[Path]) -> list[str]:
    """The compiler that the sources need, with its language. Raises BuildError without a C++ compiler."""
    cpp = [source for source in sources if source.suffix in CPP_SUFFIXES]
    if not cpp:
        return ["gcc", "-std=gnu11", *(f"-Werror={each}" for each in C_ERRORS)]
    if shutil.which("g++") is None:
        found, remedy = f"{cpp[0].name}, and no C++ compiler", "install g++, or write the VNFC in C"
        raise BuildError(Mistake(field=SOURCE, found=found, expected="g++", remedy=remedy))
    return ["g++", "-std=gnu++17"]


def _relative(file: str, root: Path) -> str:
    path = Path(os.path.normpath(file))
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def _carets(diagnostic: dict[str, Any]) -> list[dict[str, Any]]:
    """Every place that a diagnostic and its notes point to, the first first."""
    own = [place["caret"] for place in diagnostic.get("locations", []) if "caret" in place]
    for child in diagnostic.get("children", []):
        own += _carets(child)
    return own


INSIDE = re.compile(r"[‘'`](?:vnfc__(?P<kind>reason|counter|gauge|histogram|request)_)(?P<name>\w+)[’']")
SEPARATOR = re.compile(r"expected (?P<what>.*[‘']\W[’'].*) before (?P<token>.*?)(?: token)?$")
NO_VERDICT = "a way that ends without a verdict"
CONSEQUENCES = ("‘vnfc__", NO_VERDICT)
BEGINNINGS = ("‘static’", "‘extern’", "‘int’", "‘void’")  #: what the SDK's macros begin with
DECLARED = {"reason": "VNFC_REASON({}, \"why\")", "counter": "VNFC_COUNTER({}, \"why\", \"unit\")",
            "gauge": "VNFC_GAUGE({}, \"why\", \"unit\")",
            "histogram": "VNFC_HISTOGRAM({}, \"why\", \"unit\")"}  # fmt: skip


def _in_the_authors_words(message: str) -> tuple[str, str, str]:
    """(found, expected, remedy) for mistakes whose text would otherwise be of the SDK's insides; the last two may be
    empty."""
    if (inside := INSIDE.search(message)) and ("undeclared" in message or "not declared" in message):
        kind, name = inside["kind"], inside["name"]
        near = [other["name"] for other in INSIDE.finditer(message) if other["name"] != name]
        remedy = f"did you mean {near[0]}? Else declare it: " if near else "declare it: "
        return f"the {kind} {name}", f"a {kind} that is declared", remedy + DECLARED.get(kind, "").format(name) + ";"
    if separator := SEPARATOR.search(message):
        remedy = "the line before may lack a semicolon at its end" if "‘;’" in separator["what"] else ""
        token = "the beginning of what follows" if separator["token"] in BEGINNINGS else separator["token"]
        return token, f"{separator['what']} before it", remedy
    if message.startswith(("control reaches end of non-void", "no return statement in function")):
        remedy = "every way through the handler must return a verdict: return VNFC_FORWARD; at its end"
        return NO_VERDICT, "a return on every way", remedy
    if message.endswith(": No such file or directory"):
        own = "the SDK's header is <coven/vnfc.h>" if message.startswith("coven/") else ""
        return message, "a header that is there", own or "headers of the package are sought from its root on"
    return message, "", ""


MACRO = re.compile(r"\b(?<!#define )VNFC_\w+")
DEFINITION = re.compile(r"^\s*#\s*define\s+(VNFC_(?!_)\w+)", re.M)


def _misspelt_macro(caret: dict[str, Any], root: Path) -> tuple[str, str, dict[str, Any]] | None:
    """(found, remedy, place) of the SDK's macro that was probably meant in front of a place that gcc does not
    understand: gcc takes `VNFC_HANDEL {` for a declaration."""
    text = text_of(caret["file"], root) if isinstance(caret.get("file"), str) else None
    if text is None:
        return None
    known = set(DEFINITION.findall(text))
    for header in (INCLUDE / "coven").glob("*.h"):
        known |= set(DEFINITION.findall(header.read_text()))
    for number, line in list(enumerate(text.splitlines(), 1))[max(0, caret["line"] - 2) : caret["line"]]:
        for word in MACRO.finditer(line):
            near = difflib.get_close_matches(word[0], sorted(known), 1)
            if word[0] not in known and near:
                return word[0], f"did you mean {near[0]}?", {"line": number, "column": word.start() + 1}
    return None


def _compiler_error(diagnostic: dict[str, Any], root: Path) -> Mistake:
    carets = _carets(diagnostic)
    # an error in a macro of the SDK is the author's at the place where it is used
    inside = [c for c in carets if Path(os.path.normpath(c["file"])).is_relative_to(root)]
    caret = next(iter(inside or carets), {})
    hints = [child["message"] for child in diagnostic.get("children", []) if child.get("kind") == "note"]
    fixes = [fix["string"] for fix in diagnostic.get("fixits", []) if fix.get("string")]
    useless = ("in ", "each undeclared")
    remedy = f"write {fixes[0]}" if fixes else next((h for h in hints if not h.startswith(useless)), "")
    place = {"line": caret.get("line"), "column": caret.get("display-column", caret.get("column"))}
    file = _relative(caret["file"], root) if caret else None
    language = "C++" if file and file.endswith(CPP_SUFFIXES) else "C"
    found, expected, better = _in_the_authors_words(diagnostic["message"])
    if SEPARATOR.search(diagnostic["message"]) and (misspelt := _misspelt_macro(caret, root)):
        found, better, place = misspelt
        expected = "a macro of the SDK"
    return Mistake(
        file=file, **place, field=SOURCE, found=found, expected=expected or f"{language} that compiles",
        remedy=better or remedy or None,
    )  # fmt: skip


LINK_PLACE = re.compile(r"^(?:\S*ld: )?(?P<file>[^:\s]+):(?P<line>\d+): (?P<what>.*(?:undefined|multiple).*)")
LINK_NO_PLACE = re.compile(r"^(?:\S*ld: |gcc: (?:fatal )?error: )(?P<what>(?!.*in function|.*warning:).+)$")


def _linker_error(line: str, root: Path) -> list[Mistake]:
    remedy = "define it, or name its library in `libs`" if "undefined reference" in line else None
    found = LINK_PLACE.match(line) or LINK_NO_PLACE.match(line)
    if found is None:
        return []
    said = found.groupdict()
    file = _relative(said["file"], root) if "file" in said else None
    number = int(said["line"]) if "line" in said else None
    return [
        Mistake(
            file=file, line=number, field=SOURCE, found=said["what"], expected="sources that link", remedy=remedy
        )
    ]

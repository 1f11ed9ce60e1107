"""A script of the prototype as a package of ours: its components are executables with the engine `coven-socket`.

The package has the files of the prototype's packages where the prototype has them, below NFPackages/, so that a
component finds what it is used to. Its descriptor is all that is remembered of a script.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import string
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any
from urllib.parse import unquote

from coven.agent.store import Row
from coven.package.descriptor import DESCRIPTOR
from coven.package.model import Descriptor, Vnfc
from coven.package.zips import MAX_TOTAL, Member, check_made, refused, write_zip
from coven.rest.original.script import Component, Script
from coven.rest.original.shelf import Shelf

NAME, PROVIDER = "coven-original", "the COVEN prototype's interface"
ENGINE = "coven-socket"
JAVA_MB = 512  #: of memory: a Java machine alone takes half of it
#: an agent request with a dot may have capital letters, as Click's handlers do
_REQUEST = "ema."
_PLAIN = string.ascii_letters + string.digits + "_-./"


def is_made(package: Row) -> bool:
    """Whether a package came out of a script."""
    return bool(package["name"] == NAME and package["provider"] == PROVIDER)


def package_of(script: Script, shelf: Shelf) -> IO[bytes]:
    """The package as a zip. Raises Refused when it would be refused at upload."""
    packages = sorted({component.package for component in script.components})
    files = {f"NFPackages/{package}/{inside}": path
             for package in packages for inside, path in shelf.files(package).items()}  # fmt: skip
    if (total := sum(path.stat().st_size for path in files.values())) > MAX_TOTAL:
        raise refused(f"{total} bytes in the packages that it uses", f"at most {MAX_TOTAL} bytes", file=NAME)
    members = {name: Member.of(path) for name, path in files.items()}
    for component in script.components:
        if component.framework == "ExeFramework":  # the prototype makes it executable
            members[_path(component)] = Member(members[_path(component)].data, True)
    descriptor = _descriptor(script, members)
    digest = hashlib.sha256(json.dumps(descriptor).encode())
    for name, member in sorted(members.items()):
        digest.update(f"{name}\0{member.executable}\0{len(member.data)}\0".encode())
        digest.update(member.data)
    text = json.dumps({**descriptor, "version": digest.hexdigest()[:32]}, indent=1)
    made = write_zip({DESCRIPTOR: Member(text.encode()), **members})
    return io.BytesIO(check_made(made, NAME))


def _path(component: Component) -> str:
    return f"NFPackages/{component.package}/{component.file}"


def _descriptor(script: Script, members: Mapping[str, Member]) -> dict[str, Any]:
    vnfcs = {_vnfc(component): _entry(component, members) for component in script.components}
    port = {"nsh": "none"} if not script.nsh else {}
    one_armed = script.input == script.output
    ways = " -> ".join(["in", *vnfcs, "in" if one_armed else "out"])
    chain: Any = {"in": [ways]} if one_armed else {"in": [ways], "out": "drop"}  # it reads its Input only
    return {
        "name": NAME, "provider": PROVIDER, "description": "made of a script of the COVEN prototype",
        "ports": dict.fromkeys(ports_of(script), port), "vnfcs": vnfcs, "chain": chain,
    }  # fmt: skip


def ports_of(script: Script) -> dict[str, str]:
    """Which interface each port is bound to."""
    if script.input == script.output:
        return {"in": script.input}
    return {"in": script.input, "out": script.output}


def _vnfc(component: Component) -> str:
    stem = re.sub(r"[^a-z0-9_-]", "-", PurePosixPath(component.file).name.lower())
    return f"nf{component.order}-{stem}"[:32]


def _entry(component: Component, members: Mapping[str, Member]) -> dict[str, Any]:
    config: dict[str, Any] = {"input": component.input, "output": component.output}
    if (run := _command(component, members)) is not None:
        config["run"] = run
    if component.agent is not None:
        config["agent"] = component.agent
        config["requests"] = {_asked(name): text for name, text in component.requests}
    entry = {"source": _path(component), "language": "exec", "engine": ENGINE, "config": config}
    return {**entry, "memory_mb": JAVA_MB} if component.framework == "JavaFramework" else entry


def _command(component: Component, members: Mapping[str, Member]) -> list[str] | None:
    """What runs it; None: it runs itself."""
    path, arguments = PurePosixPath(_path(component)), component.arguments
    if component.framework == "Python3Framework":
        return ["python3", str(path), *arguments]
    if component.framework == "JSFramework":
        return ["node", str(path), *arguments]
    if component.framework == "ClickFramework":
        return ["click", "-f", str(path), *arguments]
    if component.framework == "JavaFramework":
        compiled = str(path.with_suffix(".class")) in members
        return ["java", *(["-classpath", str(path.parent), path.stem] if compiled else [str(path)]), *arguments]
    return [f"./{path}", *arguments] if arguments else None


# the names of the prototype for what runs


def called(vnfc: Vnfc) -> str:
    """How the prototype's interface calls a VNFC: by the file that it is."""
    return Path(vnfc.sources[0]).name if vnfc.engine == ENGINE else vnfc.name


def components(descriptor: Descriptor) -> dict[str, Vnfc]:
    """The VNFCs by what they are called; of several the last, as in the prototype."""
    return {called(vnfc): vnfc for vnfc in descriptor.vnfcs.values()}


def connections(vnfc: Vnfc) -> list[str]:
    """What of it can be connected: its TCP ports, if it is a component of the prototype's kind."""
    return [str(vnfc.config["input"]), str(vnfc.config["output"])] if vnfc.engine == ENGINE else ["process"]


def _asked(name: str) -> str:
    """An agent request's name, of any characters, as one of ours."""
    return _REQUEST + "".join(chr(byte) if chr(byte) in _PLAIN else f"@{byte:02X}" for byte in name.encode())


def requested(request: str) -> str:
    """How the prototype's interface calls an agent request."""
    if not request.startswith(_REQUEST):
        return request
    return unquote(request.removeprefix(_REQUEST).replace("@", "%"))

"""`coven image status`: what an appliance is, what is old in it, and what was set on the machine."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from coven.base import tables, troubles
from coven.image.machine import Machine, release

SYSCTLS = Path("/etc/sysctl.d/60-coven.conf")
HALTPOLL = Path("/sys/module/haltpoll/parameters/guest_halt_poll_ns")
ASKED_SECONDS = 60  #: for Debian's archives to answer


def status(machine: Machine) -> dict[str, Any]:
    """Everything, as plain values. Raises Refused where this is no appliance."""
    about = release()
    old, why = outdated()
    return {
        "version": about["VERSION"],
        "flavour": about["FLAVOUR"],
        "commit": about["COMMIT"],
        "image": _line(machine.run / "id"),
        "before": _line(machine.run / "before"),
        "age_days": max(0, int(time.time() - int(about["EPOCH"])) // 86400),
        "kernel": _line(Path("/proc/sys/kernel/osrelease")),
        "state": _line(machine.run / "state"),
        "outdated": old,
        "outdated_unknown": why,
        "parameters": parameters(),
        "command_line": _line(Path("/proc/cmdline")),
        "troubles": troubles.read(machine.places.run),
    }


def _line(file: Path) -> str | None:
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def parameters(file: Path = SYSCTLS) -> dict[str, dict[str, str | None]]:
    """Kernel parameters that the image sets: what it wants, and what holds."""
    found = {}
    lines = file.read_text().splitlines() if file.exists() else []
    for line in lines:
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            holds = _line(Path("/proc/sys") / name.strip().replace(".", "/"))
            found[name.strip()] = {"wanted": value.strip(), "is": holds}
    if (polled := _line(HALTPOLL)) is not None:
        found["haltpoll.guest_halt_poll_ns"] = {"wanted": "200000", "is": polled}
    return found


def outdated() -> tuple[list[dict[str, str]] | None, str | None]:
    """Packages of which Debian has a newer version; None, and why, where its archives cannot be asked. Nothing of the
    machine changes: lists of packages are fetched into a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="coven-apt-") as folder:
        for name in ("lists/partial", "cache/archives/partial"):
            (Path(folder) / name).mkdir(parents=True)
        options = [f"-oDir::State::lists={folder}/lists", f"-oDir::Cache={folder}/cache", "-oAPT::Sandbox::User=root",
                   "-oDebug::NoLocking=1", "-oAcquire::Languages=none", "-oAPT::Update::Error-Mode=any",
                   "-oAcquire::Retries=0", "-oAcquire::http::Timeout=10"]  # fmt: skip
        try:
            asked = subprocess.run(["apt-get", "-q", *options, "update"], capture_output=True, text=True, check=False,
                                   timeout=ASKED_SECONDS)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return None, f"Debian's archives do not answer: {error}"
        if asked.returncode:
            said = asked.stderr.strip().splitlines()
            return None, f"Debian's archives do not answer: {said[0] if said else asked.returncode}"
        done = subprocess.run(["apt-get", "-q", "-s", *options, "dist-upgrade"], capture_output=True, text=True,
                              check=False)  # fmt: skip
    return upgrades(done.stdout), None


def upgrades(said: str) -> list[dict[str, str]]:
    """Of what apt-get -s would do: `Inst NAME [IS] (WOULD BE ARCHIVE [ARCHITECTURE])`."""
    found = []
    for line in said.splitlines():
        words = line.split()
        if words[:1] == ["Inst"] and len(words) > 3 and words[2].startswith("["):
            found.append({"name": words[1], "is": words[2].strip("[]"), "newest": words[3].strip("(),"),
                          "security": "Debian-Security" in line})  # fmt: skip
    return found  # type: ignore[return-value]


def words(found: dict[str, Any]) -> str:
    """For people."""
    lines = [
        f"Coven {found['version']} ({found['commit']}), {found['flavour']} image {found['image']}, "
        f"{found['age_days']} days old",
        f"kernel {found['kernel']}, state on {found['state']}",
    ]
    if found["before"]:
        lines.append(f"the image before this one was {found['before']}")
    if found["outdated"] is None:
        lines.append(f"what is old is not known: {found['outdated_unknown']}")
    elif not found["outdated"]:
        lines.append("every package is Debian's newest")
    else:
        lines.append(f"{len(found['outdated'])} packages are old; an image that is made now has the newest")
        rows = [[each["name"], each["is"], each["newest"], "security" if each["security"] else ""]
                for each in found["outdated"]]  # fmt: skip
        lines.append(tables.table(["package", "is", "newest", ""], rows))
    rows = [[name, each["wanted"], each["is"] or "not there"] for name, each in found["parameters"].items()]
    lines.append(tables.table(["kernel parameter", "wanted", "is"], rows))
    lines += [f"wrong: {line}" for line in found["troubles"]]
    return "\n".join(lines)

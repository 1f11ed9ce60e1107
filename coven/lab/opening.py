"""`coven lab open`: the page of a lab's agent, for a browser of this machine."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from coven.lab import find as found
from coven.lab import network as labs
from coven.lab.relay import LOOPBACK
from itf.mistakes import Mistake, Refused

PORT_FILE = "page"  #: in the lab's folder: where its page is outside


def address(lab: found.Found, environment: dict[str, str]) -> tuple[str, str]:
    """Where its page is, which is made to be there, and the token that it asks for. Raises Refused."""
    folder = found.folder_of(lab.name)
    try:
        agent = json.loads((folder / "state" / "run" / "agent.json").read_text())
        token = Path(agent["token"]).read_text().strip()
    except (OSError, ValueError, KeyError):
        mistake = Mistake(found="its agent does not serve", remedy=f"coven lab status, coven lab down {lab.name}")
        raise Refused(mistake, title=f"lab {lab.name} is broken") from None
    port = _known(folder) or _relayed(lab, folder, int(urlsplit(agent["url"]).port or 0), environment)
    return f"http://{LOOPBACK}:{port}/", token


def _known(folder: Path) -> int | None:
    """The port of a relay that is there already."""
    with contextlib.suppress(OSError, ValueError):
        port = int((folder / PORT_FILE).read_text())
        socket.create_connection((LOOPBACK, port), 1).close()
        return port
    return None


def _relayed(lab: found.Found, folder: Path, inside: int, environment: dict[str, str]) -> int:
    """It lives as long as the lab, whose mark it has."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        words = [sys.executable, "-P", "-m", "coven.lab.relay", str(listening.fileno()), str(inside)]
        subprocess.Popen(
            labs.enter_command(lab.holders["appliance"], words), pass_fds=[listening.fileno()], env=environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        port = int(listening.getsockname()[1])
    (folder / PORT_FILE).write_text(f"{port}\n")
    return port

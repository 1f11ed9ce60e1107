"""The process that holds one lab: builds it, furnishes it, deploys the package, waits, takes it down.

`python -m coven.lab.stand REQUEST`, started by `coven lab up` in a session of its own, as an ordinary user
inside a user namespace. It writes one JSON line to stdout: `{"ok": true}` when the lab stands, or
`{"ok": false, "why": TEXT}`, everything undone. It ends on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from coven.lab.furniture import COVEN, agent, certificate, web_server
from coven.lab.network import Lab, LabError

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PAGE = """<!doctype html>
<title>the server of the lab</title>
<p>You got through: this is the server of the lab.</p>
"""
DEPLOY_SECONDS = 320.0  #: beyond what a keeper may take to instantiate


class Told(BaseException):
    """A signal came while the lab was being built."""


def _told(number: int, frame: object) -> None:
    raise Told


def furnish(stack: ExitStack, folder: Path, deploy: list[str]) -> None:
    """Everything up to a VNF that forwards. Raises LabError."""
    lab = stack.enter_context(Lab())
    files = folder / "files"
    files.mkdir(parents=True)
    (files / "index.html").write_text(PAGE)
    certificate(folder)
    stack.enter_context(web_server(lab, files))
    stack.enter_context(agent(lab, folder))
    if deploy:
        words = [*COVEN, "deploy", *deploy]
        done = lab.appliance.run(*words, check=False, timeout=DEPLOY_SECONDS)
        if done.returncode:
            raise LabError((done.stderr or done.stdout).strip().removeprefix("coven: "))


def main() -> int:
    request = json.loads(sys.argv[1])
    for number in ENDING:
        signal.signal(number, _told)
    answer: dict[str, object] = {"ok": True}
    with ExitStack() as stack:
        try:
            furnish(stack, Path(request["folder"]), request["deploy"])
        except (LabError, OSError) as error:
            answer = {"ok": False, "why": str(error)}
        except subprocess.SubprocessError as error:
            answer = {"ok": False, "why": f"{error}"}
        except Told:
            answer = {"ok": False, "why": "interrupted"}
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # taking down is not interrupted either
        if answer["ok"]:
            _say(answer)
            signal.sigwait(ENDING)
    if not answer["ok"]:
        _say(answer)
    return 0 if answer["ok"] else 1


def _say(answer: dict[str, object]) -> None:
    """Answer, and let go of whoever waits for it."""
    print(json.dumps(answer), flush=True)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())

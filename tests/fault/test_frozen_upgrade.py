"""A forwarder that is stopped in the middle of an upgrade is replaced, and the VNF is one version or the other."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from itf.mistakes import Refused
from tests.rigs.keeper import KeeperRig, wait_for
from tests.rigs.packages import package

MOMENTS = (0.0, 0.1, 0.0, 0.2)  #: seconds after the upgrade was asked for


@pytest.mark.root
def test_the_forwarder_freezes(tmp_path: Path) -> None:
    chain = "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n"
    source = "from vnfc import forward\ndef handle(packet):\n    return forward()\n# "
    folders = [package(tmp_path / f"v{number}", chain, f_py=f"{source}{number}\n") for number in range(2)]
    with KeeperRig(tmp_path / "keeper", folders[0]) as rig:
        rig.call("start")
        rig.wait_ping()
        at = 0
        for moment in MOMENTS:
            said: list[bool] = []

            def upgrade(to: Path, said: list[bool] = said) -> None:
                plan = json.loads((rig.folder / "plan.json").read_text())
                try:
                    rig.keeper.call("upgrade", timeout=90, plan={**plan, "package": str(to)})
                    said.append(True)
                except Refused:
                    said.append(False)

            forwarder = rig.status()["forwarder"]["pid"]
            asked = threading.Thread(target=upgrade, args=(folders[1 - at],))
            asked.start()
            time.sleep(moment)
            os.kill(forwarder, signal.SIGSTOP)
            asked.join()
            at = 1 - at if said == [True] else at
            assert rig.call("ping")["package"] == str(folders[at])
            wait_for(lambda: rig.status()["forwarder"]["pid"] not in (None, forwarder))  # noqa: B023 - called at once
            rig.wait_ping()

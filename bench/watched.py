"""What it costs that somebody looks at the page: `python -m bench.watched`.

A chain of ten VNFCs with traffic, in a lab; for each number of streams (of different browsers) the processor time of
agent and keeper, and how old a reading is when it comes. Needs what `coven lab up` needs; takes a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from coven.keeper.client import find_process
from coven.lab.furniture import COVEN, agent
from coven.lab.network import Lab
from coven.serve.server import PORT

VNFCS = 10
FORWARD = "#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWARD; }\n"

#: opens streams, and says of the readings that come: how many, the longest gap, the oldest
_LOOK = """
import json, socket, sys, threading, time
streams, seconds, token, port = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], int(sys.argv[4])
count, gap, age = [], [0.0], [0.0]
def look():
    sock = socket.create_connection(("127.0.0.1", port))
    head = "GET /page/stream?vnf=ten HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Authorization: Bearer {token}", "", ""
    sock.sendall("\\r\\n".join(head).encode())
    last, until = None, time.time() + seconds
    with sock.makefile("rb") as lines:
        event = b""
        while time.time() < until:
            line = lines.readline()
            if line.startswith(b"event: "):
                event = line[7:].strip()
            elif line.startswith(b"data: ") and event == b"vnf":
                now = time.time()
                age[0] = max(age[0], now - json.loads(line[6:])["at"])
                gap[0] = max(gap[0], now - last if last else 0.0)
                last = now
                count.append(now)
threads = [threading.Thread(target=look) for _ in range(streams)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps({"readings": len(count), "gap": gap[0], "age": age[0]}))
"""


def used(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coven-watched-") as place, Lab() as lab:
        folder = Path(place)
        folder.chmod(0o755)
        names = [f"v{number}" for number in range(VNFCS)]
        vnfcs = ", ".join(f"{name}: {{source: f.c}}" for name in names)
        package = folder / "ten"
        package.mkdir()
        (package / "f.c").write_text(FORWARD)
        text = f'name: ten\nversion: "1"\nvnfcs: {{{vnfcs}}}\nchain: in -> {" -> ".join(names)} -> out\n'
        (package / "vnf.yaml").write_text(text)
        with agent(lab, folder) as state:
            known = json.loads((state / "run" / "agent.json").read_text())
            token = Path(known["token"]).read_text().strip()
            lab.appliance.run(*COVEN, "deploy", str(package), "--in", "eth1", "--out", "eth2", "--state", str(state))
            keeper = find_process(state / "run" / "ten")
            assert keeper is not None
            ping = lab.client.spawn("ping", "-q", "-i", "0.002", "10.20.0.2", stdout=-3)
            try:
                print("streams  agent %  keeper %  readings/s  longest gap s  oldest s")
                for streams in (0, 1, 8):
                    time.sleep(2)
                    before, begun = (used(known["pid"]), used(keeper)), time.monotonic()
                    words = ("-c", _LOOK, str(streams), str(given.seconds), token, str(PORT))
                    if streams:
                        seen = json.loads(lab.appliance.run(sys.executable, *words).stdout)
                    else:
                        time.sleep(given.seconds)
                        seen = {"readings": 0, "gap": 0.0, "age": 0.0}
                    took = time.monotonic() - begun
                    agents, keepers = (
                        100 * (now - then) / took
                        for now, then in zip((used(known["pid"]), used(keeper)), before, strict=True)
                    )
                    each = seen["readings"] / max(1, streams) / took
                    used_up = f"{streams:7} {agents:8.2f} {keepers:9.2f}"
                    print(f"{used_up} {each:11.2f} {seen['gap']:14.2f} {seen['age']:9.3f}")
            finally:
                ping.kill()
                ping.wait()
                lab.appliance.run(*COVEN, "terminate", "ten", "--state", str(state), check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())

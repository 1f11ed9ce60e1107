"""A running chain with traffic both ways, and a browser beside it that looks at its page: Debian's Chromium, without a
window, in the appliance's namespace."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from pps.framework import build_folder
from tests.rigs.appliance import Appliance
from tests.rigs.packages import package

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>"
PATIENCE_MS = 60_000  #: it bounds what fails, and says nothing about speed
expect.set_options(timeout=PATIENCE_MS)
CHROMIUM = shutil.which("chromium")
AXE = build_folder() / "npm" / "axe.min.js"
TTL, TAIL = 17, b"tail"  #: that packets leave with

DESCRIPTOR = """description: "shown as it is: <b>bold</b>"
vnfcs:
  gate:
    source: gate.py
    outputs: [next, odd]
    config: {limit: 5, mode: open, ports: [23], strict: false, slow_ms: 0}
    schema: gate.json
  count: {source: count.c}
  look: {source: look.py}
chain:
  in: [in -> gate -> count -> out, "gate[odd] -> look -> count"]
  out: [out -> count -> gate -> in, "gate[odd] -> in"]
"""
GATE = f'''
import time
from vnfc import config, counter, drop, forward, reason, request
telnet = reason("telnet", "telnet is not allowed here {MARKUP}")
seen = counter("seen", "packets seen", "packets")
said = [0.0]
@request("tell", "how many packets were seen", "packets")
def tell(least: int = 0) -> int:
    return least
@request("echo", "it says what it is told")
def echo(text: str) -> str:
    return text
def handle(packet):
    seen.add()
    if config["slow_ms"]:
        time.sleep(config["slow_ms"] / 1000)
    if time.monotonic() - said[0] > 1:
        said[0] = time.monotonic()
        print("{MARKUP} line", flush=True)
    if packet.udp and packet.udp.dport in config["ports"]:
        return drop(telnet)
    return forward("odd") if packet.udp and packet.udp.dport % 2 else forward()
'''
SCHEMA = {
    "type": "object",
    "properties": {
        "limit": {"type": "integer", "minimum": 1, "maximum": 10, "description": "how many"},
        "mode": {"enum": ["open", "closed"]},
    },
}
#: these two change what they forward: a header, and the length
COUNT = f"#include <coven/vnfc.h>\nVNFC_HANDLE {{ vnfc_set_ttl(p, {TTL}); return VNFC_FORWARD; }}\n"
LOOK = f"from vnfc import forward\ndef handle(packet):\n    packet.put({TAIL!r})\n    return forward()\n"

_TRAFFIC = """
import socket, struct, sys, time
rate = float(sys.argv[1])
def sum16(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
def frame(port, payload, back):
    udp = struct.pack("!HHHH", 4000, port, 8 + len(payload), 0) + payload
    ends = [socket.inet_aton("192.0.2.1"), socket.inet_aton("198.51.100.2")]
    source, target = reversed(ends) if back else ends
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, source, target)
    head = head[:10] + struct.pack("!H", sum16(head)) + head[12:]
    return bytes.fromhex("02000000000202000000000108 00") + head + udp
PAYLOAD = sys.argv[2].encode()
out = [socket.socket(socket.AF_PACKET, socket.SOCK_RAW) for _ in range(2)]
for sock, name in zip(out, ("in1", "out1")):
    sock.bind((name, 0))
frames = [frame(port, PAYLOAD, False) for port in (23, 80, 81, 82, 83)]
back = frame(90, PAYLOAD, True)
print("sending", flush=True)
due = time.monotonic()
number = 0
while True:
    number += 1
    out[0].send(frames[number % len(frames)])
    if number % 2:
        out[1].send(back)
    due += 1 / rate
    time.sleep(max(0, due - time.monotonic()))
"""


class Chain:
    """An appliance whose VNF `fw` runs the package above, with traffic."""

    def __init__(self, folder: Path, rate: float = 200):
        self.appliance = Appliance(folder / "state")
        self.traffic: subprocess.Popen[str] | None = None
        try:
            self._begin(folder, rate)
        except BaseException:
            self.clean()
            raise

    def _begin(self, folder: Path, rate: float) -> None:
        spare = [f"link set {end} addrgenmode none" for end in ("in2", "out2")]  # for another VNF
        self.appliance.ip("link add in2 type veth peer name out2", *spare, "link set in2 up", "link set out2 up")
        for interface in ("in1", "out1"):
            words = ("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6")
            subprocess.run(["ip", "netns", "exec", self.appliance.space, *words], check=True)
        self.appliance.serve()
        sources = {"gate_py": GATE, "gate_json": json.dumps(SCHEMA), "count_c": COUNT, "look_py": LOOK}
        source = package(folder / "p", DESCRIPTOR, **sources)
        status, text = self.appliance.coven("deploy", str(source), "--name", "fw", "--in", "in0", "--out", "out0")
        assert status == 0, text
        self.traffic = subprocess.Popen(
            self.appliance.inside("-c", _TRAFFIC, str(rate), MARKUP), stdout=subprocess.PIPE, text=True
        )
        assert self.traffic.stdout is not None and self.traffic.stdout.readline() == "sending\n"

    @property
    def url(self) -> str:
        return str(json.loads((self.appliance.state / "run" / "agent.json").read_text())["url"])

    @property
    def token(self) -> str:
        return (self.appliance.state / "token").read_text().strip()

    def stats(self) -> dict[str, Any]:
        found: dict[str, Any] = self.appliance.get("/v1/vnfs/fw/stats")
        return found

    def clean(self) -> None:
        if self.traffic is not None:
            self.traffic.kill()
            self.traffic.wait()
        self.appliance.clean()


class Looking:
    """A browser in the namespace of an appliance."""

    def __init__(self, folder: Path, space: str):
        assert CHROMIUM is not None
        wrapper = folder / "chromium-inside"
        wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {space} {CHROMIUM} "$@"\n')
        wrapper.chmod(0o755)
        self._playwright = sync_playwright().start()
        self.browser: Browser = self._playwright.chromium.launch(
            executable_path=str(wrapper), args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )

    def context(self, **options: Any) -> BrowserContext:
        context = self.browser.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    def close(self) -> None:
        self.browser.close()
        self._playwright.stop()


def log_in(page: Page, url: str, token: str) -> None:
    page.goto(f"{url}/")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")


def serious(page: Page) -> list[str]:
    """What axe-core finds. It is put in past the page's policy, by the debugger."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in bad]

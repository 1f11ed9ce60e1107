"""Live ports between two hosts at default offloads: both backends, the real forwarder, real TCP.

Every test ends with law 1: at each port received = forwarded + dropped + in flight, exactly.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.lab.network import IN, OUT, Lab, Place

pytestmark = pytest.mark.root

ROOT = Path(__file__).resolve().parents[3]
TRAFFIC = ROOT / "tests" / "rigs" / "port_traffic.py"
SECONDS = 120
BACKENDS = ["af_xdp", "af_xdp-unbound", "af_packet", "af_packet-here"]

Started = Callable[..., "Rig"]


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if os.geteuid() == 0:  # the others are skipped
        products = ["coven-forwarder", "libcoven-vns.so", "xdp.bpf.o"]
        subprocess.run(["make", "-s", *(f"build/{p}" for p in products)], cwd=ROOT, check=True)


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


def line(process: subprocess.Popen[str]) -> str:
    """The next line that it says. Fails the test if it says none."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], SECONDS)
    assert ready, "no answer"
    return process.stdout.readline().strip()


def spawn(place: Place, *words: object, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    started: subprocess.Popen[str] = place.spawn(
        sys.executable, *map(str, words), cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(env or {})},
    )  # fmt: skip
    return started


def finish(process: subprocess.Popen[str]) -> None:
    process.wait(SECONDS)
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def traffic(place: Place, *words: object) -> str:
    """Run one piece of traffic to its end; its last line."""
    out: str = place.run(sys.executable, str(TRAFFIC), *map(str, words), timeout=SECONDS).stdout
    return out.strip().splitlines()[-1]


class Rig:
    """tests/rigs/ports.py in the appliance."""

    def __init__(self, lab: Lab, *words: object, backend: str = "", peer: str = ""):
        first, _, segments = (backend or "af_xdp").partition("-")
        second = (peer or backend or "af_xdp").partition("-")[0]
        if segments == "unbound":
            words, segments = (*words, "--unbound"), ""
        env = {"COVEN_AF_PACKET_SEGMENTS": segments} if segments else {}
        self.process = spawn(
            lab.appliance, "-m", "tests.rigs.ports", first, IN, second, OUT, *words, env=env
        )
        self.said: dict[str, Any] = json.loads(line(self.process))
        self.ended = False

    def __call__(self, command: str) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(line(self.process))
        return answer

    def end(self) -> dict[str, Any]:
        """The last figures, law 1 asserted."""
        settled = self("stats")
        assert not any(p["in_flight"] for p in settled.values() if isinstance(p, dict)), settled
        figures = self("end")
        self.ended = True
        finish(self.process)
        conserved(figures)
        return figures

    def close(self) -> None:
        if not self.ended:
            self.process.kill()
            finish(self.process)


@pytest.fixture
def rig(lab: Lab) -> Iterator[Started]:
    rigs: list[Rig] = []

    def start(*words: object, **named: str) -> Rig:
        rigs.append(Rig(lab, *words, **named))
        return rigs[-1]

    yield start
    for started in rigs:
        started.close()


def conserved(figures: dict[str, Any]) -> None:
    for name, place in figures.items():
        if isinstance(place, dict):
            ended = place["forwarded"] + sum(place["dropped"].values()) + place["in_flight"]
            assert place["received"] == ended, (name, place)
            assert place["bogus"] == 0, (name, place)


def transfer(lab: Lab, host: str, megabytes: int) -> None:
    server = spawn(lab.server, TRAFFIC, "serve", 5001)
    try:
        assert line(server) == "ready"
        sent = traffic(lab.client, "send", host, 5001, megabytes)
        assert line(server) == sent
    finally:
        server.kill()
        finish(server)


def quiet(lab: Lab) -> None:
    """Nothing but the test's own frames on the wire."""
    for place in (lab.client, lab.server):
        place.run("ip", "addr", "flush", "dev", "eth0")
        place.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")


# ---- what passes ------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_tcp_passes_intact(lab: Lab, rig: Started, backend: str, long_run: bool) -> None:
    ports = rig(backend=backend)
    megabytes = 1000 if long_run else 20
    transfer(lab, "10.20.0.2", megabytes)
    transfer(lab, "fd20::2", megabytes)
    figures = ports.end()
    assert not figures["out.leaving"]["dropped"], figures
    assert figures["out.leaving"]["bytes_out"] > 2 * megabytes << 20


@pytest.mark.parametrize("tags", ["", "_service", "_both"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_tagged_tcp_passes_intact(
    lab: Lab, rig: Started, backend: str, tags: str, tmp_path: Path, long_run: bool
) -> None:
    program = tmp_path / "vlan.bpf.o"
    arch = subprocess.run(["cc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    subprocess.run(["clang", "-O2", "-g", "-target", "bpf", f"-I/usr/include/{arch}", "-c",
                    str(ROOT / "tests" / "rigs" / "vlan.bpf.c"), "-o", str(program)], check=True)  # fmt: skip
    for place in (lab.client, lab.server):
        place.run("tc", "qdisc", "add", "dev", "eth0", "clsact")
        for side, section in (("egress", "tc_push"), ("ingress", "tc_pop")):
            words = f"tc filter add dev eth0 {side} bpf da obj {program} sec {section}{tags}"
            place.run(*words.split())
        if tags == "_both":  # a veth takes one tag on top of its MTU
            place.run("ip", "link", "set", "eth0", "mtu", "1504")
            place.run(*["ip", "route", "change", "10.20.0.0/24", "dev", "eth0", "mtu", "lock", "1500"])
            place.run("sh", "-c", "echo 1500 > /proc/sys/net/ipv6/conf/eth0/mtu")
    ports = rig(backend=backend)
    transfer(lab, "10.20.0.2", 300 if long_run else 8)
    transfer(lab, "fd20::2", 300 if long_run else 8)
    assert not ports.end()["out.leaving"]["dropped"]


@pytest.mark.parametrize("host", ["10.20.0.2", "fd20::2"])
def test_udp_super_frames_are_cut(lab: Lab, rig: Started, host: str) -> None:
    ports = rig(backend="af_packet-here")
    lab.client.run("ping", "-c", "1", "-W", "30", host)
    server = spawn(lab.server, TRAFFIC, "datagrams", 5002, 40)
    assert line(server) == "ready"
    sent = traffic(lab.client, "segments", host, 5002, 1000, 40)
    assert line(server) == sent
    finish(server)
    assert ports.end()["in.arriving"]["received"] >= 40


@pytest.mark.parametrize("peer", ["af_packet", "af_xdp"])
def test_backends_mix_and_auto_takes_the_best(lab: Lab, rig: Started, peer: str) -> None:
    ports = rig(backend="auto", peer=peer)
    assert ports.said["ports"]["in"]["why"].startswith("native XDP on veth")
    transfer(lab, "10.20.0.2", 5)
    ports.end()


def test_auto_says_why_it_takes_less(lab: Lab, rig: Started) -> None:
    lab.client.run("ip", "link", "set", "eth0", "mtu", "9000")  # veth then refuses native XDP
    why = rig(backend="auto", peer="auto").said["ports"]["in"]["why"]
    assert "packet rings" in why and "not af_xdp:" in why and "too large for native XDP" in why


def test_locked_memory_that_is_limited_is_named(lab: Lab) -> None:
    words = ("prlimit", "--memlock=65536", "setpriv", "--inh-caps=-ipc_lock", "--bounding-set=-ipc_lock",
             sys.executable)  # fmt: skip
    rig = lab.appliance.spawn(
        *words, "-m", "tests.rigs.ports", "auto", IN, "auto", OUT, cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    why = json.loads(line(rig))["ports"]["in"]["why"]
    rig.kill()
    finish(rig)
    said = "locked memory is limited to 64 KiB, and a port locks the packet pool, 16384 KiB"
    assert f"not af_xdp: {IN}: {said} (ulimit -l unlimited" in why
    doctor = lab.appliance.run(*words, "-m", "coven", "doctor", cwd=ROOT).stdout
    assert f"{said} or more: AF_PACKET ports" in doctor


def test_generic_only_by_name(lab: Lab, rig: Started) -> None:
    ports = rig(backend="af_xdp_generic")
    assert "generic XDP" in ports.said["ports"]["in"]["why"]
    lab.client.run("ping", "-c", "3", "-i", "0.2", "-W", "30", "10.20.0.2")
    ports.end()


@pytest.mark.parametrize("backend", BACKENDS)
def test_several_queues(lab: Lab, rig: Started, backend: str) -> None:
    for place, interface in ((lab.appliance, IN), (lab.client, "eth0")):
        place.run("ethtool", "-L", interface, "rx", "2", "tx", "2")
    ports = rig(backend=backend)
    assert ports.said["ports"]["in"]["queues"] == (2 if backend.startswith("af_xdp") else 1)
    for _ in range(4):  # flows fall on queues by their hash
        transfer(lab, "10.20.0.2", 5)
    ports.end()


# ---- what does not ----------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["af_xdp", "af_xdp-unbound", "af_packet"])
def test_what_the_kernel_drops_is_counted_once(lab: Lab, rig: Started, backend: str) -> None:
    quiet(lab)
    ports = rig(backend=backend)
    before = ports("stats")["in.arriving"]["received"]
    ports("freeze")
    assert traffic(lab.client, "frames", "eth0", 100, 10000) == "10000"
    ports("thaw")
    arriving = ports.end()["in.arriving"]
    assert arriving["received"] - before == 10000
    name = "rx_dropped" if backend.startswith("af_xdp") else "rx_ring_full"
    assert arriving["dropped"][name] >= 10000 - 4096
    assert set(arriving["dropped"]) <= {name}


@pytest.mark.parametrize("backend", ["af_xdp", "af_xdp-unbound", "af_packet"])
def test_every_frame_is_counted_under_load(lab: Lab, rig: Started, backend: str) -> None:
    quiet(lab)
    ports = rig(backend=backend)
    before = ports("stats")["in.arriving"]["received"]
    sink = spawn(lab.server, TRAFFIC, "bulk", "eth0", 200000)
    assert line(sink) == "ready"
    sent = int(traffic(lab.client, "frames", "eth0", 60, 200000))
    got = int(line(sink))
    finish(sink)
    figures = ports.end()
    assert figures["in.arriving"]["received"] - before == sent
    assert figures["out.leaving"]["forwarded"] >= got


@pytest.mark.parametrize("backend", ["af_xdp", "af_packet"])
def test_longer_than_the_mtu(lab: Lab, rig: Started, backend: str) -> None:
    quiet(lab)
    lab.appliance.run("ip", "link", "set", OUT, "mtu", "1400")
    ports = rig(backend=backend)
    traffic(lab.client, "frames", "eth0", 1414, 5)
    traffic(lab.client, "frames", "eth0", 1415, 7)
    assert ports.end()["out.leaving"]["dropped"] == {"oversize": 7}


@pytest.mark.parametrize("backend", ["af_xdp", "af_packet"])
def test_the_mtu_shrinks_meanwhile(lab: Lab, rig: Started, backend: str) -> None:
    """It is the keeper that follows it, and tells the forwarder (test_ports_underneath.py)."""
    quiet(lab)
    ports = rig(backend=backend)
    lab.appliance.run("ip", "link", "set", OUT, "mtu", "1400")
    for size in (100, 1500, 101, 1500, 1500, 102):
        traffic(lab.client, "frames", "eth0", size, 3)
    leaving = ports.end()["out.leaving"]
    assert leaving["received"] == leaving["forwarded"] == 18


def test_what_the_other_end_does_not_take_holds_up_nothing(lab: Lab, rig: Started) -> None:
    """A veth says of a packet that is longer than its other end's MTU what it says when it is full."""
    quiet(lab)
    lab.server.run("ip", "link", "set", "eth0", "mtu", "1400")
    ports = rig(backend="af_packet")
    for size, count in ((100, 3), (1514, 2), (101, 3), (1514, 1)):
        traffic(lab.client, "frames", "eth0", size, count)
    leaving = ports.end()["out.leaving"]
    assert leaving["dropped"] == {"refused": 3} and leaving["forwarded"] == 6


@pytest.mark.parametrize("backend", ["af_xdp", "af_xdp-unbound", "af_packet"])
def test_an_interface_that_is_down(lab: Lab, rig: Started, backend: str) -> None:
    quiet(lab)
    ports = rig(backend=backend)
    before = ports("stats")["in.arriving"]["received"]
    lab.appliance.run("ip", "link", "set", OUT, "down")
    traffic(lab.client, "frames", "eth0", 100, 6000)
    assert eventually(lambda: ports("stats")["in.arriving"]["received"] - before == 6000)
    lab.appliance.run("ip", "link", "set", OUT, "up")
    leaving = ports.end()["out.leaving"]
    assert leaving["dropped"].get("closed", 0) > 0
    assert set(leaving["dropped"]) == {"closed"}


@pytest.mark.parametrize("backend", ["af_xdp", "af_xdp-unbound", "af_packet"])
def test_an_interface_that_goes_away(lab: Lab, rig: Started, backend: str) -> None:
    quiet(lab)
    ports = rig(backend=backend)
    lab.server.run("ip", "link", "del", "eth0")  # and its peer, the appliance's
    traffic(lab.client, "frames", "eth0", 100, 5000)
    ports("stats")
    figures = ports("end")
    ports.ended = True
    finish(ports.process)
    conserved(figures)


# ---- restarts and restoring ---------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_forwarder_started_again_goes_on(lab: Lab, rig: Started, backend: str) -> None:
    ports = rig(backend=backend)
    server = spawn(lab.server, TRAFFIC, "serve", 5001)
    assert line(server) == "ready"
    client = spawn(lab.client, TRAFFIC, "send", "10.20.0.2", 5001, 60)
    for _ in range(5):
        ports("crash")
    sent = line(client)
    assert line(server) == sent
    finish(client)
    finish(server)
    ports.end()


def test_rings_are_mapped_before_their_socket_is_bound(lab: Lab, rig: Started) -> None:
    """As before Linux 6.4 they must be. To an interface that is down no socket can be bound."""
    ports = rig(backend="af_xdp-unbound")
    lab.appliance.run("ip", "link", "set", IN, "down")
    ports("crash")
    children = Path(f"/proc/{ports.said['pid']}/task/{ports.said['pid']}/children").read_text().split()
    maps = [Path(f"/proc/{child}/maps").read_text() for child in children]
    rings = [each.count(" socket:[") for each in maps if "coven-forwarder" in each]
    assert rings == [8]  # four of each port
    ping = ("ping", "-c", "1", "-W", "1", "10.20.0.2")
    assert lab.client.run(*ping, check=False).returncode != 0
    lab.appliance.run("ip", "link", "set", IN, "up")
    assert eventually(lambda: lab.client.run(*ping, check=False).returncode == 0)
    transfer(lab, "10.20.0.2", 5)
    ports.end()


def state_of(lab: Lab) -> tuple[Any, ...]:
    """What we change on interfaces, and IPv6 addresses."""
    links = json.loads(lab.appliance.run("ip", "-j", "-d", "link").stdout)
    seen = [(x["ifname"], "xdp" in x, x["promiscuity"], sorted(x["flags"])) for x in links]
    addresses = json.loads(lab.appliance.run("ip", "-j", "-6", "addr").stdout)
    own = [(a["ifname"], [i["local"] for i in a["addr_info"]]) for a in addresses if a]
    files = lab.appliance.run("sh", "-c", f"cat /proc/sys/net/ipv6/conf/{IN}/disable_ipv6").stdout
    features = lab.appliance.run("ethtool", "-k", IN).stdout
    return seen, own, files, features


@pytest.mark.parametrize("backend", BACKENDS)
def test_close_restores(lab: Lab, rig: Started, backend: str) -> None:
    before = state_of(lab)
    ports = rig(backend=backend)
    assert state_of(lab) != before
    ports.end()
    assert eventually(lambda: state_of(lab) == before), (before, state_of(lab))


@pytest.mark.parametrize("backend", BACKENDS)
def test_restored_after_kill(lab: Lab, rig: Started, backend: str, tmp_path: Path) -> None:
    lab.appliance.run("ip", "link", "set", OUT, "down")
    before = state_of(lab)
    journal = tmp_path / "journal"
    ports = rig("--journal", journal, backend=backend)
    os.kill(ports.said["pid"], 9)
    finish(ports.process)
    entries = journal.read_text().splitlines()
    assert len(entries) >= 2
    undo = "import json, sys, vns.interface as i; [i.restore(json.loads(e)) for e in reversed(sys.argv[1:])]"
    for _ in range(2):  # the second time there is nothing to do
        lab.appliance.run(sys.executable, "-c", undo, *entries, cwd=ROOT)
    assert eventually(lambda: state_of(lab) == before), (before, state_of(lab))
    ports = rig(backend=backend)  # and it can be had again at once
    assert "ports" in ports.said
    ports.close()


def eventually(true: Callable[[], bool]) -> bool:
    """The kernel ends links and sockets of a killed process a little later."""
    return any(true() or select.select([], [], [], 0.05)[0] for _ in range(1200))


# ---- refusals -------------------------------------------------------------------------------------


def refusals(ports: Rig) -> str:
    return "\n".join(mistake["found"] for mistake in ports.said["refused"])


def test_an_interface_in_use_is_refused_with_all_reasons(lab: Lab, rig: Started) -> None:
    lab.appliance.run("ip", "addr", "add", "192.0.2.1/24", "dev", IN)
    lab.appliance.run("ip", "route", "add", "default", "via", "192.0.2.2")
    said = refusals(rig(backend="af_packet"))
    assert f"{IN} has the address 192.0.2.1" in said
    assert "carries the default route" in said
    taken = rig("--take", backend="af_packet")
    assert "ports" in taken.said


def test_an_enslaved_interface_is_refused(lab: Lab, rig: Started) -> None:
    try:
        lab.appliance.run("ip", "link", "add", "br0", "type", "bridge")
    except Exception:
        pytest.skip("this kernel has no bridges")
    lab.appliance.run("ip", "link", "set", IN, "master", "br0")
    assert f"{IN} is enslaved to br0" in refusals(rig(backend="af_xdp"))


def test_an_ssh_session_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    from vns import interface

    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.9 50000 fe80::1%eth0 22")
    monkeypatch.setattr(interface, "addresses", lambda name: [("fe80::1", 64)])
    found = [m.found for m in interface.objections("in", "lo")]
    assert found == ["lo carries an established SSH session (to fe80::1)"]


@pytest.mark.parametrize("backend", ["af_xdp", "af_packet", "auto"])
def test_what_is_not_there(lab: Lab, rig: Started, backend: str) -> None:
    lab.appliance.run("ip", "link", "del", IN)
    ports = rig(backend=backend)
    assert ports.said["refused"][0]["field"] == "ports.in.interface"
    assert "no such interface" in refusals(ports)


def test_an_mtu_that_no_frame_holds(lab: Lab, rig: Started) -> None:
    lab.appliance.run("ip", "link", "set", IN, "mtu", "9000")
    assert "has MTU 9000" in refusals(rig(backend="af_packet"))


def test_a_busy_interface(lab: Lab, rig: Started) -> None:
    first = rig(backend="af_xdp")
    second = rig(backend="af_xdp")
    assert "busy" in refusals(second)
    transfer(lab, "10.20.0.2", 1)  # the first one took no harm
    first.end()


# ---- without root -----------------------------------------------------------------------------------


def test_in_a_user_namespace() -> None:
    """An ordinary user's ports: AF_PACKET, super-frames cut by the forwarder."""
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user",
             "--map-root-user", "--net", "--mount"]  # fmt: skip
    if not shutil.which("setpriv") or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("user namespaces are restricted here")
    if subprocess.run([*words, sys.executable, "-c", ""], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("another user cannot read this checkout")
    test = "tests/integration/ports/test_ports.py::test_tcp_passes_intact[af_packet-here]"
    inside = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-x", test]
    done = subprocess.run([*words, *inside], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr

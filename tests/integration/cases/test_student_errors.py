"""What beginners are told of the mistakes that they make most: where, what was found, and what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from tests.rigs.packages import capture, package

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTOR = "vnfcs: {{filter: {{source: filter.{}}}}}\nchain: in -> filter -> out\n"
PYTHON = 'from vnfc import drop, forward, reason\ntelnet = reason("telnet", "telnet is not allowed here")\n'
C = '#include <coven/vnfc.h>\nVNFC_REASON(telnet, "telnet is not allowed here");\nVNFC_HANDLE\n{\n'


def coven(*words: str, before: tuple[str, ...] = (), **more: str) -> tuple[int, str]:
    done = subprocess.run(
        [*before, sys.executable, "-m", "coven", *words],
        cwd=ROOT, env={**os.environ, **more}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


#: name: source, its suffix, whether it is said before anything runs, what is said (FILE: its name)
MISTAKES: dict[str, tuple[str, str, bool, tuple[str, ...]]] = {
    "return None": (
        PYTHON + "def handle(packet):\n    if packet.udp:\n        return forward()\n", "py", False,
        ("FILE:3: handle returned None", "without `return forward()`", "drop NAME.no_verdict (the VNFC returned no"),
    ),
    "no return in C": (
        C + "\tif (vnfc_tcp(p))\n\t\treturn VNFC_FORWARD;\n}\n", "c", True,
        ("FILE:7:1", "a way that ends without a verdict", "return VNFC_FORWARD; at its end"),
    ),
    "misspelt verdict": (
        PYTHON + "def handle(packet):\n    return forwad()\n", "py", True,
        ("FILE:4:12:", "'forwad' is not defined", "did you mean 'forward'?"),
    ),
    "misspelt import": (
        "from vnfc import forwad\ndef handle(packet):\n    return forwad()\n", "py", True,
        ("FILE:1:", "vnfc has no 'forwad': did you mean 'forward'?"),
    ),
    "misspelt verdict in C": (
        C + "\treturn VNFC_FORWRD;\n}\n", "c", True, ("FILE:5:", "VNFC_FORWRD", "write VNFC_FORWARD"),
    ),
    "misspelt reason": (
        PYTHON + "def handle(packet):\n    return drop(telent)\n", "py", True,
        ("FILE:4:17:", "'telent' is not defined", "did you mean 'telnet'?"),
    ),
    "a verdict that was not imported": (
        PYTHON + "def handle(packet):\n    return back()\n", "py", True,
        ("FILE:4:12:", "'back' is not defined", "from vnfc import back"),
    ),
    "misspelt handler": (
        PYTHON + "def handel(packet):\n    return forward()\n", "py", True,
        ("FILE:3:", "the function 'handel'", "def handle(packet):", "define one of them"),
    ),
    "misspelt header of a packet": (
        PYTHON + "def handle(packet):\n    return drop(telnet) if packet.tpc else forward()\n", "py", False,
        ('FILE", line 4, in handle', "has no attribute 'tpc': did you mean 'tcp'?", "drop NAME.exception"),
    ),
    "a reason's name instead of it": (
        PYTHON + 'def handle(packet):\n    return drop("telnet")\n', "py", False,
        ('drop wants a reason that was declared with reason("name", "why"), not \'telnet\'',),
    ),
    "a reason instead of a verdict": (
        PYTHON + "def handle(packet):\n    return telnet\n", "py", False,
        ("handle returned reason('telnet'): write `return drop(...)` around the reason", "drop NAME.bad_verdict"),
    ),
    "a verdict without brackets": (
        PYTHON + "def handle(packet):\n    return forward\n", "py", False,
        ("write `return forward()`, with the brackets",),
    ),
    "misspelt handler in C": (
        C.replace("HANDLE", "HANDEL") + "\treturn VNFC_FORWARD;\n}\n", "c", True,
        ("FILE:3:1", "found VNFC_HANDEL", "did you mean VNFC_HANDLE?"),
    ),
    "misspelt include": (
        C.replace("vnfc.h", "vnf.h") + "\treturn VNFC_FORWARD;\n}\n", "c", True,
        ("FILE:1:", "coven/vnf.h: No such file", "the SDK's header is <coven/vnfc.h>"),
    ),
    "misspelt reason in CPP": (
        C + "\treturn VNFC_DROP(telent);\n}\n", "cc", True,
        ("FILE:5:", "found the reason telent", "did you mean telnet?"),
    ),
    "misspelt reason in C": (
        C + "\treturn VNFC_DROP(telent);\n}\n", "c", True,
        ("FILE:5:", "found the reason telent", "did you mean telnet?", 'VNFC_REASON(telent, "why");'),
    ),
    "wrong indentation": (
        PYTHON + "def handle(packet):\n    if packet.tcp:\n    return forward()\n", "py", True,
        ("FILE:5:", "not indented: return forward()", "after 'if' statement on line 4", "four more spaces"),
    ),
    "indentation like nothing above": (
        PYTHON + "def handle(packet):\n    x = 1\n   return forward()\n", "py", True,
        ("FILE:5:", "indented like no line above", "count the spaces"),
    ),
    "tabs and spaces": (
        PYTHON + "def handle(packet):\n        x = 1\n\treturn forward()\n", "py", True,
        ("FILE:5:", "tabs and spaces mixed", "replace the tabs"),
    ),
    "missing colon": (
        PYTHON + "def handle(packet)\n    return forward()\n", "py", True, ("FILE:3:", "expected ':'", "mend the line"),
    ),
    "misspelt return": (
        PYTHON + "def handle(packet):\n    retrun forward()\n", "py", True, ("FILE:4:", "did you mean 'return'",),
    ),
    "missing semicolon": (
        C + "\tstruct tcp_header *tcp = vnfc_tcp(p)\n\treturn tcp ? VNFC_DROP(telnet) : VNFC_FORWARD;\n}\n", "c", True,
        ("FILE:6:", "return", "before it", "the line before may lack a semicolon at its end"),
    ),
    "missing semicolon after a declaration": (
        C.replace(");", ")") + "\treturn VNFC_FORWARD;\n}\n", "c", True, ("FILE:3:", "may lack a semicolon at its end"),
    ),
    "endless loop": (
        PYTHON + "def handle(packet):\n    while True:\n        pass\n", "py", False,
        ("FILE:", ": in handle: no progress for 1 s with packets waiting: an endless loop", "--debug",
         "drop NAME.hung"),
    ),
    "endless loop in C": (
        C + "\tfor (volatile int i = 0; i < 1;)\n\t\t;\n\treturn VNFC_FORWARD;\n}\n", "c", False,
        ("FILE:5: in VNFC_HANDLE: no progress for 1 s", "an endless loop", "drop NAME.hung"),
    ),
}  # fmt: skip


def slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower())[:32].strip("-")


def assert_said(said: str, names: list[str]) -> None:
    for name in names:
        _, suffix, _, parts = MISTAKES[name]
        for part in parts:
            wanted = part.replace("FILE", f"{slug(name)}.{suffix}").replace("NAME", slug(name))
            assert wanted in said, f"{name}: {wanted!r} is not in\n{said}"
    assert "vnfc__" not in said, "names of the SDK's inside are nobody's business"
    ours = [line for line in said.splitlines() if 'File "' in line and not any(slug(n) in line for n in names)]
    assert not ours, "no line of ours in an author's traceback"


def write(folder: Path, names: list[str], wiring: str) -> Path:
    vnfcs = "".join(f"  {slug(n)}: {{source: {slug(n)}.{MISTAKES[n][1]}}}\n" for n in names)
    made = package(folder / "p", f"vnfcs:\n{vnfcs}{wiring}")
    for name in names:
        (made / f"{slug(name)}.{MISTAKES[name][1]}").write_text(MISTAKES[name][0])
    return made


def test_what_check_says(tmp_path: Path) -> None:
    """All of them are VNFCs of one package: all mistakes are said at once."""
    names = [name for name, mistake in MISTAKES.items() if mistake[2]]
    made = write(tmp_path, names, f"chain: {' -> '.join(['in', *map(slug, names), 'out'])}\n")
    status, said = coven("check", str(made), COVEN_STATE=str(tmp_path / "state"))
    assert status == 1
    assert_said(said, names)


def test_what_a_run_says(tmp_path: Path) -> None:
    """Each is a chain of its own, with a packet of its own."""
    names = [name for name, mistake in MISTAKES.items() if not mistake[2]]
    ways = "".join(f"  {slug(name)}: in -> {slug(name)} -> out\n" for name in names)
    rules = "".join(f"  - {{match: tcp dst port {n}, then: {slug(name)}}}\n" for n, name in enumerate(names, 1))
    made = write(tmp_path, names, f"chains:\n{ways}classifier:\n{rules}")
    wire = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="198.51.100.2")
    packets = [wire / TCP(dport=n, flags="S") for n, _ in enumerate(names, 1)]
    source, figures = capture(tmp_path / "in.pcap", packets), tmp_path / "figures"
    status, said = coven("run", str(made), "--in", str(source), "--json", str(figures), COVEN_STATE=str(tmp_path / "s"))
    assert status == 0, said
    document = json.loads(figures.read_text())
    assert document["unaccounted"] == 0 and sum(document["dropped"].values()) == len(names)
    assert_said(said, names)


@pytest.mark.parametrize("suffix", ["py", "c"])
def test_no_handler(tmp_path: Path, suffix: str) -> None:
    """Seen when it is loaded: before the first packet."""
    sources = {
        "py": PYTHON + "def handel(packet):\n    return forward()\n",
        "c": "#include <coven/vnfc.h>\nint filter(void *p) { return p != NULL; }\n",
    }
    said_of = {
        "py": ("filter.py:3", "the function 'handel'", "def handle(packet):"),
        "c": ("no VNFC_HANDLE", "write VNFC_HANDLE { return VNFC_FORWARD; }"),
    }
    made = package(tmp_path / "p", DESCRIPTOR.format(suffix), **{f"filter_{suffix}": sources[suffix]})
    source = capture(tmp_path / "in.pcap", [Ether() / IP(dst="198.51.100.2")])
    status, said = coven("run", str(made), "--in", str(source), COVEN_STATE=str(tmp_path / "s"))
    assert status == 1
    for part in said_of[suffix]:
        assert part in said, said


def test_a_filter_that_forgets_arp(tmp_path: Path) -> None:
    """More of it in test_author_loop.py; here: what `coven check` says before anything runs."""
    source = PYTHON + "def handle(packet):\n    return drop(telnet)\n"
    made = package(tmp_path / "p", DESCRIPTOR.format("py"), filter_py=source)
    status, said = coven("check", str(made), COVEN_STATE=str(tmp_path / "state"))
    assert status == 0 and "The rule {match: arp, then: bypass} keeps it out" in said


def bare(folder: Path) -> Path:
    source = PYTHON + "def handle(packet):\n    return forward()\n"
    return package(folder / "p", DESCRIPTOR.format("py"), filter_py=source)


def test_wrong_interface(tmp_path: Path) -> None:
    state = str(tmp_path / "s")
    status, said = coven("run", str(bare(tmp_path)), "--in", "nosuch0", "--out", "nosuch1", COVEN_STATE=state)
    assert status == 1 and "ports.in.interface: found nosuch0: there is no such interface, expected one of: " in said
    assert "ports.out.interface: found nosuch1" in said, "all at once"
    status, said = coven("run", str(bare(tmp_path)), "--in", "nosuch.pcap", "--out", "o.pcap", COVEN_STATE=state)
    assert status == 1 and "nosuch.pcap does not exist" in said and "check the path" in said


@pytest.mark.root
def test_no_root_and_interface_in_use(tmp_path: Path) -> None:
    space = f"coven-student-{os.getpid()}"
    made, inside = bare(tmp_path), ("ip", "netns", "exec", space)
    subprocess.run(["ip", "netns", "add", space], check=True)
    first = None
    try:
        for words in ("link add a0 type veth peer name a1", "link add b0 type veth peer name b1", "link set a0 up",
                      "link set b0 up", "link set a1 up", "link set b1 up"):  # fmt: skip
            subprocess.run(["ip", "-n", space, *words.split()], check=True)
        words = ("run", str(made), "--in", "a0", "--out", "b0")
        nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        if subprocess.run([*nobody, sys.executable, "-c", "import coven"], cwd=ROOT, check=False).returncode == 0:
            with tempfile.TemporaryDirectory() as readable:
                os.chmod(readable, 0o777)
                other = ("run", str(bare(Path(readable))), *words[2:])
                status, said = coven(*other, before=(*inside, *nobody), COVEN_STATE=f"{readable}/state")
            assert status == 1 and "packet sockets need CAP_NET_RAW" in said, said
            assert "use sudo, or captures: --in x.pcap --out y.pcap" in said
        first = subprocess.Popen(
            [*inside, sys.executable, "-m", "coven", *words],
            cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
            env={**os.environ, "COVEN_STATE": str(tmp_path / "state")},
        )  # fmt: skip
        assert first.stderr is not None
        assert any("forwarding" in line for line in first.stderr)
        status, said = coven(*words, before=inside, COVEN_STATE=str(tmp_path / "state"))
        assert status == 1 and f"a0: another VNF has it (process {first.pid}: -m coven run" in said, said
        assert "end that one first, or choose another interface" in said
        words = ("run", str(made), "--in", "a1", "--out", "a1")
        status, said = coven(*words, before=inside, COVEN_STATE=str(tmp_path / "state"))
        assert status == 1 and "ports.out.interface: found a1: another port of this VNF has it" in said, said
    finally:
        if first is not None:
            first.terminate()
            assert first.wait(60) == 0
            if first.stderr is not None:
                first.stderr.close()
        subprocess.run(["ip", "netns", "del", space], check=True)


def test_port_already_used(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = coven("serve", "--listen", f"127.0.0.1:{port}", "--state", str(tmp_path / "state"))
    assert status == 1 and f"127.0.0.1:{port}: Address already in use" in said
    assert f"sport = :{port}" in said and "choose another with --listen" in said

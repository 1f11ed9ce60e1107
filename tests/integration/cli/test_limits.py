"""A limit of the process or the machine that is reached is called by its name, wherever it is met."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import wrpcap

from itf import limits
from itf.mistakes import Mistake
from pps.frameworks import missing

ROOT = Path(__file__).resolve().parents[3]
FORWARD = ROOT / "packages" / "forward"
COVEN = [sys.executable, "-P", "-m", "coven.cli"]
UID = 47_000 + os.getpid() % 1000  #: of nobody, so that no process but ours counts
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that another user may write to, with a capture in it: pytest's own are closed."""
    made = Path(tempfile.mkdtemp(prefix="coven-test-"))
    made.chmod(0o777)
    wrpcap(str(made / "in.pcap"), [Ether() / IP() / UDP()] * 3)
    yield made
    shutil.rmtree(made)


def run(folder: Path, limit: str, *before: str, package: str = "c.yaml") -> Done:
    captures = ["--in", str(folder / "in.pcap"), "--out", str(folder / "out.pcap")]
    words = ["prlimit", limit, *before, *COVEN, "run", str(FORWARD / package), *captures]
    environment = {**os.environ, "COVEN_STATE": str(folder / "state")}
    return subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def told(done: Done, name: str, remedy: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert name in done.stderr and remedy in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert "make native" not in done.stderr and "apt install" not in done.stderr, done.stderr


@pytest.mark.parametrize("files", [12, 16, 20, 24, 32])
@pytest.mark.parametrize("language", ["c", "javascript"])
def test_open_files(folder: Path, files: int, language: str) -> None:
    if missing(language) is not None:
        pytest.skip(f"no VNFCs in {language} here")
    told(run(folder, f"--nofile={files}", package=f"{language}.yaml"), "RLIMIT_NOFILE", "ulimit -n")


@pytest.mark.root
@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes(folder: Path, processes: int) -> None:
    """The command line's own, bubblewrap's, and those of a compiler."""
    other = other_user()
    told(run(folder, f"--nproc={processes}", *other), "RLIMIT_NPROC", "ulimit -u")


def other_user() -> list[str]:
    other = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]
    if subprocess.run([*other, *COVEN, "--version"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("the checkout may not be read by other users")
    return other


@pytest.mark.root
def test_locked_memory(folder: Path) -> None:
    """Below root AF_XDP needs it; what is taken instead says why."""
    wires = "".join(f"ip link add v{n} type veth peer name p{n}; ip link set v{n} up; ip link set p{n} up; "
                    for n in (0, 1))  # fmt: skip
    ends = "--in v0 --out v1 --for 0.1 --json"
    words = " ".join([*COVEN, "run", str(FORWARD / "c.yaml"), ends, str(folder / "json")])
    script = f"{wires} prlimit --memlock=65536 setpriv --bounding-set=-ipc_lock {words}"
    environment = {**os.environ, "COVEN_STATE": str(folder / "state")}
    done = subprocess.run(["unshare", "--net", "sh", "-c", script], cwd=ROOT, env=environment, capture_output=True,
                          text=True, timeout=120, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    why = json.loads((folder / "json").read_text())["ports"]["in"]["why"]
    if "UMEM" not in why:
        pytest.skip(f"no AF_XDP for another reason: {why}")
    assert "the limit of locked memory (RLIMIT_MEMLOCK) is reached: 65536" in why


@pytest.mark.root
def test_a_user_without_a_home_is_told_to_choose_a_folder() -> None:
    other = other_user()
    for words in (["list"], ["serve"], ["lab", "status"], ["clean"]):
        done = subprocess.run([*other, *COVEN, *words], cwd=ROOT, env={"PATH": os.environ["PATH"]},
                              capture_output=True, text=True, timeout=300, check=False)  # fmt: skip
        assert done.returncode == 1 and "--state DIR" in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("problem", "says"),
    [
        (OSError(errno.EMFILE, "x"), f"open files (RLIMIT_NOFILE) is reached: {resource.getrlimit(7)[0]}"),
        (OSError(errno.ENFILE, "x"), "fs.file-max"),
        (OSError(errno.ENOSPC, "x"), "no space left on the disk"),
        (OSError(errno.EDQUOT, "x"), "disk quota"),
        (limits.WatchLimit(errno.ENOSPC, "x"), "fs.inotify.max_user_watches"),
        (limits.WatchLimit(errno.EMFILE, "x"), "fs.inotify.max_user_instances"),
        (RuntimeError("can't start new thread"), "processes"),
    ],
)
def test_each_by_its_name(problem: Exception, says: str) -> None:
    mistake = Mistake.of(problem, field="f", expected="a file", remedy="make native")
    assert mistake.field == "f" and says in str(mistake.found)
    assert mistake.expected == "more" and mistake.remedy and mistake.remedy != "make native"


def test_one_place_reads_what_errors_say() -> None:
    """`limits.words` and `Mistake.of`: whoever prints strerror alone does not say which limit it was."""
    rooms = ("agents", "coven", "nshp", "pps", "vns")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    assert [str(file) for file in files if re.search(r"(?<!\bos)\.strerror\b", file.read_text())] == []


def test_other_failures_keep_their_words() -> None:
    mistake = Mistake.of(FileNotFoundError(errno.ENOENT, "No such file"), expected="a file", remedy="make native")
    assert (mistake.found, mistake.expected, mistake.remedy) == ("No such file", "a file", "make native")
    assert limits.in_output("bwrap: No such file or directory") is None
    assert limits.in_output("x.c:1: error: Too many open files") is None

"""Confinement as seen from within, at every level: what a VNFC can and cannot do."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import cast

import pytest

from coven.base.places import SYSTEM_RUN
from pps.confine import confinement as confine
from pps.confine import memory_group, uids

ROOT = Path(__file__).resolve().parents[3]
BUILD = ROOT / "build"
SELF = Path(__file__).with_name("confined.py")
DENIED = "Operation not permitted"
NOBODY = 65534
IS_ROOT = os.geteuid() == 0

pytestmark = pytest.mark.skipif(not (BUILD / "coven-launch").exists(), reason="no native build: make native")

LEVELS = [
    pytest.param("full", marks=pytest.mark.skipif(not IS_ROOT, reason="full confinement needs root")),
    "user-namespace",
    "reduced",
]


def driver(level: str | None, order: dict, rootless: bool,
           fds: tuple[int, ...] = ()) -> subprocess.Popen[str]:
    """confined.py in a process of its own, as root or as nobody."""
    argv = [sys.executable, str(SELF), "start", json.dumps({"level": level, **order})]
    if rootless and IS_ROOT:
        argv = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *argv]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, pass_fds=fds, cwd="/")


def run(level: str | None, order: dict, rootless: bool | None = None, fds: tuple[int, ...] = ()) -> dict:
    if rootless is None:
        rootless = level != "full"
    with driver(level, order, rootless, fds) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, out
    return json.loads(out)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that every uid can read, below folders that they can pass."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "vnf.yaml").write_text("name: x\n")
    each = folder
    while each != Path("/tmp") and each != each.parent:
        if each.owner() == Path(os.path.expanduser("~")).owner() and each.stat().st_uid == os.geteuid():
            each.chmod(each.stat().st_mode | 0o055)
        each = each.parent
    return folder


@pytest.fixture(scope="module", autouse=True)
def needs_namespaces() -> None:
    if not IS_ROOT:
        return
    probe = subprocess.run(["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups",
                            "test", "-r", str(SELF)], check=False)
    if probe.returncode:
        pytest.skip("the checkout cannot be read by another uid, so nothing can be started rootless")


def skip_unless_works(level: str) -> None:
    if level == "user-namespace":
        best = run(None, {"argv": ["/usr/bin/true"], "package": "/etc/alternatives"}, rootless=True)
        if best["level"] != level:
            pytest.skip("no user namespaces for unprivileged users here")


def order_for(package: Path, tmp_path: Path, **more: object) -> dict:
    return {"package": str(package), "runtime": str(SYSTEM_RUN), "binds": [str(SELF)], **more}


@pytest.mark.parametrize("level", LEVELS)
def test_from_within(level: str, package: Path, tmp_path: Path) -> None:
    skip_unless_works(level)
    read_end = os.memfd_create("inherited")
    os.write(read_end, b"passed on" + bytes(4096))
    secret = tmp_path / "home"
    secret.mkdir(mode=0o755)
    (secret / "key").write_text("secret")
    argv = ["/usr/bin/python3", str(SELF), "probe", str(package), str(secret), str(read_end)]
    answer = run(level, order_for(package, tmp_path, argv=argv, fds=[read_end], group=f"test.{os.getpid()}"),
                 fds=(read_end,))
    os.close(read_end)
    assert answer["returncode"] == 0, answer
    assert answer["removed"]
    seen = json.loads(answer["first"])

    assert seen["inherited"].rstrip("\0") == "passed on"
    assert seen["cwd"] == str(package)
    assert seen["home"] != "ok"
    for what in ("write package", "write usr", "write root"):
        assert seen[what] != "ok", what
    refused = ["netlink", "packet", "madvise remove", "ftruncate", "fallocate", "ptrace", "unshare", "mount"]
    assert {what: seen[what] for what in refused} == dict.fromkeys(refused, DENIED)
    assert seen["setuid"] in (DENIED, "Invalid argument")  # a user namespace does not know any uid 0
    assert seen["unix pair"] == seen["routes"] == "ok"  # Scapy lists interfaces when it is imported
    # what a limit on private memory does not count is bounded otherwise, or not to be had
    unmetered = answer["kind"] == "rlimit"
    assert {seen["memfd"], seen["system v"]} == {DENIED if unmetered else "ok"}
    assert seen["shared memory"] == ("refused" if unmetered else "ok")
    if level == "reduced":
        assert seen["loopback"] == seen["beyond"] == seen["kill others"] == DENIED
        return
    expected = answer["uid"] if level == "full" else NOBODY if IS_ROOT else os.geteuid()
    assert seen["uid"] == seen["gid"] == expected
    assert set(seen["capabilities"].values()) == {"0" * 16}
    assert seen["no_new_privs"] == "1"
    assert seen["interfaces"] == ["lo"]
    assert seen["write tmp"] == "ok" and seen["loopback"] == (DENIED if unmetered else "ok")
    assert seen["shm"] == ("No space left on device" if unmetered else "ok") and seen["dev"] != "ok"
    assert seen["beyond"] == (DENIED if unmetered else "Network is unreachable")
    assert seen["pids"] == ["1", "2"]
    limits = {line[:26].strip(): line[26:].split() for line in seen["limits"].splitlines()}
    assert limits["Max open files"][:2] == ["128", "128"] if unmetered else ["1024", "1024"]
    assert limits["Max core file size"][:2] == ["0", "0"]
    if level == "full":
        assert seen["groups"] == []
        assert limits["Max processes"][:2] == ["64", "64"]


def gone(pidfd: int) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(60_000))


@pytest.mark.parametrize("level", LEVELS)
def test_dies_with_whoever_started_it(level: str, package: Path, tmp_path: Path) -> None:
    skip_unless_works(level)
    argv = ["/usr/bin/python3", "-c", "import time; print('up', flush=True); time.sleep(1000)"]
    process = driver(level, order_for(package, tmp_path, argv=argv, wait=False), rootless=level != "full")
    assert process.stdout is not None
    answer = json.loads(process.stdout.readline())
    assert answer["first"] == "up"
    assert Path(f"/proc/{answer['inner']}/cmdline").read_bytes().startswith(b"/usr/bin/python3")
    pidfd = os.pidfd_open(answer["inner"])
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert gone(pidfd)
    os.close(pidfd)


@pytest.mark.parametrize("level", LEVELS)
def test_memory_limit_ends_only_what_exceeds_it(level: str, package: Path, tmp_path: Path) -> None:
    skip_unless_works(level)
    code = "print('up', flush=True)\nb = bytearray(200 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1"
    answer = run(level, order_for(package, tmp_path, argv=["/usr/bin/python3", "-c", code], memory_mb=64,
                                  group=f"test.{os.getpid()}"))
    assert answer["returncode"] != 0
    if answer["kind"] == "rlimit":
        assert answer["returncode"] == 1  # MemoryError
    else:
        assert answer["returncode"] in (137, -9)
        assert answer["oom"] >= 1
    assert answer["removed"]


@pytest.mark.parametrize("level", LEVELS)
def test_debug_may_be_traced(level: str, package: Path, tmp_path: Path) -> None:
    skip_unless_works(level)
    code = ("import ctypes, os\nl = ctypes.CDLL(None, use_errno=True)\n"
            "print(l.ptrace(0, 0, None, None), os.getsid(0) == os.getpid(), flush=True)")
    answer = run(level, order_for(package, tmp_path, argv=["/usr/bin/python3", "-c", code], debug=True))
    assert answer["first"] == ("-1 False" if level == "reduced" else "0 False")


@pytest.mark.parametrize("level", LEVELS)
def test_compiler(level: str, tmp_path: Path, package: Path) -> None:
    if (level == "full") != IS_ROOT:
        pytest.skip("compilers run here as root only" if IS_ROOT else "needs root")
    confinement = confine.Confinement(confine.Level(cast(confine.LevelName, level)), BUILD)
    (package / "good.c").write_text("int main(void) { return 0; }\n")
    (package / "bad.c").write_text("int main(void) {\n\treturn nothing;\n}\n")
    (package / "loop.c").write_text('#include "loop.c"\n')
    out = tmp_path / "out"
    with uids.UidLease.take(SYSTEM_RUN) if level == "full" else nullcontext() as lease:
        uid = lease.uid if lease else None

        def build(*argv: str, timeout: float = 60, output_limit: int = 100_000) -> confine.Built:
            return confinement.run_build(argv, package=package, out=out, uid=uid, timeout=timeout,
                                         output_limit=output_limit)

        good = build("gcc", "-O2", "-o", f"{out}/good", "good.c")
        assert good == confine.Built(0, ""), good
        assert (out / "good").stat().st_uid == os.geteuid()
        assert subprocess.run([out / "good"], check=False).returncode == 0

        bad = build("gcc", "-o", f"{out}/bad", "bad.c")
        assert bad.returncode != 0 and "bad.c:2:" in bad.output

        ended = build("sleep", "100", timeout=0.2)
        assert "0.2 s" in ended.ended and ended.returncode != 0
        ended = build("yes", output_limit=4096)
        assert "4096 bytes" in ended.ended and len(ended.output) == 4096

        build("sh", "-c", f"ln -s /etc/shadow {out}/link; mkfifo {out}/fifo; chmod u+s {out}/good; rm -f x")
        assert sorted(path.name for path in out.iterdir()) == ["good"]
        assert (out / "good").stat().st_mode & 0o7777 == 0o755
        assert build("sh", "-c", f"echo x > {package}/new").returncode != 0


@pytest.mark.root
def test_unreadable_package_is_named(package: Path) -> None:
    (package / "private.c").write_text("")
    (package / "private.c").chmod(0o600)
    confinement = confine.Confinement(confine.Level("full"), BUILD, controller=None)
    with pytest.raises(confine.ConfineError, match=r"private\.c") as caught:
        confinement.command(["true"], package=package, uid=NOBODY)
    assert "chmod" in caught.value.remedy


def test_a_level_is_never_silently_less(package: Path) -> None:
    reduced = confine.Confinement(confine.Level("reduced"), BUILD, controller=None)
    with pytest.raises(confine.ConfineError, match="level full"):
        reduced.command(["true"], package=package, uid=64000)
    with pytest.raises(confine.ConfineError, match="own paths"):
        reduced.command(["true"], package=package, binds_ro=[(Path("/etc"), Path("/other"))])


def test_detect_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    level = confine.detect(BUILD)
    assert level.name == "reduced" and "bubblewrap is not installed" in level.why
    with pytest.raises(confine.ConfineError, match="make native"):
        confine.detect(Path("/nonexistent"))


def test_leases_do_not_overlap(tmp_path: Path) -> None:
    pool = range(64000, 64002)
    first, second = (uids.UidLease.take(tmp_path, pool) for _ in range(2))
    assert (first.uid, second.uid) == (64000, 64001)
    with pytest.raises(uids.NoUidFree, match="64000-64001"):
        uids.UidLease.take(tmp_path, pool)
    first.release()
    first.release()
    with uids.UidLease.take(tmp_path, pool) as again:
        assert again.uid == 64000
    second.release()


def test_leases_end_with_their_holder(tmp_path: Path) -> None:
    code = ("import sys, os; from pathlib import Path; from pps.confine.uids import UidLease\n"
            "UidLease.take(Path(sys.argv[1])); print('taken', flush=True); sys.stdin.read()")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, cwd=ROOT)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with uids.UidLease.take(tmp_path) as lease:
            assert lease.uid == 64001
        process.kill()
    with uids.UidLease.take(tmp_path) as lease:
        assert lease.uid == 64000


def test_memory_groups_are_swept() -> None:
    controller = memory_group.find_controller()
    if controller is None:
        pytest.skip("no memory group can be made here")
    prefix = f"swept.{os.getpid()}."
    group = memory_group.MemoryGroup(controller, prefix + "a", 64)
    assert group.path.is_dir() and group.oom_kills() == 0
    memory_group.sweep(controller, prefix)
    assert not group.path.exists()


@pytest.mark.parametrize("sanitize", ["", "address,undefined"])
def test_a_sanitizer_may_reserve_what_it_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sanitize: str) -> None:
    """Its shadow memory is larger than any limit: nothing would start for whoever has no memory group."""
    monkeypatch.setenv("COVEN_SANITIZE", sanitize)
    reduced = confine.Confinement(confine.Level("reduced"), BUILD, controller=None)
    prepared = reduced.command(["/usr/bin/true"], package=tmp_path)
    prepared.close()
    assert any(word.startswith("--limit=data=") for word in prepared.argv) == (not sanitize)

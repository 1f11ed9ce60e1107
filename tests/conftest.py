"""What all tests share: tiers, a lab, and the proof that a test module left nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from itf.statistics import sweep

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
SHARED = ("/run/coven/uids",)  #: below the private folders, and still everybody's: no two VNFCs have one uid


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="full sizes and the tests marked `long`")


def pytest_configure(config: pytest.Config) -> None:
    # Whatever our children leave running becomes our child, where `nothing_left` sees it.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if hasattr(config, "workerinput") and os.geteuid() == 0:
        _private_runtime()
    # A shell that begins us in the background has it ignored, which what tests interrupt would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # How wide lines are is nobody's here; xdist's workers are given a width.
    os.environ.pop("COLUMNS", None)
    _no_scapy_routes()
    # Tests prove nothing about time: the machine may be slow, and busy with something else.
    settings.register_profile("coven", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("coven")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What keepers that tests killed have left in /dev/shm."""
    if not hasattr(session.config, "workerinput"):
        sweep()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Of `-n auto`: most tests wait for processes that they started, so several share a core."""
    return min(3 * len(os.sched_getaffinity(0)), 12)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Neighbours stay together, for the sake of modules' fixtures, until some worker has nothing left to do."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log) if config.getoption("dist") == "load" else None


def _private_runtime() -> None:
    """Give this worker, which others run beside, folders /run/coven and /run/netns of its own."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
        if libc.mount(source.encode(), target.encode(), kind.encode(), flags, options.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), target)

    if libc.unshare(CLONE_NEWNS):
        return  # a container without the right to it, where no test can make a namespace either
    mount("none", "/", "none", MS_REC | MS_PRIVATE)
    held = {}
    for shared in SHARED:
        Path(shared).mkdir(mode=0o700, parents=True, exist_ok=True)
        held[shared] = os.open(shared, os.O_PATH)
    for private in ("/run/coven", "/run/netns"):
        Path(private).mkdir(mode=0o700, parents=True, exist_ok=True)
        mount("tmpfs", private, "tmpfs", 0, "mode=755")
    for shared, descriptor in held.items():
        Path(shared).mkdir(mode=0o700)
        mount(f"/proc/self/fd/{descriptor}", shared, "none", MS_BIND)
        os.close(descriptor)


def _no_scapy_routes() -> None:
    # Scapy asks the network for the MAC address of a packet's next hop where a test names none.
    from scapy.route import conf
    from scapy.route6 import conf as conf6

    for routes in conf.route, conf6.route6:
        routes.routes.clear()
        routes.invalidate_cache()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("long") and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="long: run with --long (make test-long)"))
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture(scope="session")
def long_run(request: pytest.FixtureRequest) -> bool:
    """True under `make test-long`: use the full figures instead of modest ones."""
    return bool(request.config.getoption("--long"))


def _stat(pid: str) -> tuple[int, str]:
    """Parent and state of a process. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[1]), fields[0]


def descendants() -> dict[int, str]:
    """Living processes below this one, with their command lines.."""
    parents: dict[int, int] = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent, state = _stat(name)
        except OSError:
            continue
        if state not in "ZX":
            parents[int(name)] = parent
    found: dict[int, str] = {}
    for pid in parents:
        up = parents[pid]
        while up in parents and up != os.getpid():
            up = parents[up]
        if up == os.getpid():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
            except OSError:
                continue
            found[pid] = words.decode(errors="replace").strip()
    return found


def _reap() -> None:
    """Take the status of processes that became ours and ended: unread, each counts against its user's limit."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if _stat(name) == (os.getpid(), "Z"):
                os.waitpid(int(name), os.WNOHANG)


def segment_descriptors() -> set[str]:
    """Segment objects that this very process still has open."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if "memfd:coven" in target or target.startswith("/dev/shm/coven-"):
            found.add(f"{number} -> {target}")
    return found


def namespaces() -> set[str]:
    """Named network namespaces that carry our pid, as tests name them."""
    folder = Path("/run/netns")
    return {p.name for p in folder.iterdir() if str(os.getpid()) in p.name} if folder.is_dir() else set()


@pytest.fixture(scope="module", autouse=True)
def nothing_left() -> Iterator[None]:
    """After a module's tests: no process, namespace or segment object more than before."""
    processes, names, objects = set(descendants()), namespaces(), segment_descriptors()
    yield
    _reap()
    end = time.monotonic() + 30
    while (left := {p: c for p, c in descendants().items() if p not in processes}) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left, f"processes left behind: {left}"
    assert not namespaces() - names, f"namespaces left behind: {namespaces() - names}"
    kept = segment_descriptors() - objects
    assert not kept, f"segment objects left open: {kept}"

"""The layout of the segment and its version belong together, and a program of another version says what to do."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess

import pytest

from itf.segment import C, Config, Forwarder, Hop, Pool, ffi
from itf.statistics import Statistics
from pps.c.framework import build_folder

VERSION = {"SEG_ABI_MAJOR", "SEG_LAYOUT"}
REMEDY = "terminate and instantiate this VNF"


def layout() -> int:
    """31 bits of a digest of all that segment.h fixes: the place and type of each field, each constant."""
    lines = [f"major {C.SEG_ABI_MAJOR}"]
    names, structs, _ = ffi.list_types()
    assert not names
    for struct in structs:
        kind = ffi.typeof(f"struct {struct}")
        lines.append(f"{struct} {ffi.sizeof(kind)}")
        lines += [f"  {name} {field.offset} {field.type.cname}" for name, field in kind.fields or ()]
    lines += [f"{name} {getattr(C, name)}" for name in sorted(dir(C)) if name not in VERSION]
    return int.from_bytes(hashlib.sha256("\n".join(lines).encode()).digest()[:4], "big") >> 1


def test_a_changed_layout_has_another_version() -> None:
    found = layout()
    assert found == C.SEG_LAYOUT, f"itf/segment.h was changed: raise SEG_ABI_MAJOR, then SEG_LAYOUT is to be {found:#x}"


@pytest.mark.parametrize("other", ["abi_major", "layout"])
def test_a_forwarder_of_another_version_says_what_to_do(other: str) -> None:
    pool = Pool.make(256, 4096)
    forwarder, config = Forwarder.make(pool.geometry), Config.make(C.CLOCK_LIVE)
    statistics = Statistics.make("a", 1)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        setattr(forwarder.head, other, getattr(forwarder.head, other) + 1)
        fds = (pool.fd, forwarder.fd, config.fd, statistics.fd, theirs.fileno())
        done = subprocess.run([build_folder() / "coven-forwarder", "--fds", ",".join(map(str, fds))], pass_fds=fds,
                              stderr=subprocess.PIPE, text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 1 and REMEDY in done.stderr, done.stderr
    finally:
        for each in (statistics, config, forwarder, pool, ours, theirs):
            each.close()


def test_a_host_of_another_version_says_what_to_do() -> None:
    pool = Pool.make(256, 4096)
    hop = Hop.make("one", 0, 1, 64, pool.geometry)
    bell = os.eventfd(0)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        hop.head.layout += 1
        fds = (pool.fd, hop.fd, bell, theirs.fileno())
        words = ["--artifact", "/dev/null", "--name", "one", "--fds", ",".join(map(str, fds))]
        done = subprocess.run([build_folder() / "coven-host-c", *words], pass_fds=fds, stderr=subprocess.PIPE,
                              text=True, timeout=60, check=False)  # fmt: skip
        assert done.returncode == 1 and REMEDY in done.stderr, done.stderr
    finally:
        for each in (hop, pool, ours, theirs):
            each.close()
        os.close(bell)

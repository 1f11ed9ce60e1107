"""`coven doctor`: what this machine has and lacks for running VNFs, and how to mend it. Changes nothing."""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import platform
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coven.keeper.plan import FRAMES
from itf import limits

LEAST_FRAME = 2048  #: bytes
OLDEST = (5, 10)  #: memfd seals, futexes and AF_PACKET rings as they are used here
PRODUCTS = (
    "coven-forwarder",
    "coven-host-c",
    "coven-host-exec",
    "coven-launch",
    "libcoven-vns.so",
    "xdp.bpf.o",
    "seccomp-host.bpf",
)
#: program -> (Debian package, what for)
PROGRAMS = {
    "gcc": ("gcc", "C VNFCs"),
    "g++": ("g++", "C++ VNFCs"),
    "clang": ("clang", "the XDP program"),
    "bwrap": ("bubblewrap", "confinement"),
    "ip": ("iproute2", "interfaces"),
    "ethtool": ("ethtool", "looking at interfaces by hand"),
    "pkg-config": ("pkg-config", "libs of C VNFCs"),
}
LIBRARIES = {"bpf": "libbpf-dev", "pcap": "libpcap-dev", "seccomp": "libseccomp-dev", "cjson": "libcjson-dev"}
MODULES = (
    "cffi", "numpy", "scapy", "bottle", "waitress", "ruamel.yaml", "yaml", "jsonschema_rs", "requests", "shtab",
    "prometheus_client", "argparse_manpage", "posix_ipc", "psutil",
)  # fmt: skip
CAPABILITIES = {
    12: ("net_admin", "changing interfaces"),
    13: ("net_raw", "AF_PACKET"),
    21: ("sys_admin", "mounts of confinement"),
    39: ("bpf", "AF_XDP"),
    6: ("setgid", "a uid for each VNFC"),
    7: ("setuid", "a uid for each VNFC"),
}
_NEEDED = {"gcc", "bwrap", "ip"}


def native_build() -> Path:
    from pps.framework import build_folder

    return build_folder()


@dataclass(frozen=True)
class Finding:
    """`level`: ok, note (works, with less), bad (VNFs do not run)."""

    level: str
    what: str
    found: str
    remedy: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        line = f"{self.level:<4}  {self.what:<22}  {self.found}"
        return f"{line}\n{'':<30}{self.remedy}" if self.remedy and self.level != "ok" else line


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _system() -> Iterator[Finding]:
    release = dict(
        line.partition("=")[::2] for line in (_text("/etc/os-release") or "").splitlines() if "=" in line
    )
    name = release.get("PRETTY_NAME", "an unknown system").strip('"')
    machine = platform.machine()
    tested = (
        release.get("ID") == "debian"
        and release.get("VERSION_ID", "").strip('"') == "12"
        and machine == "x86_64"
    )
    if tested:
        yield Finding("ok", "system", f"{name}, {machine}")
    else:
        yield Finding("note", "system", f"{name}, {machine}: not tested here", "Debian 12 on amd64 is")
    from vns.af_xdp import TAGS
    from vns.af_xdp import kernel as version

    kernel = os.uname().release
    if version() < OLDEST:
        yield Finding("bad", "kernel", kernel, f"Linux {OLDEST[0]}.{OLDEST[1]} or later")
    elif version() < TAGS:
        yield Finding(
            "note", "kernel", f"{kernel}: VLAN tags are lost in AF_XDP on veth", "6.8 (Debian: backports)"
        )
    else:
        yield Finding("ok", "kernel", kernel)
    cores = len(os.sched_getaffinity(0))
    yield Finding("ok" if cores > 1 else "note", "cores", str(cores), "two or more share the work better")


def _rights() -> Iterator[Finding]:
    status = _text("/proc/self/status") or ""
    match = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    held = int(match[1], 16) if match else 0
    lacking = [f"{name} ({why})" for bit, (name, why) in CAPABILITIES.items() if not held >> bit & 1]
    spaces = _user_namespaces()
    if not lacking:
        yield Finding("ok", "rights", f"uid {os.geteuid()} with all capabilities that are used")
    else:
        remedy = "run it with sudo" + ("" if spaces else ", or allow user namespaces (below)")
        yield Finding("note", "rights", f"uid {os.geteuid()} without {', '.join(lacking)}", remedy)
    if spaces:
        yield Finding("ok", "user namespaces", "allowed")
    else:
        yield Finding(
            "note", "user namespaces", "not allowed: without root only captures, and VNFCs confined less",
            _namespace_remedy(),
        )  # fmt: skip


def _user_namespaces() -> bool:
    if _text("/proc/sys/kernel/unprivileged_userns_clone") == "0" and os.geteuid() != 0:
        return False
    if _text("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" and os.geteuid() != 0:
        return False
    return _text("/proc/sys/user/max_user_namespaces") not in (None, "0")


def _namespace_remedy() -> str:
    for key in ("kernel.unprivileged_userns_clone=1", "kernel.apparmor_restrict_unprivileged_userns=0"):
        name, value = key.split("=")
        if _text(f"/proc/sys/{name.replace('.', '/')}") not in (None, value):
            return f"sysctl -w {key}"
    return "sysctl -w user.max_user_namespaces=10000"


def _software() -> Iterator[Finding]:
    for program, (package, why) in PROGRAMS.items():
        # administrators' programs are out of an ordinary user's path
        path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
        if path:
            yield Finding("ok", program, path)
        else:
            level = "bad" if program in _NEEDED else "note"
            yield Finding(level, program, f"missing ({why})", f"apt install {package}")
    for library, package in LIBRARIES.items():
        found = ctypes.util.find_library(library)
        if found:
            yield Finding("ok", f"lib{library}", found)
        else:
            yield Finding("bad", f"lib{library}", "missing", f"apt install {package}")
    lacking = [module for module in MODULES if importlib.util.find_spec(module) is None]
    if lacking:
        yield Finding("bad", "Python modules", f"missing: {', '.join(lacking)}", "make setup")
    else:
        yield Finding("ok", "Python modules", ", ".join(MODULES))
    unbuilt = [name for name in PRODUCTS if not (native_build() / name).exists()]
    if not list(native_build().glob("_vnfc.*.so")):
        unbuilt.append("_vnfc")
    if unbuilt:
        yield Finding("bad", "native build", f"missing: {', '.join(unbuilt)}", "make native")
    else:
        yield Finding("ok", "native build", str(native_build()))


def _languages() -> Iterator[Finding]:
    from pps.frameworks import FRAMEWORKS, missing

    for language in sorted(FRAMEWORKS):
        if not FRAMEWORKS[language].needs:
            continue  # nothing but Coven itself
        absent = missing(language)
        if absent is None:
            yield Finding("ok", f"VNFCs in {language}", "can be run")
        else:
            yield Finding("note", f"VNFCs in {language}", str(absent.found), absent.remedy)
    absent = missing("click", "click")
    if absent is None:
        yield Finding("ok", "Click processes", "the Modular Router's click is on PATH")
    else:
        found = f"{absent.found}: Click VNFCs are compiled, `engine: click` is refused"
        yield Finding("note", "Click processes", found, absent.remedy)


def _confinement() -> Iterator[Finding]:
    from pps.confine.confinement import ConfineError, detect

    try:
        level = detect(native_build())
    except (ConfineError, OSError) as error:
        yield Finding("bad", "confinement", str(error), "the native build and bubblewrap are needed")
        return
    if level.name == "reduced":
        yield Finding(
            "note", "confinement", f"reduced ({level.why})", "run as root, or allow user namespaces"
        )
    else:
        yield Finding("ok", "confinement", level.name)


def _bpf() -> Iterator[Finding]:
    if os.geteuid() != 0 and _text("/proc/sys/kernel/unprivileged_bpf_disabled") != "0":
        yield Finding("note", "BPF", "for root only: AF_PACKET ports", "sudo for AF_XDP")
        return
    jit = _text("/proc/sys/net/core/bpf_jit_enable")
    if jit == "0":
        yield Finding("note", "BPF", "interpreted, which is slow", "sysctl -w net.core.bpf_jit_enable=1")
    else:
        yield Finding("ok", "BPF", "compiled by the kernel")
    try:
        socket.socket(44, socket.SOCK_RAW, 0).close()  # AF_XDP; Python has no name for it
    except OSError as error:
        yield Finding(
            "note", "AF_XDP", limits.words(error), "a kernel with CONFIG_XDP_SOCKETS, and root"
        )
    else:
        from vns import native

        limit, least = native.lock_limit(), FRAMES * LEAST_FRAME
        if limit is not None and limit < least:
            found = f"{native.short_of_locked_memory(limit, least)} or more: AF_PACKET ports"
            yield Finding("note", "AF_XDP", found, "ulimit -l unlimited; of a unit: LimitMEMLOCK=infinity")
        else:
            yield Finding("ok", "AF_XDP", "sockets can be made")


def _interfaces() -> Iterator[Finding]:
    from vns import af_packet, af_xdp, ethtool
    from vns.interface import objections

    usable = 0
    for _, name in socket.if_nameindex():
        if name == "lo":
            continue
        try:
            facts = f"{ethtool.driver(name)}, {ethtool.receive_queues(name)} queues, MTU {ethtool.mtu(name)}"
            ethernet = ethtool.hardware(name)[0] == ethtool.ARPHRD_ETHER
            reasons = [str(mistake.found) for mistake in objections(name, name)]
        except OSError as error:
            yield Finding("note", name, f"cannot be looked at: {limits.words(error)}")
            continue
        if not ethernet:
            yield Finding("note", name, f"{facts}: not Ethernet, cannot be a port")
        elif reasons:
            yield Finding("note", name, f"{facts}: {'; '.join(reasons)}", "as a port only with --take")
        elif (why := af_xdp.probe(name)) is None:
            usable += 1
            yield Finding("ok", name, f"{facts}: usable as a port, af_xdp")
        elif (worse := af_packet.probe(name)) is None:
            usable += 1
            yield Finding("ok", name, f"{facts}: usable as a port, af_packet ({why})")
        else:
            yield Finding("note", name, f"{facts}: {worse}")
    if not usable:
        yield Finding(
            "note",
            "ports",
            "no interface is free to be a port",
            "add a NIC without an address, or try captures: coven run PACKAGE --in x.pcap --out y.pcap",
        )


def examine() -> list[Finding]:
    """Everything that was looked at, in the order in which one would mend it."""
    findings: list[Finding] = []
    parts: tuple[Callable[[], Iterator[Finding]], ...] = (
        _system, _rights, _software, _languages, _confinement, _bpf, _interfaces,
    )  # fmt: skip
    for part in parts:
        findings += part()
    return findings

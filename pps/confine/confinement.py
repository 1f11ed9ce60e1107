"""Confinement: how a VNFC host or a compiler is started so that it can hurt nobody else.

Three levels, the best that really works here:

`full`            as root: namespaces of its own, a uid of the pool, no capabilities, seccomp
`user-namespace`  rootless: the same in a user namespace, under the one uid of whoever runs Coven
`reduced`         neither is to be had: no_new_privs, seccomp without network, limits, Landlock if the
                  kernel has it; never less than that

bubblewrap makes the namespaces and the view of files, `coven-launch` (launch.c) inside it takes the last
steps. Whatever is started sees /usr, a minimal /etc, /dev and /proc, an empty /tmp, its package and what
it is given, all read-only and at the same paths as outside, so that error messages name real files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import selectors
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from itf.limits import in_output
from pps.confine.memory_group import MIB, Controller, MemoryGroup, find_controller

LevelName = Literal["full", "user-namespace", "reduced"]
Kind = Literal["host", "build"]
Bind = Path | tuple[Path, Path]  #: a path, the same inside; or (outside, inside)

LAUNCHER = Path("/run/coven-launch")  #: inside bubblewrap
NOBODY = 65534
LAUNCH_FAILED = 125  #: exit status of coven-launch when a step failed

#: Limits by coven-launch's names: open files, processes, core file bytes.
LIMITS: dict[Kind, dict[str, int]] = {
    "host": {"nofile": 1024, "nproc": 64, "core": 0},
    "build": {"nofile": 1024, "nproc": 256, "core": 0, "fsize": 256 * MIB},
}
UNLIMITED = 1 << 62  #: as far as whoever runs Coven may
TMP_MB: dict[Kind, int] = {"host": 64, "build": 256}
SHM_MB = 8  #: /dev/shm of a host without a memory group, which would count it
UNMETERED_FILES = 128  #: open files of such a host: the buffers of its sockets count nowhere
ENDLESS = ("zero", "full", "random", "urandom")  #: devices that a compiler told to read one would read for ever

SYSTEM_FOLDERS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
ETC = ("ld.so.cache", "alternatives", "localtime", "protocols", "services", "ethertypes", "mime.types")
DEVICES = ("null", "zero", "full", "random", "urandom")


class ConfineError(Exception):
    """Something cannot be confined. `remedy` says what to do."""

    def __init__(self, found: str, remedy: str):
        super().__init__(f"{found}; {remedy}")
        self.found = found
        self.remedy = remedy


@dataclass(frozen=True)
class Level:
    """A level of confinement and why it is not a better one (empty for the best)."""

    name: LevelName
    why: str = ""
    landlock: int = 0  #: Landlock's ABI version in this kernel, 0 without; used at `reduced`


@dataclass
class Prepared:
    """A command ready to be started. Close it after the start: it holds descriptors for the child."""

    argv: list[str]
    pass_fds: tuple[int, ...]
    env: dict[str, str]
    memory_limit_kind: str  #: cgroup-v1, cgroup-v2 or rlimit
    new_session: bool  #: False leaves it the terminal
    group: MemoryGroup | None = None  #: the caller removes it after the process's end
    _own: list[int] = field(default_factory=list)

    def popen(self, stdin: int | None = None, stdout: int | None = None, stderr: int | None = None,
              ) -> subprocess.Popen[bytes]:
        """Start it and close what was only kept for the start. It dies with the thread that calls this."""
        try:
            return subprocess.Popen(self.argv, pass_fds=self.pass_fds, env=self.env, stdin=stdin,
                                    stdout=stdout, stderr=stderr, start_new_session=self.new_session)
        finally:
            self.close()

    def close(self) -> None:
        for fd in self._own:
            os.close(fd)
        self._own.clear()


@dataclass(frozen=True)
class Built:
    """How a compiler ended. `ended` names why we ended it ourselves, empty if we did not."""

    returncode: int
    output: str
    ended: str = ""


def landlock_abi() -> int:
    """Version of Landlock in the running kernel, 0 if there is none."""
    create_ruleset = 444  # the same number on every architecture
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(create_ruleset, None, ctypes.c_size_t(0), ctypes.c_uint32(1))))


def detect(build: Path) -> Level:
    """The best level that works here, found by starting a program at each. `build` holds native products.

    Raises ConfineError when not even `reduced` works.
    """
    landlock = landlock_abi()
    reasons: list[str] = []
    if not (build / "coven-launch").exists():
        raise ConfineError(f"{build / 'coven-launch'} is missing", "run `make native`")
    names: list[LevelName] = ["user-namespace", "reduced"]
    if os.geteuid() == 0:
        names.insert(0, "full")
    else:
        reasons.append("full needs root")
    for name in names:
        if name != "reduced" and shutil.which("bwrap") is None:
            reasons.append(f"{name}: bubblewrap is not installed (apt install bubblewrap)")
            continue
        if name == "reduced" and landlock == 0:
            reasons.append("without Landlock in the kernel, files that the user may read stay readable")
        level = Level(name, "; ".join(reasons), landlock)
        failure = _try(level, build)
        if failure is None:
            return level
        if (limit := in_output(failure)) is not None:  # it says nothing about confinement
            raise ConfineError(f"{failure}: {limit[0]}", limit[1])
        reasons.append(f"{name}: {failure}")
    raise ConfineError("; ".join(reasons), "see `coven doctor`")


def _try(level: Level, build: Path) -> str | None:
    confinement = Confinement(level, build, controller=None)
    uid = NOBODY if level.name == "full" else None
    with tempfile.TemporaryDirectory(prefix="coven-trial.") as name:
        os.chmod(name, 0o755)
        prepared = confinement.command(["/usr/bin/true"], package=Path(name), uid=uid)
        with prepared.popen(subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT) as process:
            try:
                output, _ = process.communicate(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                return "a trial did not end within 10 s"
    if process.returncode == 0:
        return None
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"a trial ended with status {process.returncode}"


class Confinement:
    """Starts things at one level. `build` is the folder of native products; give `controller` None to do
    without memory groups."""

    def __init__(self, level: Level, build: Path, controller: Controller | Literal["find"] | None = "find"):
        self.level = level
        self.build = build
        self.controller = find_controller() if controller == "find" else controller

    @property
    def memory_limit_kind(self) -> str:
        return self.controller.kind if self.controller else "rlimit"

    def command(self, argv: Sequence[str], *, package: Path, binds_ro: Sequence[Bind] = (),
                binds_rw: Sequence[Bind] = (), uid: int | None = None, fds: Sequence[int] = (),
                memory_mb: int = 256, env: Mapping[str, str] | None = None, group: str | None = None,
                debug: bool = False, tcp: bool = False, kind: Kind = "host") -> Prepared:
        """Prepare `argv` to run with `package` as its current folder, read-only.

        uid: of the pool, with `full`; otherwise None. fds: inherited under their own numbers. memory_mb: MiB.
        group: name of its memory group, kept over restarts. debug: keep the terminal, allow ptrace and core
        files. tcp: it is spoken with over TCP on its loopback.
        Raises ConfineError for what the level cannot do or the uid could not read, OSError for the
        memory group.
        """
        if (uid is not None) != (self.level.name == "full"):
            raise ConfineError(f"uid {uid} at level {self.level.name}", "a uid goes with level full only")
        readable = [package, *(_outside(bind) for bind in binds_ro)]
        if uid is not None:
            _check_readable(readable)
        limits = dict(LIMITS[kind])
        if self.level.name != "full":
            del limits["nproc"]  # it would count all processes of the user
        if debug:
            limits["core"] = UNLIMITED
        memory = MemoryGroup(self.controller, group, memory_mb) if self.controller and group else None
        if memory is None:
            if not os.environ.get("COVEN_SANITIZE"):  # a sanitizer reserves more than there is
                limits["data"] = memory_mb * MIB
            if kind == "host":
                limits["nofile"] = UNMETERED_FILES
        limited_by = memory.controller.kind if memory else "rlimit"
        prepared = Prepared([], (), _environment(env, debug), limited_by, not debug, memory)
        launch = [f"--limit={name}={value}" for name, value in limits.items()]
        try:
            seccomp = os.open(self._filter(kind, debug, tcp, memory is not None), os.O_RDONLY | os.O_CLOEXEC)
            prepared._own.append(seccomp)
            launch.append(f"--seccomp-fd={seccomp}")
            if memory is not None:
                prepared._own.append(memory.entry_fd())
                launch.append(f"--cgroup-fd={prepared._own[-1]}")
            if uid is not None:
                launch.append(f"--uid={uid}")
            if self.level.name == "reduced":
                prepared.argv = self._reduced(launch, package, binds_ro, binds_rw, prepared.env, kind)
            else:
                prepared.argv = self._bubblewrap(prepared, launch, package, binds_ro, binds_rw, uid, kind)
        except BaseException:
            prepared.close()
            raise
        prepared.argv += ["--", *argv]
        prepared.pass_fds = (*fds, *prepared._own)
        return prepared

    def run_build(self, argv: Sequence[str], *, package: Path, out: Path, binds_ro: Sequence[Bind] = (),
                  uid: int | None = None, memory_mb: int = 1024, env: Mapping[str, str] | None = None,
                  timeout: float = 60, output_limit: int = 16 * MIB) -> Built:
        """Run a compiler that may write to the folder `out` only; it is made if it is not there.

        Afterwards what it made belongs to us, read-only for others; what is neither file nor folder is gone.
        timeout: seconds. output_limit: bytes kept of stdout and stderr together; a compiler that writes more
        is ended. Raises ConfineError and OSError as `command` does.
        """
        out.mkdir(parents=True, exist_ok=True)
        if uid is not None:
            os.chown(out, uid, uid)
        group = f"build.{os.getpid()}.{out.name}" if self.controller else None
        prepared = self.command(argv, package=package, binds_ro=binds_ro, binds_rw=[out], uid=uid,
                                memory_mb=memory_mb, env=env, group=group, kind="build")
        try:
            process = prepared.popen(subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT)
            return _collect(process, timeout, output_limit, prepared.group)
        finally:
            if prepared.group is not None:
                prepared.group.remove()
            _reclaim(out)

    def _filter(self, kind: Kind, debug: bool, tcp: bool, metered: bool) -> Path:
        name: str = kind
        if kind == "host":
            name = "debug" if debug else "host" if metered else "unmetered-tcp" if tcp else "unmetered"
        return self.build / f"seccomp-{'reduced' if self.level.name == 'reduced' else name}.bpf"

    def _bubblewrap(self, prepared: Prepared, launch: list[str], package: Path, binds_ro: Sequence[Bind],
                    binds_rw: Sequence[Bind], uid: int | None, kind: Kind) -> list[str]:
        argv = ["bwrap", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts",
                "--unshare-cgroup-try", "--die-with-parent"]
        if self.level.name == "user-namespace":
            argv.append("--unshare-user")
        if prepared.new_session:
            argv.append("--new-session")
        argv += ["--cap-drop", "ALL"]
        if uid is not None:  # what coven-launch needs to become that uid; it keeps none of them
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"):
                argv += ["--cap-add", capability]
        for name in SYSTEM_FOLDERS:
            path = Path("/") / name
            if path.is_symlink():
                argv += ["--symlink", os.readlink(path), str(path)]
            elif path.is_dir():
                argv += ["--ro-bind", str(path), str(path)]
        for folder in ("/etc", "/run"):
            argv += ["--perms", "0755", "--dir", folder]
        for name in ETC:
            argv += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
        owner = os.geteuid() if uid is None else uid
        for file, line in (("passwd", f"vnfc:x:{owner}:{owner}::/tmp:/usr/sbin/nologin\n"),
                           ("group", f"vnfc:x:{owner}:\n"),
                           ("hosts", "127.0.0.1 localhost\n::1 localhost\n")):
            prepared._own.append(_memory_file(line))
            argv += ["--perms", "0444", "--file", str(prepared._own[-1]), f"/etc/{file}"]
        argv += ["--proc", "/proc", "--dev", "/dev"]
        if kind == "build":
            for name in ENDLESS:
                argv += ["--dev-bind", "/dev/null", f"/dev/{name}"]
        else:
            size = SHM_MB if prepared.group is None else TMP_MB[kind]
            argv += ["--perms", "1777", "--size", str(size * MIB), "--tmpfs", "/dev/shm"]
        argv += ["--remount-ro", "/dev",
                 "--perms", "1777", "--size", str(TMP_MB[kind] * MIB), "--tmpfs", "/tmp",
                 "--ro-bind", str(self.build / "coven-launch"), str(LAUNCHER)]
        mounts = [("--ro-bind", bind) for bind in (package, *binds_ro)]
        mounts += [("--bind", bind) for bind in binds_rw]
        for option, bind in mounts:
            for parent in reversed(_inside(bind).parents[:-1]):  # bubblewrap would make them 0700
                argv += ["--perms", "0755", "--dir", str(parent)]
            argv += [option, str(_outside(bind)), str(_inside(bind))]
        return [*argv, "--remount-ro", "/", "--chdir", str(package), "--", str(LAUNCHER), *launch]

    def _reduced(self, launch: list[str], package: Path, binds_ro: Sequence[Bind], binds_rw: Sequence[Bind],
                 env: dict[str, str], kind: Kind) -> list[str]:
        for bind in (*binds_ro, *binds_rw):
            if _outside(bind) != _inside(bind):
                raise ConfineError(f"{_outside(bind)} as {_inside(bind)} at level reduced",
                                   "without a mount namespace files stay at their own paths")
        read = [Path("/") / name for name in SYSTEM_FOLDERS] + [Path("/etc") / name for name in ETC]
        read += [Path("/dev") / name for name in DEVICES] + [package, *(_outside(bind) for bind in binds_ro)]
        write = [Path("/dev/null"), *(_outside(bind) for bind in binds_rw)]
        if kind == "build" and binds_rw:  # there is no /tmp of its own
            env["TMPDIR"] = env["HOME"] = str(_outside(binds_rw[0]))
        return [str(self.build / "coven-launch"), f"--parent={os.getpid()}", f"--chdir={package}", *launch,
                *(f"--read={path}" for path in read), *(f"--write={path}" for path in write)]


def inner_pid(process: subprocess.Popen[bytes]) -> int:
    """Pid of the program itself, as seen from here: bubblewrap and its pid 1 stand between. Its own once
    the program has said something (hello); the outermost one that there is before."""
    pid = process.pid
    for _ in range(2):
        try:
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            break
        if not children or Path(f"/proc/{pid}/comm").read_text().strip() != "bwrap":
            break
        pid = int(children[0])
    return pid


def _outside(bind: Bind) -> Path:
    return bind if isinstance(bind, Path) else bind[0]


def _inside(bind: Bind) -> Path:
    return bind if isinstance(bind, Path) else bind[1]


def _environment(extra: Mapping[str, str] | None, debug: bool) -> dict[str, str]:
    env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8",
           "PYTHONDONTWRITEBYTECODE": "1",
           # A thread pool per VNFC would fight the forwarder for its core and eat into the memory limit.
           "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if debug and "TERM" in os.environ:
        env["TERM"] = os.environ["TERM"]
    return {**env, **(extra or {})}


def _memory_file(content: str) -> int:
    fd = os.memfd_create("coven:etc", os.MFD_CLOEXEC)
    os.write(fd, content.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _walk(path: Path) -> Iterator[Path]:
    yield path
    if path.is_dir() and not path.is_symlink():
        for folder, folders, files in os.walk(path):
            yield from (Path(folder) / name for name in (*folders, *files))


def unreadable(path: Path) -> list[Path]:
    """Files and folders under `path` (with itself) that another uid could not read."""
    found = []
    for each in _walk(path):
        with contextlib.suppress(OSError):
            mode = each.stat().st_mode
            need = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(mode) else 0)
            if mode & need != need:
                found.append(each)
    return found


def _check_readable(paths: Sequence[Path]) -> None:
    package, *others = paths
    found = unreadable(package)
    for path in others:  # only themselves: they may be large, and are the platform's own
        with contextlib.suppress(OSError):
            if not path.stat().st_mode & stat.S_IROTH:
                found.append(path)
    if found:
        names = ", ".join(map(str, found[:5])) + (" ..." if len(found) > 5 else "")
        raise ConfineError(f"not readable by the uid that VNFCs run as: {names}", f"chmod -R o+rX {package}")


def _collect(process: subprocess.Popen[bytes], timeout: float, limit: int,
             group: MemoryGroup | None) -> Built:
    """Read a compiler's output to its end, or end it."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout
    kept = bytearray()
    ended = ""
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                ended = f"it did not end within {timeout:g} s"
                break
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            kept += chunk
            if len(kept) > limit:
                ended = f"it wrote more than {limit} bytes of messages"
                break
        if ended:
            os.killpg(process.pid, signal.SIGKILL)  # the group, for `reduced`; a pid namespace goes whole
    if not ended and process.returncode and group is not None and group.oom_kills():
        ended = "it needed more memory than it may have"
    return Built(process.returncode, kept[:limit].decode("utf-8", "replace"), ended)


def _reclaim(out: Path) -> None:
    """Take over what a compiler made: it ran as somebody else and may have left anything."""
    os.chown(out, os.geteuid(), os.getegid())
    os.chmod(out, 0o755)
    for folder, folders, files in os.walk(out):
        for name in [*folders, *files]:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
                os.chmod(path, 0o755 if stat.S_ISDIR(mode) or mode & stat.S_IXUSR else 0o644)
            else:
                path.unlink()

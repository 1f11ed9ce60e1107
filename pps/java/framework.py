"""VNFCs in Java: how their sources are compiled, and how their host is started."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from pps.mistakes import BuildError, mistake, no_libs, read_lines, read_warnings

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
#: quick to start, small, and nothing in /tmp that other programs could read (hsperfdata)
MACHINE_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
    "-Xshare:auto",
    "-Xss1m",
    "-Xrs",
    "-Djava.net.preferIPv4Stack=true",
)
COMPILER_HEAP = "-Xmx512m"
PACKAGE = "default-jdk-headless"


def build_folder() -> Path:
    """Where native products lie: COVEN_BUILD, or build/ of the project."""
    return Path(os.environ.get("COVEN_BUILD", ROOT / "build")).absolute()


def jdk() -> Path | None:
    """The JDK's own folder, behind all links of PATH and alternatives; None without javac."""
    home = os.environ.get("JAVA_HOME")
    compiler = shutil.which("javac", path=f"{home}/bin") if home else None
    compiler = compiler or shutil.which("javac")
    return Path(compiler).resolve().parents[1] if compiler else None


def missing() -> tuple[str, str, str] | None:
    """(found, expected, remedy) if Java VNFCs cannot be had here; None if they can."""
    if jdk() is None:
        return "no javac", "a JDK of version 17 or later", f"apt install {PACKAGE}, then `make native`"
    absent = [name for name in ("libcoven-java.so", "coven-java.jar") if not (build_folder() / name).exists()]
    if absent:
        return f"{', '.join(absent)} is not built", "the native build with a JDK", "make native"
    return None


class JavaFramework:
    """The framework for Java. The artifact of a build is a jar of the component's classes."""

    name = "java"
    suffixes = (".java",)
    missing = staticmethod(missing)

    def artifact_name(self, vnfc: str) -> str:
        return f"{vnfc}.jar"

    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The host's command, to which `--fds POOL,HOP,BELL,CONTROL` is appended. Raises BuildError."""
        build = build_folder()
        command = [str(_jdk() / "bin" / "java"), *MACHINE_OPTIONS, "-cp", str(build / "coven-java.jar")]
        command += ["coven.Host", "--library", str(build / "libcoven-java.so")]
        return [*command, "--artifact", str(artifact), "--name", name]

    def limit_heap(self, command: list[str], memory_mb: int) -> list[str]:
        """The host's command with a heap that leaves a third of `memory_mb` (MiB) to the machine itself."""
        return [command[0], f"-Xmx{max(8, memory_mb * 2 // 3)}m", *command[1:]]

    def visible(self) -> list[Path]:
        """What compiler and host must be able to read, beside the package and the system."""
        found = [build_folder()]
        home = jdk()
        if home is None:
            return found
        if not home.is_relative_to("/usr"):
            found.append(home)
        # Debian keeps the machine's settings in /etc and links to them
        linked = {path.resolve().parent for path in home.glob("lib/*.cfg")}
        linked |= {path.resolve().parent for path in home.glob("conf/*.properties")}
        return found + sorted(path for path in linked if path.is_relative_to("/etc"))

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that compiles `sources` (the first names the component) into the jar `output`.

        It is to be run inside the confinement. `include` is the package's root. Raises BuildError.
        """
        no_libs(libs, "Java components bring jars in the package's vendor/ folder")
        compiler = [str(_jdk() / "bin" / "java"), COMPILER_HEAP, "-XX:TieredStopAtLevel=1", *MACHINE_OPTIONS]
        compiler += ["-cp", str(build_folder() / "coven-java.jar"), "coven.Build"]
        return [*compiler, str(include), str(output), *map(str, sources)]

    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """The errors in what the compiler wrote; files are relative to the package's root already."""
        return read_lines(stderr, "a source that compiles")

    def parse_warnings(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """What javac warned of."""
        return read_warnings(stderr)


def _jdk() -> Path:
    absent = missing()
    if absent is not None:
        raise BuildError([mistake("language", *absent)])
    home = jdk()
    assert home is not None
    return home

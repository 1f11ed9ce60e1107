"""packet_driver.c, built with sanitizers and asked line by line."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scapy.packet import Packet

ROOT = Path(__file__).resolve().parents[2]


class Driver:
    """The C driver, asked line by line."""

    def __init__(self, program: Path):
        self.process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __call__(self, op: str, packet: Packet | bytes, number: int = 0, link: int = 0) -> dict[str, Any]:
        raw = bytes(packet)
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.write(f"{op} {link} {number} {raw.hex() or '-'}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"{op} {raw.hex()}\n{self.process.stderr.read()}"
        found: dict[str, Any] = json.loads(answer)
        return {**found, "data": bytes.fromhex(found["data"])}


@contextlib.contextmanager
def built(folder: Path) -> Iterator[Driver]:
    """The driver, built in `folder`, as long as the block lasts."""
    program = folder / "driver"
    flags = ["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    source = str(ROOT / "tests" / "rigs" / "packet_driver.c")
    subprocess.run(["gcc", *flags, *checks, "-o", str(program), source], check=True)
    driver = Driver(program)
    yield driver
    driver.process.communicate(timeout=60)


# the Internet checksum, apart from the one that is tested (RFC 1071)


def fold(total: int) -> int:
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def words(raw: bytes) -> int:
    raw += bytes(len(raw) % 2)
    return sum(int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2))

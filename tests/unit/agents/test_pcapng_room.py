"""What coven-capture writes never goes past its buffer."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_a_block_without_room_is_left_out(tmp_path: Path) -> None:
    program = tmp_path / "pcapng"
    sources = [str(ROOT / "tests" / "rigs" / "pcapng_driver.c"), str(ROOT / "agents" / "capture" / "pcapng.c")]
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", f"-I{ROOT}"]
    subprocess.run(["cc", *flags, *sources, "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1 1\n"), done.stderr

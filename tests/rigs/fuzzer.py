"""libFuzzer over a program of tests/fuzz, with ASan and UBSan."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SANITIZE = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]


def survives(
    folder: Path, sources: Sequence[str], seeds: Mapping[str, bytes], runs: int, largest: int, libs: Sequence[str] = ()
) -> None:
    """Build it of `sources`, and try so many inputs of at most `largest` bytes, beginning with the seeds."""
    program, corpus = folder / "fuzz", folder / "corpus"
    command = ["clang", "-g", "-O1", "-std=gnu11", *SANITIZE, "-I.", *sources, "-o", program, *libs]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "fuzzer" in built.stderr and "cannot find" in built.stderr:
        pytest.skip("this clang has no libFuzzer (apt: libclang-rt-dev)")
    assert built.returncode == 0, built.stderr
    corpus.mkdir()
    for name, data in seeds.items():
        (corpus / name).write_bytes(data)
    command = [program, f"-runs={runs}", f"-max_len={largest}", "-rss_limit_mb=1024", "-seed=1", corpus]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]

"""Any bytes as a tunnel's packet: libFuzzer over the walk inward and the cutting of super-frames, with ASan and UBSan,
from one packet of each tunnel."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.itf.test_inward import INNER, TUNNELS, partial

ROOT = Path(__file__).resolve().parents[2]
RUNS, LONG_RUNS = 100_000, 5_000_000
SANITIZE = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]


def test_the_walk_inward_survives_any_packet(tmp_path: Path, long_run: bool) -> None:
    program, corpus = tmp_path / "fuzz_inward", tmp_path / "corpus"
    flags = ["-g", "-O1", "-std=gnu11", *SANITIZE, "-I.", "tests/fuzz/fuzz_inward.c", "vns/segment_offload.c"]
    built = subprocess.run(["clang", *flags, "-o", program], cwd=ROOT, capture_output=True, text=True)
    if "fuzzer" in built.stderr and "cannot find" in built.stderr:
        pytest.skip("this clang has no libFuzzer (apt: libclang-rt-dev)")
    assert built.returncode == 0, built.stderr
    corpus.mkdir()
    for tunnel, wrap in TUNNELS.items():
        for kind, (name, inner) in enumerate(INNER.items()):
            frame = partial(bytes(wrap(inner)), inner)
            choice = bytes((0, kind, 0, 10, len(frame) - len(bytes(inner.payload)), 6))
            (corpus / f"{tunnel}-{name}".replace(" ", "-").replace("'", "")).write_bytes(choice + frame)
    runs = LONG_RUNS if long_run else RUNS
    command = [program, f"-runs={runs}", "-max_len=512", "-rss_limit_mb=1024", "-seed=1", corpus]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]

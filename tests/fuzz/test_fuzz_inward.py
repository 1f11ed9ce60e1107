"""Any bytes as a tunnel's packet: libFuzzer over the walk inward and the cutting of super-frames, with ASan and UBSan,
from one packet of each tunnel."""

from __future__ import annotations

from pathlib import Path

from tests.rigs.fuzzer import survives
from tests.unit.itf.test_inward import INNER, TUNNELS, partial

RUNS, LONG_RUNS = 100_000, 5_000_000


def seeds() -> dict[str, bytes]:
    made = {}
    for tunnel, wrap in TUNNELS.items():
        for kind, (name, inner) in enumerate(INNER.items()):
            frame = partial(bytes(wrap(inner)), inner)
            choice = bytes((0, kind, 0, 10, len(frame) - len(bytes(inner.payload)), 6))
            made[f"{tunnel}-{name}".replace(" ", "-").replace("'", "")] = choice + frame
    return made


def test_the_walk_inward_survives_any_packet(tmp_path: Path, long_run: bool) -> None:
    sources = ["tests/fuzz/fuzz_inward.c", "vns/segment_offload.c"]
    survives(tmp_path, sources, seeds(), LONG_RUNS if long_run else RUNS, largest=512)

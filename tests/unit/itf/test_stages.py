"""The list of stages that a forwarder is linked from: each describes itself, and no two may claim one id."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from itf.segment import C
from tests.rigs import forwarder
from tests.rigs.forwarder import Rig

ROOT = Path(__file__).resolve().parents[3]
NO_BACKEND = r"af_xdp|af_packet|pcap|nsh_?stage|PORT_(AF|PCAP)|STAGE_NSH|PLACE_NSH"


FLAGS = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-I", str(ROOT)]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All of a forwarder but its list of stages and its ports."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [*sorted((ROOT / "itf").glob("*.c")), *sorted((ROOT / "nshp").glob("*.c"))]
    subprocess.run(["gcc", *FLAGS, "-c", *sources], cwd=folder, check=True)
    return [folder / f"{source.stem}.o" for source in sources]


def linked(folder: Path, stages: str, objects: list[Path]) -> Path:
    """A forwarder without ports of its own."""
    main = folder / "stages.c"
    main.write_text(f'''#include "itf/forwarder.h"
#include "nshp/nshp.h"
#include <stdio.h>
static int never(struct stage *s, const int *fds, unsigned count, char *why, size_t why_size)
{{
	(void)s, (void)fds, (void)count;
	snprintf(why, why_size, "not today");
	return -1;
}}
static const struct stage_ops failing = {{ .name = "failing", .id = STAGE_FLOW, .place = PLACE_FLOW, .open = never }};
int main(int argc, char **argv)
{{
	static const struct stage_ops *const all[] = {{ {stages} NULL }};
	(void)failing;
	return forwarder_main(argc, argv, all);
}}
''')
    program = folder / "forwarder"
    subprocess.run(["gcc", *FLAGS, "-o", program, main, *objects, "-lpcap"], check=True)
    return program


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ("&nsh_stage, &nsh_stage,", "stage nsh: its id is no free one"),
        ("&classifier_stage,", "stage classifier: its id is no free one"),
        ("&nsh_stage, &failing,", "stage failing: not today"),
    ],
)
def test_a_wrong_list_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: list[Path], stages: str, said: str
) -> None:
    monkeypatch.setattr(forwarder, "FORWARDER", linked(tmp_path, stages, objects))
    rig = Rig()
    assert rig.process.wait(timeout=60) == 1
    assert said in rig.close(1)


def test_a_backend_that_is_not_linked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, objects: list[Path]
) -> None:
    monkeypatch.setattr(forwarder, "FORWARDER", linked(tmp_path, "&nsh_stage,", objects))
    rig = Rig()
    try:
        with pytest.raises(AssertionError, match="no such backend"):
            rig.wire(Path("/dev/null"), None)
    finally:
        rig.close()


def test_the_forwarder_names_no_backend() -> None:
    """A new stage is one file, and one line in coven/stages.c."""
    for name in ("stage.h", "forwarder.h", "forwarder.c", "control.c", "frames.h", "hop.c", "swap.c"):
        assert not re.findall(NO_BACKEND, (ROOT / "itf" / name).read_text()), name
    assert C.STAGE_SINGLE == C.STAGE_CLASSIFIER

"""Any bytes where a CSAR has its archive, TOSCA.meta, manifest, VNFD or CMS: read or refused, nothing is left.

Executions: 200 of each by default, 5 000 under --long (the signature, which asks openssl, a tenth of that).
"""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coven.base.signatures import Policy
from coven.package.archive import pack_csar, take_in
from coven.package.csar.manifest import BEGIN
from coven.package.csar.pack import Options
from itf.mistakes import MOST, Refused
from tests.rigs.csar_rig import Authority, author, members, relisted, zipped

RUNS, LONG_RUNS = 200, 5_000
#: what is put somewhere into a text, besides any text
WORDS = st.sampled_from(
    ["Source: ", "Hash: ", "Algorithm: SHA-256", "metadata:", "non_mano_artifact_sets:", "  a:", "\r\n", "\n\n", "\0",
     "-----BEGIN CMS-----", "-----END CMS-----", "../", "file:///etc/passwd", "http://x", "ETSI-Entry-Certificate: x",
     "imports: [../../x]", "&a [*a]", "\ufeff", "a: !!python/object:os.system {}", "vnfd_id:"]
)  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 40), st.one_of(st.text(max_size=20), WORDS)), min_size=1, max_size=6
)


class Bench:
    def __init__(self, folder: Path):
        self.authority = Authority(folder / "authority")
        self.package = author(folder / "package")
        self.files = members(pack_csar(self.package))
        self.signed = pack_csar(self.package, Options(signer=self.authority.signer()))

    def take(self, data: bytes, strict: bool = False) -> None:
        """Whatever it is: read or refused, and in the end there is nothing but what was read."""
        with tempfile.TemporaryDirectory() as parent:
            into = Path(parent, "into")
            into.mkdir()
            with contextlib.suppress(Refused):
                try:
                    taken = take_in(io.BytesIO(data), into, "x.csar",
                                    Policy(strict=strict, anchors=(str(self.authority.certificate),)))  # fmt: skip
                except Refused as refused:
                    assert refused.mistakes and len(refused.mistakes) <= MOST + 1 and str(refused)
                    assert not any(into.iterdir())
                    raise
                assert list(into.iterdir()) == [taken.folder]
                assert all(path.resolve().is_relative_to(taken.folder.resolve()) for path in taken.folder.rglob("*"))
                shutil.rmtree(taken.folder)
            assert [path.name for path in Path(parent).iterdir()] == ["into"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("fuzz"))


def runs(long: bool, share: float = 1.0) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=int((LONG_RUNS if long else RUNS) * share), deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def edited(text: bytes, edits: list[tuple[int, int, str]]) -> bytes:
    for at, length, new in edits:
        at %= len(text) + 1
        text = text[:at] + new.encode("utf-8", "surrogatepass") + text[at + length :]
    return text


@pytest.mark.parametrize("part", ["TOSCA-Metadata/TOSCA.meta", "fw.mf", "Definitions/fw.yaml"])
def test_texts(part: str, bench: Bench, long_run: bool) -> None:
    @runs(long_run)
    @given(edits=EDITS, strict=st.booleans())
    def survives(edits: list[tuple[int, int, str]], strict: bool) -> None:
        files = {**bench.files, part: edited(bench.files[part], edits)}
        bench.take(zipped(files if part == "fw.mf" else relisted(files)), strict)

    survives()


def test_archives(bench: Bench, long_run: bool) -> None:
    whole = zipped(bench.files)

    @runs(long_run)
    @given(flips=st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=8),
           end=st.integers(0, len(whole)))  # fmt: skip
    def survives(flips: list[tuple[int, int]], end: int) -> None:
        data = bytearray(whole)
        for at, value in flips:
            data[at] = value
        bench.take(bytes(data if end % 2 else data[:end]))

    survives()


def test_directories(bench: Bench, long_run: bool) -> None:
    """Where an archive says what is in it."""
    whole = zipped(bench.files)
    start = whole.index(b"PK\1\2")

    @runs(long_run)
    @given(flips=st.lists(st.tuples(st.integers(start, len(whole) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def survives(flips: list[tuple[int, int]]) -> None:
        data = bytearray(whole)
        for at, value in flips:
            data[at] = value
        bench.take(bytes(data))

    survives()


def test_signatures(bench: Bench, long_run: bool) -> None:
    """A signature that was changed anywhere is worth nothing, or what it was."""
    files = members(bench.signed)
    text, _, cms = files["fw.mf"].partition(BEGIN)

    @runs(long_run, 0.1)
    @given(edits=EDITS)
    def survives(edits: list[tuple[int, int, str]]) -> None:
        bench.take(zipped({**files, "fw.mf": text + BEGIN + edited(cms, edits)}))

    survives()

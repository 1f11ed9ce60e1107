"""What a strict VNFM would refuse of a package, told to its author before it meets one."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from coven.base.signatures import OFF, Policy
from coven.package.archive import is_zip, pack_csar, take_in
from coven.package.csar.pack import lacking
from coven.package.descriptor import DESCRIPTOR, load
from itf.mistakes import Mistake, Refused


def strict_mistakes(package: Path) -> list[Mistake]:
    """Of a CSAR as it is, of anything else the CSAR that it would become. Its signature is the operator's affair."""
    with tempfile.TemporaryDirectory(prefix="coven-unpacked-") as parent:
        try:
            if is_zip(package):
                with package.open("rb") as stream:
                    taken = take_in(stream, Path(parent), str(package), Policy(OFF, strict=True))
                shown = f"{package}:{DESCRIPTOR}"
                return [] if taken.csar is not None else lacking(load(taken.folder, shown))
            if mistakes := lacking(load(package)):
                return mistakes
            take_in(io.BytesIO(pack_csar(package)), Path(parent), str(package), Policy(OFF, strict=True))
        except Refused as refused:
            return refused.mistakes
    return []

"""What a package's VNFCs are written in, and what this machine and its operator have for that."""

from __future__ import annotations

from dataclasses import replace

from coven.base.operator import serve_config
from coven.package.model import Descriptor
from itf.mistakes import Mistake
from pps.frameworks import FRAMEWORKS, missing

LANGUAGES = tuple(FRAMEWORKS)
WITH_LIBS = tuple(name for name, framework in FRAMEWORKS.items() if framework.own_libs)


def engines(language: str) -> tuple[str, ...]:
    """What a descriptor may say for `engine`."""
    return ("auto", *(FRAMEWORKS[language].engines if language in FRAMEWORKS else ()))


def unavailable(descriptor: Descriptor) -> list[Mistake]:
    """The VNFCs whose language this machine cannot run."""
    found = ((vnfc, missing(vnfc.language, vnfc.engine)) for vnfc in descriptor.vnfcs.values())
    return [
        replace(absent, file=descriptor.file, line=vnfc.line, field=f"vnfcs.{vnfc.name}.{absent.field}")
        for vnfc, absent in found
        if absent is not None
    ]


def operator_libs(descriptor: Descriptor) -> list[str] | None:
    """The libraries that this machine's operator lets VNFCs link; None for the usual ones, or if it wants none.

    Raises Refused with what is wrong in the operator's settings.
    """
    if not any(vnfc.libs for vnfc in descriptor.vnfcs.values()):
        return None
    libs = serve_config().libs
    return None if libs is None else sorted(libs)

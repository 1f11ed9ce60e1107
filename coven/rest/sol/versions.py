"""Versions of the ETSI interfaces: which is asked for, which are served (SOL013 9)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from itf.mistakes import Kind, Mistake, Refused

#: MAJOR.MINOR.PATCH, perhaps with the name of an implementation, which says nothing about what is asked
_FORM = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})\.([0-9]{1,6})(-impl:[!-~]+)?")


@dataclass(frozen=True)
class Version:
    major: int
    minor: int
    patch: int = 0

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


#: what is served, each as its specification numbers it: SOL002 4.5.1, for lcmcoord 4.3.1
SERVED = {"vnfconfig": Version(1, 12), "vnfind": Version(1, 12), "lcmcoord": Version(1, 10),
          "vnflcm": Version(2, 12), "vnffm": Version(1, 12), "vnfpm": Version(2, 12)}  # fmt: skip


def negotiated(interface: str, asked: str | None, strict: bool = False) -> Version:
    """The version that answers the header `Version`: of our major, any minor up to ours.

    Raises Refused with 406 for one that is not served, with 400 for none where `strict`."""
    ours = SERVED[interface]
    expected = f"{ours.major}.0.0 to {ours}"
    if asked is None and strict:
        mistake = Mistake(field="Version", found="nothing", expected=expected, remedy="the agent is strict about it")
        raise Refused(mistake, title="which version?", kind=Kind.UNREADABLE)
    if asked is None:
        return ours
    if (form := _FORM.fullmatch(asked.strip())) is not None:
        version = Version(*map(int, form.groups()[:3]))
        if version.major == ours.major and version.minor <= ours.minor:
            return version
    raise Refused(
        Mistake(field="Version", found=asked[:60], expected=expected, remedy=f"see /{interface}/api_versions"),
        title="version not served", kind=Kind.NOT_ACCEPTABLE,
    )  # fmt: skip


def information(interface: str, root: str) -> dict[str, object]:
    """ApiVersionInformation: every minor that is served. `root`: the apiRoot, without a slash at its end."""
    ours = SERVED[interface]
    minors = [Version(ours.major, minor) for minor in range(ours.minor)]
    return {
        "uriPrefix": f"{root}/{interface}/v{ours.major}",
        "apiVersions": [{"version": str(version), "isDeprecated": False} for version in [*minors, ours]],
    }

"""Where the parts of an appliance are."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from coven.base.places import SYSTEM_RUN, SYSTEM_STATE, Places
from itf.mistakes import Mistake, Refused

RELEASE = Path("/usr/lib/coven-image/release")
SBOM = Path("/usr/share/coven/sbom.cdx.json")


@dataclass(frozen=True)
class Machine:
    places: Places = field(default_factory=lambda: Places(SYSTEM_STATE, SYSTEM_RUN))
    cloud: Path = Path("/var/lib/cloud/instance")  #: what cloud-init knows of this instance
    run: Path = Path("/run/coven-image")
    issue: Path = Path("/etc/issue.d/coven.issue")  #: what getty(8) prints above its prompt

    @property
    def tls(self) -> Path:
        return self.places.state / "tls"

    @property
    def deployed(self) -> Path:
        """Is there once the package of the user-data was deployed."""
        return self.places.state / "deployed"


def release(file: Path = RELEASE) -> dict[str, str]:
    """VERSION, FLAVOUR, COMMIT and EPOCH (seconds since 1970) of the image. Raises Refused on another machine."""
    try:
        return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)
    except OSError:
        raise Refused(
            Mistake(file=str(file), found="no such file", expected="an appliance, made by `make image`",
                    remedy="on other machines `coven doctor` says what there is"),
            title="no appliance",
        ) from None  # fmt: skip

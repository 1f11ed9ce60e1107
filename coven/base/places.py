"""Where an agent keeps things: the state folder (survives a boot) and the runtime folder (does not)."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from itf.mistakes import Mistake, Refused

SYSTEM_STATE = Path("/var/lib/coven")
SYSTEM_RUN = Path("/run/coven")


def is_loopback(host: str) -> bool:
    """Whether a name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _is_system() -> bool:
    """Whether we are the machine's root. In a user namespace uid 0 can be any user, whom the system's folders then
    do not belong to."""
    return os.geteuid() == 0 and SYSTEM_STATE.parent.stat().st_uid == 0


@dataclass(frozen=True)
class Places:
    state: Path
    run: Path

    @classmethod
    def find(cls, state: str | os.PathLike[str] | None = None) -> Places:
        """This user's, or both under `state` (or $COVEN_STATE), so that several agents can run.

        Raises Refused for a user without a home folder."""
        state = state or os.environ.get("COVEN_STATE")
        if state:
            base = Path(state).absolute()
            return cls(base, base / "run")
        if _is_system():
            return cls(SYSTEM_STATE, SYSTEM_RUN)
        try:
            home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        except RuntimeError:
            found, remedy = f"no home folder of uid {os.geteuid()}", "choose one with --state DIR, or COVEN_STATE=DIR"
            mistake = Mistake(field="HOME", found=found, expected="a folder for the state", remedy=remedy)
            raise Refused(mistake, title="no place for the state") from None
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        return cls(home / "coven", Path(runtime) / "coven" if runtime else Path(f"/tmp/coven-{os.geteuid()}"))

    def make(self) -> Places:
        """Make the folders, for their owner only. Raises Refused if that cannot be."""
        for folder in (self.state, self.run):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                # /tmp/coven-UID could have been made by somebody else first
                status = folder.stat(follow_symlinks=False)
                if status.st_uid != os.geteuid():
                    raise Refused(
                        Mistake(
                            file=str(folder), found=f"a folder of uid {status.st_uid}", expected="a folder of ours",
                            remedy="choose another with --state DIR"
                        )
                    )
                if status.st_mode & 0o077:
                    folder.chmod(0o700)
            except OSError as error:
                mistake = Mistake.of(error, file=str(folder), expected="a folder that can be written",
                                     remedy="choose another with --state DIR")  # fmt: skip
                raise Refused(mistake, title="no place for the state") from None
        return self

    @property
    def database(self) -> Path:
        return self.state / "agent.db"

    @property
    def packages(self) -> Path:
        return self.state / "packages"

    @property
    def builds(self) -> Path:
        return self.state / "builds"

    @property
    def token(self) -> Path:
        return self.state / "token"

    @property
    def address(self) -> Path:
        """Written while an agent serves: its URL."""
        return self.run / "agent.json"

"""`plan.json`: what a keeper is to run. One record, written by the agent: a keeper reads no settings of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from itf import limits
from itf.mistakes import Mistake, Refused

PLAN = "plan.json"  #: in the keeper's folder
FRAMES = 8192
BACKENDS = ("auto", "af_xdp", "af_packet", "pcap", "af_xdp_generic")
LIVE_BACKENDS = tuple(name for name in BACKENDS if name != "pcap")


@dataclass(frozen=True)
class PortPlan:
    """What a port is bound to: an interface, or captures to read and to write (either may be missing)."""

    backend: str = "auto"
    interface: str | None = None
    read: str | None = None
    write: str | None = None
    take: bool = False  #: also an interface that somebody else uses

    @property
    def capture(self) -> bool:
        return self.backend == "pcap"


@dataclass
class Plan:
    name: str
    package: Path  #: the package's folder
    build: Path  #: where built artifacts go
    ports: dict[str, PortPlan]
    instance: str = ""
    descriptor: str = "vnf.yaml"
    config: dict[str, dict[str, Any]] = field(default_factory=dict)  #: what differs from the descriptor's
    latency: str = "normal"  #: low | normal
    frames: int = FRAMES
    debug: str | None = None  #: the VNFC that is left its terminal and is never killed as hung
    seed: int | None = None  #: fixes random numbers
    missing: bool = False  #: interfaces that are not there are no mistake: they are taken when they come
    paths: list[Any] | None = None  #: the table of service paths, instead of the descriptor's
    libs: list[str] | None = None  #: what the operator lets VNFCs link; None: the usual ones

    @property
    def capture(self) -> bool:
        """Whether time is the captures'."""
        return any(port.capture for port in self.ports.values())

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Raises Refused for what is no plan (the agent writes them: this is for hands)."""
        try:
            return cls.judged(json.loads(path.read_text()), str(path))
        except OSError as problem:
            raise _wrong(limits.words(problem), str(path)) from None
        except ValueError as problem:
            raise _wrong(f"{type(problem).__name__}: {problem}", str(path)) from None

    @classmethod
    def judged(cls, record: Any, file: str | None = None) -> Plan:
        """What somebody says is a plan. Raises Refused for what is none."""
        try:
            return cls.from_record(record)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise _wrong(f"{type(problem).__name__}: {problem}", file) from None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Plan:
        ports = {str(name): PortPlan(**facts) for name, facts in record["ports"].items()}
        for name, port in ports.items():
            if port.backend not in BACKENDS:
                raise ValueError(
                    f"ports.{name}.backend is {port.backend!r}, not one of {', '.join(BACKENDS)}"
                )
            if not port.capture and not port.interface:
                raise ValueError(f"ports.{name} has no interface")
        frames = int(record.get("frames") or FRAMES)
        return cls(
            name=str(record["name"]),
            package=Path(record["package"]),
            build=Path(record["build"]),
            ports=ports,
            instance=str(record.get("instance") or ""),
            descriptor=str(record.get("descriptor") or "vnf.yaml"),
            config=dict(record.get("config") or {}),
            latency=str(record.get("latency") or "normal"),
            frames=max(1024, (frames + 3) // 4 * 4),
            debug=record.get("debug"),
            seed=record.get("seed"),
            missing=bool(record.get("missing")),
            paths=record.get("paths"),
            libs=record.get("libs"),
        )

    def write(self, path: Path) -> None:
        """Put it there at once, or not at all. Raises OSError."""
        beside = path.with_name(f"{path.name}.new")
        beside.write_text(json.dumps(self.as_record(), indent=1))
        beside.replace(path)

    def as_record(self) -> dict[str, Any]:
        """What `from_record` reads, fit for JSON."""
        return {**asdict(self), "package": str(self.package), "build": str(self.build)}


def _wrong(found: str, file: str | None) -> Refused:
    expected = "a plan as docs/architecture.md describes it"
    return Refused(Mistake(file=file, field="plan", found=found, expected=expected),
                   title="wrong plan")  # fmt: skip

"""What a descriptor says, as the rest of Coven uses it: plain records, checked by `descriptor.py`."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from coven.base.plain import faults
from coven.base.yaml12 import show
from coven.package.chains import Bypass, Chain, Drop
from coven.package.schemas import schema_mistakes
from coven.package.settings import Config, overlay, type_mistakes
from itf.mistakes import Mistake, Refused, suggest

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Port:
    name: str
    number: int
    nsh: str | None = None  #: none | ethernet | vxlan-gpe; None: proxied when seen
    trusted: bool = True  #: False: what arrives loses its NSH context
    addresses: tuple[Address, ...] = ()  #: ours, at most one of each version: of tunnels, to answer from


@dataclass(frozen=True)
class Vnfc:
    name: str
    number: int
    sources: tuple[str, ...]
    language: str
    engine: str = "auto"
    outputs: tuple[str, ...] = ("next",)
    config: Config = field(default_factory=dict)
    schema: dict[str, Any] | None = None
    schema_file: str | None = None
    nsh: str = "unaware"
    on_failure: str = "restart"
    libs: tuple[str, ...] = ()
    memory_mb: int = 256
    hold_max: int = 1024
    line: int = 1  #: where the descriptor states it
    config_places: Mapping[str, tuple[int, int]] = field(default_factory=dict, compare=False)
    lib_places: tuple[tuple[int, int], ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Encap:
    """An NSH header of MD type 1; `context` None is all zeros."""

    spi: int
    si: int
    context: bytes | None
    ttl: int = 63


@dataclass(frozen=True)
class Rule:
    """A classifier rule: first match wins. What is None matches everything."""

    match: str | None
    port: str | None
    vlan: int | None
    then: str | Bypass | Drop  #: a chain's name, or what else happens
    line: int = 1
    encap: Encap | None = None  #: the NSH that its packets leave with


@dataclass(frozen=True)
class ServicePath:
    """An NSH service path: (SPI, SI) to a chain; `si` None is every SI."""

    spi: int
    si: int | None
    chain: str
    context: bytes | None
    line: int = 1


@dataclass(frozen=True)
class NextHop:
    """Where packets of a service path go from here; `si` None is every SI, 0 the end of the path alone."""

    spi: int
    si: int | None
    port: str | None  #: None: the port that they leave by anyway
    transport: str  #: ethernet | vxlan-gpe | none (the path ends)
    mac: bytes | None = None  #: None: the packet keeps its Ethernet addresses
    vlan: int | None = None
    vni: int = 0
    address: Address | None = None
    line: int = 1


@dataclass
class Descriptor:
    file: str
    folder: Path
    name: str
    version: str
    provider: str = "unknown"
    product: str = ""  #: how the provider calls it; `name` unless stated
    released: str | None = None  #: a time of RFC 3339
    description: str = ""
    license: str | None = None
    cpus: int = 1
    memory_mb: int = 512
    ports: dict[str, Port] = field(default_factory=dict)
    vnfcs: dict[str, Vnfc] = field(default_factory=dict)
    chains: dict[str, Chain] = field(default_factory=dict)
    classifier: list[Rule] = field(default_factory=list)
    paths: list[ServicePath] = field(default_factory=list)
    next_hops: list[NextHop] = field(default_factory=list)
    oam: str = "drop"  #: OAM packets at VNFCs that are not NSH-aware: drop | bypass
    indicators: list[str] = field(default_factory=list)
    coordination: dict[str, int] = field(default_factory=dict)  #: agent requests that decide on operations; their lines
    indicator_lines: list[int] = field(default_factory=list)  #: where each stands

    @property
    def vnfd_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.provider}/{self.name}/{self.version}"))

    def numbered(self, ports: Mapping[str, int], vnfcs: Mapping[str, int]) -> Descriptor:
        """The same with other numbers, by name."""
        return replace(
            self,
            ports={name: replace(port, number=ports[name]) for name, port in self.ports.items()},
            vnfcs={name: replace(vnfc, number=vnfcs[name]) for name, vnfc in self.vnfcs.items()},
        )

    @property
    def config(self) -> dict[str, Config]:
        """The default configuration of every VNFC, a copy."""
        return {name: deepcopy(vnfc.config) for name, vnfc in self.vnfcs.items()}

    def configured(
        self, wanted: Mapping[str, Any], base: Mapping[str, Config] | None = None, where: str = "config"
    ) -> dict[str, Config]:
        """The complete configuration: `base` (the default if None) with what `wanted` states.

        Raises Refused with every unknown VNFC, unknown key, other type and broken schema rule.
        """
        result = {name: deepcopy(dict(config)) for name, config in (base or self.config).items()}
        mistakes: list[Mistake] = []
        for name, changes in wanted.items():
            place = f"{where}.{name}"
            vnfc = self.vnfcs.get(name)
            if vnfc is None:
                mistakes.append(Mistake(field=place, found=name, expected="a VNFC", remedy=suggest(name, self.vnfcs)))
                continue
            if not isinstance(changes, dict):
                mistakes.append(Mistake(field=place, found=show(changes), expected="a map from key to value"))
                continue
            taken: set[str] = set()
            unsaid = list(faults(changes))
            for wrong in unsaid:
                field = ".".join([place, *map(str, wrong.path)])
                mistakes.append(Mistake(field=field, found=wrong.found, expected=wrong.expected))
            if unsaid:
                continue
            for key, value in changes.items():
                at = f"{place}.{key}"
                if key not in vnfc.config:
                    mistakes.append(
                        Mistake(field=at, found="an unknown key", remedy=suggest(key, vnfc.config))
                    )
                    continue
                mistyped = type_mistakes(vnfc.config[key], value, at)
                mistakes += [_typed(*each) for each in mistyped]
                if not mistyped:
                    taken.add(key)
                    result[name][key] = overlay(result[name].get(key, vnfc.config[key]), value)
            if vnfc.schema is not None:
                for path, what in schema_mistakes(vnfc.schema, result[name]):
                    if taken != changes.keys() and (not path or path[0] not in taken):
                        continue  # it may be about what was not taken
                    at = ".".join([place, *map(str, path)])
                    mistakes.append(Mistake(
                        file=vnfc.schema_file, field=at, found=what, expected="what the schema says"
                    ))
        if mistakes:
            raise Refused(mistakes, title="configuration refused")
        return result


def _typed(field: str, found: str | None, expected: str | None, remedy: str | None) -> Mistake:
    return Mistake(field=field, found=found, expected=expected, remedy=remedy)

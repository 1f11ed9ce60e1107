"""The machine's Ethernet interfaces as its user-data may mean them: by MAC address, name, or place on the PCI bus."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CLASS = Path("/sys/class/net")
_PCI = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")


@dataclass(frozen=True)
class Nic:
    name: str
    address: str  #: MAC
    pci: str  #: of the device, as 0000:00:03.0


def nics(folder: Path = CLASS) -> list[Nic]:
    """Those with a PCI device, in the order of its address; a device with several, by their ports."""
    found = []
    for path in folder.iterdir():
        places = _PCI.findall(str((path / "device").resolve()))
        if places and (path / "device").exists():
            port = int((path / "dev_port").read_text() or 0) if (path / "dev_port").exists() else 0
            found.append((places[-1], port, Nic(path.name, (path / "address").read_text().strip(), places[-1])))
    return [nic for _, _, nic in sorted(found, key=lambda each: each[:2])]

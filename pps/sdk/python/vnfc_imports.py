"""How a confined component finds NumPy and Scapy, and why importing Scapy touches no network.

The two lie in a folder whose other contents are none of a component's business, and that cannot even be
listed where confinement is reduced: so they are found by name, not by a search of sys.path.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any


class Packages:
    """A finder of whole packages by their folders."""

    def __init__(self, folders: Sequence[str]):
        self.folders = {Path(folder).name: Path(folder) for folder in folders}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        folder = self.folders.get(name)
        if folder is None:
            return None
        return spec_from_file_location(name, folder / "__init__.py", submodule_search_locations=[str(folder)])


class QuietScapy:
    """Not a finder: it is asked before a module is loaded, and takes the chance to keep Scapy from reading
    interfaces, routes and name servers. That takes a netlink socket and files that a confined component does
    not get, and time."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "scapy.arch":
            conf = importlib.import_module("scapy.config").conf
            interfaces = importlib.import_module("scapy.interfaces")
            values = {"name": "lo", "index": 1, "mac": "00:00:00:00:00:00", "ips": ["127.0.0.1"]}
            # what Ether() and IP() look at for fields that are left out
            conf.iface = interfaces.NetworkInterface(interfaces.InterfaceProvider(), values)
            conf.ifaces.data["lo"] = conf.iface
            conf.ifaces.reload = conf.ifaces.load_confiface = lambda: None
            conf.route_autoload = conf.route6_autoload = False
            conf.verb = 0
        elif name == "scapy.layers.dns":
            arch: Any = importlib.import_module("scapy.arch")
            arch.read_nameservers = list
        return None


def install(folders: Sequence[str]) -> None:
    """From here on `import numpy` and `import scapy` find those in folders."""
    sys.meta_path.insert(0, QuietScapy())
    sys.meta_path.append(Packages(folders))

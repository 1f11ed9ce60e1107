"""Scapy without a network. Importing this makes Scapy, whoever imports it later, leave interfaces and routes
alone: it would ask the kernel for them by netlink, which a VNFC may not use and dissecting does not need.
Nothing of Scapy is imported before somebody asks for it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType


class _BeforeArch(MetaPathFinder):
    """Finds nothing. `scapy.arch` reads the interfaces when it is imported: that is the moment before."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name != "scapy.arch":
            return
        sys.meta_path.remove(self)
        from scapy.config import conf
        from scapy.interfaces import NetworkInterfaceDict

        conf.route_autoload = conf.route6_autoload = False
        NetworkInterfaceDict.reload = lambda self: None  # type: ignore[method-assign]


sys.meta_path.insert(0, _BeforeArch())

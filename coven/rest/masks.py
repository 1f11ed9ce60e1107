"""Secrets in configurations: what a schema calls `writeOnly` is shown as a mask; a mask that comes back means that the
secret stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from coven.agent.store import Row
from coven.package.model import Descriptor

MASK = "********"


class Masks:
    """Those of one descriptor."""

    def __init__(self, descriptor: Descriptor):
        self._secret = [
            (name, key)
            for name, vnfc in descriptor.vnfcs.items()
            for key, rules in (vnfc.schema or {}).get("properties", {}).items()
            if isinstance(rules, dict) and rules.get("writeOnly") is True and key in vnfc.config
        ]

    def over(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """A configuration, or a part of one, as it may be shown."""
        shown = deepcopy(dict(config))
        for name, key in self._secret:
            if isinstance(shown.get(name), dict) and key in shown[name]:
                shown[name][key] = MASK
        return shown

    def taken_off(self, wanted: Row, present: Mapping[str, Row]) -> Row:
        """What was wanted, with the present secrets where it has masks."""
        meant = deepcopy(wanted)
        for name, key in self._secret:
            if isinstance(meant.get(name), dict) and meant[name].get(key) == MASK:
                meant[name][key] = present[name][key]
        return meant

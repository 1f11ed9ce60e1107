"""JSON Merge Patch (RFC 7396), and what the ETSI interfaces add to it for lists of objects that have identifiers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any


def merged(target: Any, patch: Any) -> Any:
    """What `target` becomes (RFC 7396, 2); neither is changed. Null takes a member away, lists are replaced."""
    if not isinstance(patch, Mapping):
        return deepcopy(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def merged_entries(
    entries: Sequence[Mapping[str, Any]], patches: Iterable[Mapping[str, Any]], key: str, delete: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """A list of objects that have their identifier in `key`: those of `delete` go, a patch changes the entry that it
    names, or is a new one behind the others."""
    gone = set(delete)
    result: dict[Any, dict[str, Any]] = {entry[key]: dict(entry) for entry in entries if entry[key] not in gone}
    for patch in patches:
        result[patch[key]] = merged(result.get(patch[key], {}), patch)
    return list(result.values())

"""Arguments of agent requests, by name, as the list that travels to a VNFC."""

from __future__ import annotations

from typing import Any

from coven.agent.store import Row
from itf.mistakes import Mistake, Refused, suggest


def positional(args: Row, offered: list[Row], place: str = "args") -> list[Any]:
    """Those left out at the end have their defaults. Raises Refused with all that is wrong."""
    names = [each["name"] for each in offered]
    mistakes = [Mistake(field=f"{place}.{key}", found="an unknown argument", remedy=suggest(key, names))
                for key in args if key not in names]  # fmt: skip
    values = []
    for each in offered:
        if each["name"] in args:
            values.append(args[each["name"]])
        elif "default" in each:
            values.append(each["default"])
        else:
            mistakes.append(
                Mistake(field=f"{place}.{each['name']}", found="nothing", expected=f"a value ({each['type']})")
            )
    if mistakes:
        raise Refused(mistakes, title="request refused")
    return values

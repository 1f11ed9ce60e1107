"""Arguments for an executable are as it declared them."""

from __future__ import annotations

import pytest

from coven.keeper.hosts.asked import fitted
from itf.mistakes import Refused

DECLARED = [{"name": "of", "type": "int"}, {"name": "part", "type": "float", "default": 0.5},
            {"name": "on", "type": "bool", "default": False}, {"name": "any", "type": "", "default": None}]  # fmt: skip


def test_they_fit() -> None:
    assert fitted(DECLARED, [7]) == [7, 0.5, False, None]
    assert fitted(DECLARED, [7, 1, True, {"x": []}]) == [7, 1, True, {"x": []}]


def test_all_that_is_wrong_is_told() -> None:
    with pytest.raises(Refused) as refused:
        fitted(DECLARED, [True, "much", 1, 0, 5])
    assert [each.field for each in refused.value.mistakes] == ["args", "of", "part", "on"]
    with pytest.raises(Refused) as refused:
        fitted(DECLARED, [])
    assert [(each.field, each.found) for each in refused.value.mistakes] == [("of", "nothing")]

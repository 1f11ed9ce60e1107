"""One chain with traffic, and one browser, for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rigs.page import Chain, Looking


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    chain = Chain(tmp_path_factory.mktemp("page"))
    try:
        yield chain
    finally:
        chain.clean()


@pytest.fixture(scope="module")
def looking(chain: Chain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Looking]:
    looking = Looking(tmp_path_factory.mktemp("chromium"), chain.appliance.space)
    try:
        yield looking
    finally:
        looking.close()

"""Requests that may wait hold a thread each: some are left for those that are answered at once."""

from __future__ import annotations

from coven.rest.api import FOLLOWERS
from coven.rest.operations import WAITERS
from coven.rest.original import platform
from coven.rest.watching.bottlenecks import OBSERVERS
from coven.rest.watching.captures import CAPTURERS
from coven.rest.watching.traces import TRACERS
from coven.serve import original
from coven.serve.server import THREADS


def test_not_every_thread_may_wait() -> None:
    assert WAITERS + FOLLOWERS + TRACERS + CAPTURERS + OBSERVERS < THREADS


def test_changes_by_the_original_interface_leave_threads_for_what_it_asks() -> None:
    assert platform.WAITERS < original.THREADS

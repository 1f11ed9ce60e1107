"""How the page is to be used: by keyboard, on a phone, in the dark, with a screen reader (axe-core finds nothing
serious); and `coven top` in a terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Page, expect

from tests.rigs.agent import ROOT
from tests.rigs.page import AXE, CHROMIUM, Chain, Looking, log_in, serious

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
]
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def shown(chain: Chain, looking: Looking, **options: Any) -> Page:
    page = looking.context(**{"viewport": {"width": 1400, "height": 1000}, **options}).new_page()
    log_in(page, chain.url, chain.token)
    page.goto(f"{chain.url}/#/vnf/fw")
    wire = re.compile("Wire from gate .* to look, came in by in: [1-9]")
    expect(page.get_by_role("button", name=wire)).to_be_attached()
    return page


@pytest.mark.skipif(not AXE.is_file(), reason="no axe-core: set-up brings it where there is npm")
@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
def test_axe_finds_nothing_serious(chain: Chain, looking: Looking, options: dict[str, Any]) -> None:
    page = shown(chain, looking, **options)
    page.get_by_role("button", name="VNFC gate").click()
    expect(page.get_by_label("limit")).to_be_visible()
    page.get_by_text("All figures").click()
    assert serious(page) == []
    page.goto(f"{chain.url}/#/")
    expect(page.get_by_role("heading", name="Operations")).to_be_visible()
    assert serious(page) == []
    page.goto(f"{chain.url}/login")
    assert serious(page) == []
    page.context.close()


def test_a_phone_scrolls_down_only(chain: Chain, looking: Looking) -> None:
    page = shown(chain, looking, **PHONE)
    page.get_by_role("button", name="VNFC gate").click()
    expect(page.get_by_label("limit")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()


def test_everything_is_reached_by_keyboard(chain: Chain, looking: Looking) -> None:
    page = shown(chain, looking)
    gate = page.get_by_role("button", name="VNFC gate")
    for _ in range(40):
        page.keyboard.press("Tab")
        if gate.evaluate("node => node === document.activeElement"):
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="VNFC gate")).to_be_focused()
    page.get_by_role("button", name="Follow packets").focus()
    page.keyboard.press("Enter")
    packets = page.get_by_role("listbox", name="The last packets")
    expect(packets.get_by_role("option").first).to_be_visible()
    packets.focus()
    page.keyboard.press("ArrowDown")
    expect(packets.get_by_role("option", selected=True)).to_have_count(1)
    expect(page.locator(".chain .path").first).to_be_attached()
    page.context.close()


def until(so: Callable[[], bool], said: Callable[[], str]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end, said()
        time.sleep(0.1)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux")
def test_top_in_a_terminal_of_80_by_24_without_colour(chain: Chain) -> None:
    tmux = ["tmux", "-f", "/dev/null", "-L", f"coven-{os.getpid()}"]

    def screen() -> str:
        return subprocess.run([*tmux, "capture-pane", "-p", "-e"], capture_output=True, text=True).stdout

    def keys(*names: str) -> None:
        subprocess.run([*tmux, "send-keys", *names], check=True)

    words = ["env", f"COVEN_STATE={chain.appliance.state}", "TERM=vt100", "NO_COLOR=1", sys.executable, "-m", "coven"]
    inside = ["ip", "netns", "exec", chain.appliance.space, *words, "top", "fw"]
    subprocess.run([*tmux, "new-session", "-d", "-x", "80", "-y", "24", "-c", str(ROOT), *inside], check=True)
    try:
        until(lambda: bool(re.search(r"gate +\* running +python +[1-9]", screen())), screen)
        assert "in -> gate -> count -> out" in screen() and "gate[odd] -> look -> count" in screen()
        assert "gate.telnet" in screen() and not re.search(r"\x1b\[[0-9;]*[34][0-8]m", screen())
        keys("d")
        until(lambda: "telnet is not allowed here <img" in screen() and "* running" not in screen(), screen)
        keys("d", "p")
        until(lambda: "PAUSED" in (now := screen()) and "* running" in now, screen)
        held = screen()
        time.sleep(1.5)
        assert screen() == held
        keys("q")
        until(lambda: screen() == "", screen)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False, capture_output=True)

"""The page in a browser, beside a chain that runs, with traffic both ways."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import Page, expect
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from agents.pcapng import Blocks
from tests.rigs.csar_rig import zipped
from tests.rigs.keeper import wait_for
from tests.rigs.packages import FORWARD_C
from tests.rigs.page import AXE, CHROMIUM, MARKUP, TAIL, TTL, Chain, Looking, log_in, serious

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root"),
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium"),
]



class Seen:
    """A page that is logged in and shows the VNF, and what its console said."""

    def __init__(self, page: Page):
        self.page = page
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        page.on("dialog", self._dialog)
        self.dialogs: list[str] = []

    def _dialog(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.accept()


@pytest.fixture
def seen(chain: Chain, looking: Looking) -> Iterator[Seen]:
    context = looking.context(viewport={"width": 1400, "height": 1000})
    seen = Seen(context.new_page())
    log_in(seen.page, chain.url, chain.token)
    seen.page.goto(f"{chain.url}/#/vnf/fw")
    expect(seen.page.get_by_role("button", name="VNFC gate")).to_be_visible()
    yield seen
    context.close()


def test_a_wrong_token_is_told_and_nothing_is_shown(chain: Chain, looking: Looking) -> None:
    context = looking.context()
    page = context.new_page()
    page.goto(f"{chain.url}/")
    assert page.url.endswith("/login")
    page.get_by_label("Token").fill("nonsense")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("no valid token")
    log_in(page, chain.url, chain.token)
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert chain.token not in cookie["value"]
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
    assert context.cookies() == []
    context.close()


def test_numbers_agree_with_the_status_document(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_text("All figures").click()
    row = page.get_by_role("row", name=re.compile("^count running"))
    expect(row).to_be_visible()
    before = chain.stats()["vnfcs"]["count"]["received"]
    received = row.get_by_role("cell").nth(1)
    # what is shown comes once a second, or later
    shown = wait_for(lambda: (now := int(received.inner_text().replace(",", ""))) >= before and now)
    after = chain.stats()["vnfcs"]["count"]["received"]
    assert shown <= after
    wire = re.compile("Wire from gate .* to look, came in by in: [1-9]")
    expect(page.get_by_role("button", name=wire)).to_be_attached()
    expect(page.get_by_role("button", name=re.compile(r"Dropped: gate.telnet, [1-9]"))).to_be_attached()
    assert seen.faults == []


_FLOWS = """async ([chain, figures]) => {
  const { flows, wires } = await import("/page/js/chain/flow.js");
  const drops = Object.keys(figures).filter((name) => name.startsWith("drop ")).map((name) => name.slice(5));
  const found = flows(chain, wires(chain), (name) => figures[name] ?? 0, drops);
  return Object.fromEntries([...found].map(([key, { rate, sure }]) => [key, [Math.round(10 * rate) / 10, sure]]));
}"""


def test_wires_have_what_counted_figures_say_of_each_direction(chain: Chain, seen: Seen) -> None:
    """100/s come by in, of which a drops 5 and b 15; 50/s by out. What is not counted apart goes by what came."""
    both = [{"ingress": port, "kind": "graph", "wires": [
        {"from": port, "output": None, "to": "a"}, {"from": "a", "output": "next", "to": "b"},
        {"from": "b", "output": "next", "to": other},
    ]} for port, other in (("in", "out"), ("out", "in"))]  # fmt: skip
    drawn: dict[str, Any] = {
        "ports": [{"name": "in"}, {"name": "out"}], "chains": [{"name": "main", "ways": both}], "classifier": [],
        "vnfcs": [{"name": "a", "outputs": ["next"]}, {"name": "b", "outputs": ["next"]}],
    }  # fmt: skip
    figures = {
        "port in received": 100, "port out received": 50, "port in sent": 40, "port out sent": 85,
        "drop out.tx_full": 5, "vnfc a received": 150, "vnfc a forwarded": 145, "output a next": 145, "drop a.x": 5,
        "vnfc b received": 145, "vnfc b forwarded": 130, "output b next": 130, "drop b.x": 15,
    }  # fmt: skip
    found = seen.page.evaluate(_FLOWS, [drawn, figures])
    assert found == {
        "in in  a": [100, True], "in a next b": [96.7, False], "in b next out": [90, True],
        "out out  a": [50, True], "out a next b": [48.3, False], "out b next in": [40, True],
    }  # fmt: skip
    # a rule of the classifier drops 30: of which port is not told, but most likely as they come
    drawn["classifier"] = [{"match": "arp", "port": None, "then": "bypass"}]
    found = seen.page.evaluate(_FLOWS, [drawn, {
        "port in received": 120, "port out received": 60, "port in sent": 50, "port out sent": 100,
        "drop classifier.rule": 30,
        **{f"vnfc {name} {key}": 150 for name in "ab" for key in ("received", "forwarded")},
        **{f"output {name} next": 150 for name in "ab"},
    }])  # fmt: skip
    assert found["in in  out"] == found["out out  in"] == [0, False], "all that is left has passed the VNFCs"
    assert found["in in  a"] == found["in a next b"] == found["in b next out"] == [100, False]
    assert found["out b next in"] == [50, False]


_STEADY = """async (readings) => {
  const { steady } = await import("/page/js/chain/chain.js");
  let drawn = [];
  return readings.map((own) => (drawn = steady(drawn, new Map(Object.entries(own)))));
}"""


def test_drops_that_are_drawn_stay_where_they_are(seen: Seen) -> None:
    """What somebody is about to choose is no other one in the next second."""

    def reading(**rates: float) -> dict[str, Any]:
        return {name: {"now": rate, "total": 9} for name, rate in rates.items()}

    found = seen.page.evaluate(_STEADY, [
        reading(a=85, b=87, c=86), reading(a=89, b=84, c=88), reading(a=89, b=30, c=88), reading(c=88, d=1),
    ])  # fmt: skip
    assert found == [["b", "c"], ["b", "c"], ["a", "c"], ["c", "d"]]


def test_a_vnfc_that_is_killed_shows(chain: Chain, seen: Seen) -> None:
    page = seen.page
    restarts = chain.stats()["vnfcs"]["look"]["restarts"]
    pid = chain.stats()["vnfcs"]["look"]["pid"]
    os.kill(pid, signal.SIGKILL)
    page.get_by_role("button", name="VNFC look").click()
    panel = page.get_by_role("complementary", name="What was chosen")
    expect(panel.get_by_text(str(restarts + 1), exact=True)).to_be_visible()
    page.get_by_text("What happened").click()
    expect(page.get_by_text("look restarted")).to_be_visible()


def test_a_wrong_configuration_is_told_at_its_field(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_role("button", name="VNFC gate").click()
    limit = page.get_by_label("limit")
    limit.fill("11")
    page.get_by_role("button", name="Apply now").click()
    expect(limit).to_have_attribute("aria-invalid", "true")
    wrong = page.locator(f"#{limit.get_attribute('id')}-wrong")
    expect(wrong).to_contain_text("11")
    limit.fill("7")
    page.get_by_role("button", name="Apply now").click()
    expect(page.get_by_text("In force: limit.")).to_be_visible()
    assert chain.appliance.get("/v1/vnfs/fw/config")["gate"]["limit"] == 7
    page.get_by_label("text", exact=True).fill(MARKUP)
    page.get_by_role("button", name="Ask echo").click()
    expect(page.get_by_text(MARKUP, exact=True)).to_be_visible()


def test_nothing_that_is_hostile_becomes_markup(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_role("button", name="VNFC gate").click()
    expect(page.get_by_role("log")).to_contain_text(MARKUP)
    panel = page.get_by_role("complementary", name="What was chosen")
    panel.get_by_role("button", name="gate.telnet").click()
    expect(panel.get_by_role("heading", name="Drop gate.telnet")).to_be_focused()
    page.get_by_role("button", name="Dropped: gate.telnet").click()
    expect(panel).to_contain_text(f"telnet is not allowed here {MARKUP}")
    panel.get_by_role("button", name="Show me one").click()
    expect(panel.get_by_label("Its first bytes, as it came in")).to_contain_text("<script>al")
    expect(panel).to_contain_text("port 4000 to 23")
    assert page.locator("img, main script, main b").count() == 0
    assert seen.dialogs == [] and seen.faults == []


def test_who_may_only_look_is_told_so_and_a_token_that_is_revoked_shows_nothing_more(
    chain: Chain, looking: Looking
) -> None:
    _, said = chain.appliance.coven("token", "create", "--name", "looker", "--scope", "read")
    page = looking.context().new_page()
    log_in(page, chain.url, said.split()[0])
    page.goto(f"{chain.url}/#/vnf/fw")
    wire = re.compile("Wire from in to gate, came in by in: [1-9]")
    expect(page.get_by_role("button", name=wire)).to_be_attached()
    page.get_by_role("button", name="Stop", exact=True).click()
    refused = page.get_by_role("alert").filter(has_text="expected operate")
    expect(refused).to_be_visible()
    page.wait_for_timeout(1500)
    expect(refused).to_be_visible()
    assert chain.appliance.coven("token", "revoke", "looker")[0] == 0
    page.wait_for_url("**/login", timeout=20_000)
    page.context.close()


def test_tabs_of_a_browser_share_a_stream(chain: Chain, seen: Seen) -> None:
    other = seen.page.context.new_page()
    other.goto(f"{chain.url}/#/vnf/fw")
    entries = "performance.getEntriesByType('resource').map(each => each.name).filter(name => name.includes('stream?'))"
    for page in (other, seen.page):
        wire = re.compile("Wire from in to gate, came in by in: [1-9]")
        expect(page.get_by_role("button", name=wire)).to_be_attached()
        assert page.evaluate(entries) == [], "the worker's that they share"
    other.close()


def test_what_limits_the_chain_is_marked_with_its_reason(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_role("button", name="VNFC gate").click()
    slow = page.get_by_label("slow_ms")
    slow.fill("20")
    page.get_by_role("button", name="Apply now").click()
    expect(page.get_by_text("In force: slow_ms.")).to_be_visible()
    try:
        limited = page.get_by_role("button", name=re.compile("VNFC gate, .*bottleneck: "))
        expect(limited).to_be_visible()
        expect(page.get_by_label("Alarms")).to_contain_text("What would help")
        assert not AXE.is_file() or serious(page) == []
    finally:
        assert chain.appliance.ask("PATCH", "/v1/vnfs/fw/config", {"gate": {"slow_ms": 0}})["gate"]["slow_ms"] == 0
    expect(limited).to_have_count(0)


def test_a_capture_of_a_wire_is_downloaded(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_role("button", name="Wire from look").focus()
    page.keyboard.press("Enter")
    panel = page.get_by_role("complementary", name="What was chosen")
    panel.get_by_label("only those that match").fill("udp and (")
    panel.get_by_role("link", name="Capture from here").click()
    expect(panel.get_by_label("only those that match")).to_have_attribute("aria-invalid", "true")
    panel.get_by_label("only those that match").fill("")
    panel.get_by_label("for", exact=True).select_option("100 packets")
    with page.expect_download() as download:
        panel.get_by_role("link", name="Capture from here").click()
    data = Path(download.value.path()).read_bytes()
    numbers = [packet for _, packet in Blocks().feed(data) if packet is not None]
    assert len(numbers) == 100 and {each.interface.name for each in numbers} == {"count:before"}


def dumped(text: str) -> tuple[bytes, set[int]]:
    """The bytes of a dump, and which of them stand in brackets."""
    cells = [line[5 + at : 9 + at] for line in text.splitlines() for at in range(0, 64, 4)]
    found = [cell for cell in cells if cell.strip()]
    marked = {number for number, cell in enumerate(found) if cell[0] == "["}
    return bytes(int(cell[1:3], 16) for cell in found), marked


def test_the_stepper_shows_bytes_before_and_behind_each_vnfc(chain: Chain, seen: Seen) -> None:
    page = seen.page
    page.get_by_label("only those that match").fill("udp dst port 81")
    page.get_by_role("button", name="Follow packets").click()
    packets = page.get_by_role("listbox", name="The last packets").get_by_role("option")
    expect(packets).to_have_count(50)
    packets.filter(has_text="→ out").first.click()  # whole: none that a capture began or ended with
    steps = page.locator(".hops > li")
    told = [text.split("\n")[0] for text in steps.all_inner_texts()]
    assert told == [
        "came in by in", "to gate", "gate forward[odd]", "to look", f"look forward (changed, {len(TAIL)} bytes longer)",
        "to count", "count forward (changed)", "left by out",
    ]  # fmt: skip
    ends = IP(src="192.0.2.1", dst="198.51.100.2", ttl=64, id=0) / UDP(sport=4000, dport=81, chksum=0)
    sent = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / MARKUP.encode())
    behind_look = sent + TAIL
    ends.ttl = TTL
    behind_count = bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / ends / MARKUP.encode()) + TAIL
    assert dumped(page.get_by_label("Its first bytes, as it came in").inner_text()) == (sent, set())
    for step, before, behind in (("look", sent, behind_look), ("count", behind_look, behind_count)):
        part = steps.filter(has_text=f"{step} forward")
        differ = {at for at in range(len(behind)) if behind[at : at + 1] != before[at : at + 1]}
        assert dumped(part.get_by_label("Before").inner_text()) == (before, {at for at in differ if at < len(before)})
        assert dumped(part.get_by_label("Behind").inner_text()) == (behind, differ)
    assert packets.count() == 50, "who steps looks at what is there"


def test_a_package_is_taken_in_bound_and_taken_away(chain: Chain, seen: Seen, tmp_path: Path) -> None:
    page = seen.page
    page.goto(f"{chain.url}/#/")
    expect(page.get_by_role("cell", name="<b>bold</b>")).to_be_visible()
    vnfcs = "{f: {source: none.c, config: {limit: 5}, schema: s.json}}"
    parts = {
        "vnf.yaml": f'name: other\nversion: "1"\nvnfcs: {vnfcs}\nchain: in -> f -> out\n'.encode(),
        "s.json": b'{"properties": {"limit": {"type": "integer", "maximum": 10}}}',
    }
    wrong = {"name": "x.zip", "mimeType": "application/zip", "buffer": zipped(parts)}
    page.get_by_label("A CSAR or a zip").set_input_files([wrong])
    page.get_by_role("button", name="Upload").click()
    shown = page.get_by_label("vnf.yaml, around line 3")
    expect(shown.locator("mark")).to_contain_text("source: none.c")
    right = {**wrong, "buffer": zipped({**parts, "none.c": FORWARD_C.encode()})}
    page.get_by_label("A CSAR or a zip").set_input_files([right])
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("other:1 is here")).to_be_visible()
    page.get_by_label("Name").fill("fw")
    page.get_by_label("Package", exact=True).select_option("other:1")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Name").fill("second")
    page.get_by_role("button", name="Create").click()
    port = page.get_by_label("Port in")
    expect(port.get_by_role("option", name="in0 (no: fw has it as its port in)")).to_be_disabled()
    port.select_option("in1")
    page.get_by_label("Port out").select_option("in1")
    page.get_by_text("Configuration of f").click()
    limit = page.get_by_label("limit")
    limit.fill("11")
    page.get_by_role("button", name="Instantiate", exact=True).click()
    expect(page.get_by_text("in has it").first).to_be_visible()
    expect(page.locator(f"#{limit.get_attribute('id')}-wrong")).to_contain_text("maximum of 10")
    limit.fill("9")
    port.select_option("in2")
    page.get_by_label("Port out").select_option("out2")
    page.get_by_role("button", name="Instantiate", exact=True).click()
    row = page.get_by_label("VNFs of this agent").get_by_role("row", name="second")
    expect(row).to_contain_text("STARTED")
    assert chain.appliance.get("/v1/vnfs/second/config") == {"f": {"limit": 9}}
    row.get_by_role("button", name="Terminate").click()
    expect(row).to_contain_text("not instantiated")
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    page.get_by_role("row", name="other:1").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row", name="other:1")).to_have_count(0)
    assert page.locator("main b, main script, img").count() == 0
    assert seen.dialogs == ["Terminate second? Its interfaces are given back."]


def test_the_agent_starts_again_and_the_page_goes_on(chain: Chain, seen: Seen) -> None:
    page = seen.page
    port = chain.url.rpartition(":")[2]
    agent = chain.appliance.agent
    assert agent is not None
    agent.terminate()
    agent.wait()
    expect(page.get_by_role("status").first).to_contain_text("no answer")
    chain.appliance.serve("--listen", f"127.0.0.1:{port}")
    expect(page.get_by_role("status").first).to_have_text("live")
    page.get_by_role("button", name="VNFC count").click()
    panel = page.get_by_role("complementary", name="What was chosen")
    expect(panel.get_by_text(re.compile(r"^[1-9]\d*/s of"), exact=False).first).to_be_visible()

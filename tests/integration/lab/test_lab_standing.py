"""`coven lab`: left standing, several at once, found and taken down whatever was killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.lab import find as lab_find

pytestmark = pytest.mark.root
ROOT = Path(__file__).resolve().parents[3]
PAGE = "http://10.20.0.2/"
Done = subprocess.CompletedProcess[str]

DESCRIPTOR = """\
name: {name}
version: "1"
vnfcs: {{filter: {{source: filter.py}}}}
chain: in -> filter -> out
classifier:
  - {{match: arp, then: bypass}}
  - {{match: "ip or ip6", then: main}}
"""
PASS = "from vnfc import forward\n\n\ndef handle(packet):\n    return forward()\n"
DROP = """\
from vnfc import drop, forward, reason

web = reason("web", "no web here")


def handle(packet):
    return drop(web) if packet.tcp and packet.tcp.dport == 80 else forward()
"""


class User:
    """Somebody with a folder of packages and a state of their own."""

    def __init__(self, folder: Path, prefix: list[str]):
        self.folder = folder
        self.prefix = prefix
        self.environment = {**os.environ, "COVEN_STATE": str(folder / "state"), "HOME": str(folder)}

    def package(self, name: str, code: str) -> Path:
        made = self.folder / name
        made.mkdir(exist_ok=True)
        (made / "vnf.yaml").write_text(DESCRIPTOR.format(name=name))
        (made / "filter.py").write_text(code)
        return made

    def lab(self, *words: str | Path) -> Done:
        command = [*self.prefix, sys.executable, "-P", "-m", "coven.cli", "lab", *map(str, words)]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def started(self, *words: str) -> subprocess.Popen[str]:
        command = [*self.prefix, sys.executable, "-P", "-m", "coven.cli", "lab", *words]
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)  # fmt: skip

    def well(self, *words: str | Path) -> str:
        done = self.lab(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def labs(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(self.lab("status", "--json").stdout)}

    def fetched(self, name: str, url: str = PAGE, patience: int = 30) -> bool:
        words = ("exec", "--lab", name, "client", "curl", "-sf", "-m", str(patience), url)
        return self.lab(*words).returncode == 0

    def stats(self, name: str) -> dict[str, Any]:
        said = self.well("exec", "--lab", name, "appliance", "coven", "stats", "--json")
        figures: dict[str, Any] = json.loads(said)
        assert figures["unaccounted"] == 0
        return figures


@pytest.fixture
def me(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[User]:
    user = User(tmp_path, [])
    monkeypatch.setenv("COVEN_STATE", user.environment["COVEN_STATE"])
    yield user
    for name, lab in lab_find.find().items():
        if str(os.getpid()) in name:
            lab_find.down(lab)


def named(word: str) -> str:
    return f"{word}-{os.getpid()}"


def test_the_same_name_may_be_another_users(me: User) -> None:
    name = named("same")
    me.well("up", me.package(name, PASS))
    other = User(me.folder, [])
    other.environment["COVEN_STATE"] = str(me.folder / "other")
    assert name in me.labs() and name not in other.labs()
    assert other.well("down", name) == f"lab {name} is not up\n"
    inside = me.well("exec", "--lab", name, "client", "coven", "lab", "status", "--json")
    assert [row["state"] for row in json.loads(inside)] == ["up"]
    refused = me.lab("exec", "--lab", name, "client", "coven", "lab", "down", name)
    assert refused.returncode == 1 and "leave this shell first" in refused.stderr
    assert me.fetched(name)
    assert me.stats(name)["dropped"] == {}
    assert me.well("down", name) == f"lab {name} is down\n"


def test_several_side_by_side_and_one_is_killed(me: User) -> None:
    one, two = named("one"), named("two")
    me.well("up", me.package(one, PASS))
    me.well("up", me.package(two, DROP))
    assert me.fetched(one) and not me.fetched(two, patience=1)
    rows = me.labs()
    assert (rows[one]["state"], rows[two]["state"]) == ("up", "up")
    assert rows[one]["vnfs"][0]["operational_state"] == "STARTED"
    page_is_at_hand(me, one)
    page_is_at_hand(me, two)

    os.kill(rows[one]["stand"], signal.SIGKILL)
    shutil.rmtree(me.folder / "state" / "run" / f"lab.{one}")
    refused = me.lab("exec", "--lab", one, "client", "true")
    assert refused.returncode == 1 and f"coven lab down {one}" in refused.stderr
    assert me.labs()[one]["state"] == "broken"
    me.well("down", one)
    assert one not in me.labs() and not list((me.folder / "state" / "run").glob(f"lab.{one}"))

    for pid in lab_find.find()[two].processes:
        os.kill(pid, signal.SIGKILL)
    me.well("down", two)
    me.well("down", two)
    assert two not in me.labs() and not list((me.folder / "state" / "run").glob("lab.*"))


def test_what_cannot_be_built_is_said_and_leaves_nothing(me: User) -> None:
    name = named("bad")
    refused = me.lab("up", me.package(name, PASS.replace("forward()\n", "forward(\n")))
    assert refused.returncode == 1 and "filter.py:5" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert name not in me.labs() and not list((me.folder / "state" / "run").glob("lab.*"))


def test_words_that_are_wrong_are_refused_with_what_to_do(me: User) -> None:
    for words, said in (
        (("exec", "--lab", named("none"), "client", "true"), "coven lab up PACKAGE"),
        (("up", me.folder / "nothing"), "nothing"),
        (("up", me.package(named("p"), PASS), "--name", "Not A Name"), "--name"),
    ):
        done = me.lab(*words)
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, done


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may reach: pytest's own are closed, again and again."""
    folder = Path(tempfile.mkdtemp(prefix="coven-test-"))
    os.chown(folder, 65534, 65534)
    yield folder
    shutil.rmtree(folder)


def page_is_at_hand(user: User, name: str) -> None:
    """Outside of the lab, for whoever has the token; and the same when it is asked for again."""
    said = user.well("open", "--lab", name)
    url, token = re.findall(r"(http://127\.0\.0\.1:\d+/)\n  token: (\S+)", said)[0]
    assert user.well("open", "--lab", name) == said
    request = urllib.request.Request(f"{url}v1/vnfs", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert [vnf["name"] for vnf in json.load(answer)["vnfs"]] == [name]
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert b"<h1>Coven</h1>" in answer.read()


def test_an_ordinary_user_needs_no_root(open_folder: Path) -> None:
    """Uid 65534. Skipped where the checkout may not be read by others, or user namespaces are restricted."""
    user = User(open_folder, ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"])
    program = "import coven.cli, coven.lab as lab; print(lab.can_use_user_namespaces())"
    can = subprocess.run([*user.prefix, sys.executable, "-c", program], cwd=ROOT, env=user.environment,
                         capture_output=True, text=True, check=False)  # fmt: skip
    if can.stdout.strip() != "True":
        pytest.skip("another user can read no checkout, or make no user namespace, here")
    name = named("ordinary")
    made = user.package(name, DROP)
    try:
        user.well("up", made)
        assert not user.fetched(name, patience=1) and user.fetched(name, "http://10.20.0.2:8080/")
        assert user.stats(name)["dropped"]["filter.web"] >= 1
        page_is_at_hand(user, name)
        programs_that_change_their_user(user, name)
    finally:
        assert user.lab("down", name).returncode == 0
    assert name not in user.labs()


def programs_that_change_their_user(user: User, name: str) -> None:
    """They do so in a lab that knows one user: tcpdump, to a terminal and to a file, and whatever else does."""
    capture = user.folder / "seen.pcap"
    for words in (["--immediate-mode"], ["-w", str(capture)]):
        dump = ["exec", "--lab", name, "client", "tcpdump", "-n", "-i", "lo", "-c", "2", *words, "icmp"]
        with user.started(*dump) as dumping:
            assert dumping.stderr
            while "listening on lo" not in (line := dumping.stderr.readline()):
                assert line, "tcpdump ended"
            user.well("exec", "--lab", name, "client", "ping", "-q", "-c", "1", "127.0.0.1")
            said, told = dumping.communicate(timeout=60)
        assert dumping.returncode == 0 and "2 packets captured" in told, told
        assert said.count("ICMP echo re") == (0 if "-w" in words else 2)
    assert capture.stat().st_uid == 65534 and capture.stat().st_size > 24 + 2 * 16
    change = "import os; os.setgroups([]); os.setresgid(7, 7, 7); os.setresuid(8, 8, 8); print(os.getresuid())"
    assert user.well("exec", "--lab", name, "server", "python3", "-c", change) == "(0, 0, 0)\n"
    # what is confined in there knows better
    result = user.folder / "result.json"
    user.well("exec", "--lab", name, "appliance", "coven", "run", str(user.folder / name), "--in", str(capture),
              "--json", str(result))  # fmt: skip
    figures = json.loads(result.read_text())
    assert (figures["received"], figures["unaccounted"]) == (2, 0)
    assert figures["vnfcs"]["filter"]["confinement"] == "user-namespace"

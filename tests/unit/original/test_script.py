"""Scripts of the prototype: read whatever they are, and what they are as packages of ours."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.base.compat_ports import Ports, read_ports
from coven.package.archive import take_in
from coven.package.descriptor import load
from coven.package.model import Descriptor
from coven.rest.original.codes import Failed
from coven.rest.original.script import Script, read_script
from coven.rest.original.shelf import Shelf
from coven.rest.original.translation import _asked, components, connections, package_of, ports_of, requested
from itf.mistakes import Refused
from tests.rigs.original import script, zipped

GOOD = script(("one.py", 8010, 8020), ("two.py", 8012, None))


def anything(file: str) -> tuple[str, str]:
    return "fw", file


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_no_script_has_a_code(data: bytes) -> None:
    with pytest.raises(Failed):
        read_script(data, anything)


@given(st.data())
def test_a_script_that_is_damaged_has_a_code_or_is_one(data: st.DataObject) -> None:
    lines = GOOD.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(["", "  - 7", "x: {}", lines[at].split(":")[0] + ": ~", lines[at] + " []"]))
    try:
        read = read_script("\n".join(lines).encode(), anything)
    except Failed as failed:
        assert failed.code in {"-3", "-4", "-5", "-6", "-7"} and failed.mistakes
    else:
        assert isinstance(read, Script) and read.components


def test_what_the_prototype_does_not_look_at_is_not_looked_at() -> None:
    text = GOOD.replace("    - in0\n", "    - in0\n    - in1\n")
    text = text.replace("Tool: L2Socket", "Tool: L2SocketFNSH\n  More: 7")
    read = read_script((text.replace("NSHP: False", "NSHP: yes") + "Other: [1]\n").encode(), anything)
    assert (read.input, read.output, read.nsh) == ("in0", "out0", True)
    assert [each.file for each in read.components] == ["one.py", "two.py"]
    assert read.components[0].requests == (("Packets", "PP"), ("Two lines", "TWO\nLINES"))


def test_order_says_the_chain() -> None:
    text = GOOD.replace("Order: 1", "Order: 3").replace("Order: 2", "Order: 1").replace("Order: 3", "Order: 2")
    assert [each.file for each in read_script(text.encode(), anything).components] == ["two.py", "one.py"]
    for orders in ("Order: 1", "Order: 3"):
        with pytest.raises(Failed) as caught:
            read_script(GOOD.replace("Order: 2", orders).encode(), anything)
        assert caught.value.code == "-4"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_names_of_requests_come_back(name: str) -> None:
    assert requested(_asked(name)) == name


def translated(folder: Path, text: str, files: dict[str, str]) -> Descriptor:
    shelf = Shelf(folder / "shelf")
    shelf.keep("fw.zip", io.BytesIO(zipped(files)))
    shelf.install("fw.zip")
    made = package_of(read_script(text.encode(), shelf.find), shelf)
    return load(take_in(made, folder, "made").folder)


def test_every_framework_has_its_command(tmp_path: Path) -> None:
    kinds = {"Python3Framework": "a.py", "ClickFramework": "b.click", "JavaFramework": "c/Forward.java",
             "ExeFramework": "d", "JSFramework": "e.js"}  # fmt: skip
    items = "".join(
        f"  - Framework: {kind}\n    NFs:\n      - {{File: {file}, Order: {n}, Input: {8000 + 2 * n},"
        f" Output: {8001 + 2 * n}}}\n" for n, (kind, file) in enumerate(kinds.items(), 1)
    )
    text = f"PPS:\n{items}VNS: {{Tool: L2Socket, Input: [in0], Output: [out0]}}\nNSHP: false\n"
    files = dict.fromkeys([*kinds.values(), "c/Forward.class", "data/table"], "x")
    descriptor = translated(tmp_path, text, files)
    commands = [vnfc.config.get("run") for vnfc in descriptor.vnfcs.values()]
    root = "NFPackages/fw"
    assert commands == [
        ["python3", f"{root}/a.py"], ["click", "-f", f"{root}/b.click"],
        ["java", "-classpath", f"{root}/c", "Forward"], None, ["node", f"{root}/e.js"],
    ]  # fmt: skip
    assert [vnfc.engine for vnfc in descriptor.vnfcs.values()] == ["coven-socket"] * 5
    assert (descriptor.folder / root / "data" / "table").is_file()
    assert (descriptor.folder / root / "d").stat().st_mode & 0o100
    assert list(components(descriptor)) == ["a.py", "b.click", "Forward.java", "d", "e.js"]
    assert connections(components(descriptor)["a.py"]) == ["8002", "8003"]
    assert [port.nsh for port in descriptor.ports.values()] == ["none", "none"]


def test_one_interface_and_nsh(tmp_path: Path) -> None:
    text = script(("one.py", 8010, None), out="in0", nsh="true")
    assert ports_of(read_script(text.encode(), anything)) == {"in": "in0"}
    descriptor = translated(tmp_path, text, {"one.py": ""})
    assert list(descriptor.ports) == ["in"] and descriptor.ports["in"].nsh != "none"


def test_a_file_is_where_the_prototype_has_it_or_in_the_last_package(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "shelf")
    assert shelf.find("one.py") is None
    assert shelf.find("NFPackages/p/" + "x" * 300) is None
    for name, file in (("a.zip", "one.py"), ("b.zip", "sub/two.py")):
        shelf.keep(name, io.BytesIO(zipped({file: ""})))
        shelf.install(name)
    assert shelf.last == "b"
    found = {file: shelf.find(file) for file in (
        "NFPackages/a/one.py", "./NFPackages//a/one.py", "sub/two.py", "one.py", "NFPackages/b/sub", "", "/sub/two.py",
        "sub/../sub/two.py", "NFPackages/c/one.py")}  # fmt: skip
    assert {file: where for file, where in found.items() if where} == {
        "NFPackages/a/one.py": ("a", "one.py"), "./NFPackages//a/one.py": ("a", "one.py"),
        "sub/two.py": ("b", "sub/two.py"),
    }  # fmt: skip


def test_what_is_installed_stays_until_the_next_one_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = Shelf(tmp_path / "shelf")

    def install(content: str) -> None:
        shelf.keep("a.zip", io.BytesIO(zipped({"one.py": content})))
        shelf.install("a.zip")

    def held() -> str:
        return shelf.files("a")["one.py"].read_text()

    install("first")
    real, times = os.rename, 0

    def fails_at(at: int) -> None:
        def rename(made: Path, target: Path) -> None:
            nonlocal times
            times += 1
            if times == at:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(target))
            real(made, target)

        monkeypatch.setattr(os, "rename", rename)

    fails_at(2)
    with pytest.raises(Refused):
        install("second")
    assert held() == "first" and times == 3  # and back
    with monkeypatch.context() as other:
        # killed between the two
        other.setattr("coven.rest.original.shelf.durable.settle_names", lambda folder: None)
        other.setattr("coven.rest.original.shelf._remove", lambda folder: None)
        times = 1
        with pytest.raises(Refused):
            install("second")
    monkeypatch.setattr(os, "rename", real)
    (left,) = (tmp_path / "shelf").glob("old-*")
    os.rename(tmp_path / "shelf" / "installed" / "a", left / "a")
    shelf = Shelf(tmp_path / "shelf")
    assert held() == "first"
    install("third")
    assert held() == "third" and sorted(path.name for path in (tmp_path / "shelf").iterdir()) == [
        "archives", "installed", "last"
    ]


@pytest.mark.parametrize("name", ["", ".", "..", "...", ".x.y/z", "a/b", "a\0", "\ud800", "x" * 201, "a\n"])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    shelf = Shelf(tmp_path / "shelf")
    with pytest.raises(Refused):
        shelf.keep(name, io.BytesIO(b""))
    assert shelf.installed(name) is None
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["archives", "installed", "shelf"]


def test_where_it_listens() -> None:
    assert read_ports("") == Ports("127.0.0.1", 6667, 6668)
    assert read_ports("[::1]:1,2") == Ports("[::1]", 1, 2)
    assert read_ports("192.0.2.1") == Ports("192.0.2.1", 6667, 6668)
    for text in ("127.0.0.1:6667", "h:1,99999", "h:1,2,3", ":", "h:a,b"):
        with pytest.raises(ValueError, match="HOST"):
            read_ports(text)

"""docs/reference.md is complete: whatever an SDK offers stands there, C functions with their types."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pps.c.framework import build_folder
from tests.rigs import java as java_rig

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "reference.md").read_text()
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.S | re.M))
SDK = ROOT / "pps" / "sdk"

#: a public function with its types, without attributes
FUNCTION = re.compile(
    r"static inline (?P<type>[\w ]+?[ *]+)(?P<name>vnfc_(?!_)\w+)\((?P<arguments>(?:[^(){}]|\([^()]*\))*)\)\s*\{"
)
MADE = {  # by macros
    "LOOK": "struct {0}_header *vnfc_{1}(const struct vnfc_packet *p)",
    "SET": "bool vnfc_set_{0}(struct vnfc_packet *p, {1} value)",
}


def c_signatures() -> list[str]:
    found = []
    for header in sorted((SDK / "include" / "coven").glob("vnfc*.h")):
        text = header.read_text()
        for each in FUNCTION.finditer(text):
            kind, arguments = each["type"].strip(), " ".join(each["arguments"].split())
            found.append(f"{kind}{'' if kind.endswith('*') else ' '}{each['name']}({arguments})")
        for macro, made in MADE.items():
            found += [made.format(*map(str.strip, given.split(",")))
                      for given in re.findall(rf"^VNFC__{macro}\(([^)]*)\)", text, re.M)]  # fmt: skip
    return [each.replace("* value", "*value") for each in found]


def test_c() -> None:
    signatures = c_signatures()
    assert len(signatures) > 60
    lines = {re.sub(r"\s{2,}.*", "", line) for line in SECTIONS["C and C++"].splitlines()}
    assert [each for each in signatures if each not in lines] == []
    listed = {line for line in lines if re.match(r"[\w ]+[ *]vnfc_\w+\(", line)}
    assert sorted(listed - set(signatures)) == [], "functions that are not there"


def test_c_macros() -> None:
    headers = "".join(path.read_text() for path in (SDK / "include" / "coven").glob("vnfc*.h"))
    names = set(re.findall(r"^#define (VNFC_(?!_)\w+|vnfc_(?!_)\w+)", headers, re.M))
    assert [name for name in sorted(names) if f"`{name}" not in SECTIONS["C and C++"]] == []


def test_python() -> None:
    tree = ast.parse((SDK / "python" / "vnfc.py").read_text())
    [names] = [ast.literal_eval(node.value) for node in tree.body
               if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"]  # fmt: skip
    source = (ROOT / "pps" / "python" / "packet.c").read_text() + (ROOT / "pps" / "python" / "edit.c").read_text()
    names += re.findall(r'^\t\{ "(\w+)", ', source, re.M)
    assert [name for name in names if not re.search(rf"\b{name}\b", SECTIONS["Python"])] == []


@pytest.mark.skipif(java_rig.MISSING is not None or shutil.which("javap") is None, reason="without a JDK")
def test_java() -> None:
    classes = ["Vnfc", "Packet", "Verdict", "Reason", "Counter", "Gauge", "Histogram", "Config", "Port", "Burst", "Eth",
               "Vlan", "Ip", "Ip6", "Tcp", "Udp", "Icmp", "Arp", "Nsh"]  # fmt: skip
    text = " ".join(SECTIONS["Java"].split())
    lost = []
    names = [f"coven.{name}" for name in classes]
    command = ["javap", "-public", "-cp", str(build_folder() / "coven-java.jar"), *names]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("Compiled from ")[1:]
    assert len(said) == len(classes)
    for name, described in zip(classes, said, strict=True):
        for line in described.splitlines()[2:-1]:
            packages = r"\b(?:java\.(?:lang|util\.function|util|nio)|coven)\."
            plain = re.sub(packages + r"|\b(?:public|static|final) |;", "", line)
            member = plain.removesuffix(" throws Exception").strip().replace("Nsh$Tlv", "Nsh.Tlv")
            if "toString" not in member and not member.startswith(f"{name}(") and member not in text:
                lost.append(f"{name}: {member}")
    assert not lost


def test_javascript() -> None:
    text = SECTIONS["JavaScript"]
    api = re.search(r"const api = \{(.*?)\};", (SDK / "javascript" / "vnfc.js").read_text(), re.S)
    assert api is not None
    names = re.findall(r"\w+", api[1])
    for file in ("packet.js", "burst.js", "headers.js", "nsh.js"):
        source = (SDK / "javascript" / file).read_text()
        names += re.findall(r"^  (?:get |set )?([a-z]\w*)\([^)]*\) \{", source, re.M)
    known = {"constructor", "toString", "toJSON"}
    assert [name for name in names if name not in known and not re.search(rf"\b{name}\b", text)] == []

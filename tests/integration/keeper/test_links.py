"""What the kernel tells of interfaces: parsed, and told again when more happened than a socket holds."""

from __future__ import annotations

import os
import struct
import subprocess
import sys

import pytest

from coven.keeper.loop import Loop
from coven.keeper.ports.links import Links
from tests.rigs.agent import ROOT
from vns import rtnetlink
from vns.rtnetlink import DEL_LINK, NEW_LINK, NLMSG_DONE, Link

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

UP, CARRIER = 0x1, 0x10000
BRIDGE = 7  #: AF_BRIDGE


def message(kind: int, index: int, flags: int, family: int = 0, **attributes: bytes) -> bytes:
    body = struct.pack("=BxHiII", family, 1, index, flags, 0)
    for name, value in attributes.items():
        number = {"name": 3, "mtu": 4, "link": 5, "master": 10, "space": 37}[name]
        body += struct.pack("=HH", 4 + len(value), number) + value + bytes(-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body + bytes(-len(body) % 4)


def test_messages_are_read() -> None:
    number = struct.Struct("=I").pack
    data = (
        message(NEW_LINK, 5, UP | CARRIER, name=b"eth5\0", mtu=number(1400), master=number(9))
        + message(NEW_LINK, 6, UP, name=b"a\0", mtu=number(9000), link=number(2), space=number(0))
        + message(NEW_LINK, 7, CARRIER, name=b"down0\0")
        + message(DEL_LINK, 5, 0, family=BRIDGE, name=b"eth5\0")  # it left a bridge
        + message(DEL_LINK, 6, 0, name=b"a\0")
        + struct.pack("=IHHII", 20, NLMSG_DONE, 0, 0, 0)
        + bytes(4)
        + b"\x01\x02"
    )
    assert list(rtnetlink.parse(data)) == [
        (NEW_LINK, Link(5, "eth5", True, True, 1400, 9)),
        (NEW_LINK, Link(6, "a", True, False, 9000, 0, 2, 0)),
        (NEW_LINK, Link(7, "down0", False, False, 0)),
        (DEL_LINK, Link(6, "a", False, False, 0)),
        (NLMSG_DONE, None),
    ]


@pytest.mark.parametrize("length", range(0, 60, 7))
def test_what_is_cut_is_no_error(length: int) -> None:
    list(rtnetlink.parse(message(NEW_LINK, 5, UP, name=b"eth5\0", mtu=b"\0\0\0\0")[:length]))


_OVERFLOWED = """
import subprocess
from coven.keeper.ports.links import Links
from coven.keeper.loop import Loop
from vns.rtnetlink import links
def ip(command): subprocess.run(["ip", *command.split()], check=True)
ip("link add a0 type veth peer name a1")
told, gone, loop = {}, [], Loop()
watched = Links(loop, lambda link: told.__setitem__(link.name, link), gone.append)
first = {link.name: link.index for link in links().values()}
watched._socket.setsockopt(1, 8, 1)  # SO_RCVBUF, the least there is
ip("link del a0")
ip("link add b0 type veth peer name b1")
for n in range(50):
    ip(f"link set b0 mtu {1301 + n}")
assert loop.run_until(lambda: "b0" in told, 60)
assert told["b0"].mtu == 1350, told
assert sorted(gone) == sorted({first["a0"], first["a1"]}), gone
print("ok")
"""


@needs_root
def test_more_than_the_socket_holds() -> None:
    done = subprocess.run(
        ["unshare", "--net", sys.executable, "-c", _OVERFLOWED], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "ok\n", done.stderr


def test_only_what_goes_is_gone() -> None:
    told: list[str] = []
    loop = Loop()
    links = Links(loop, lambda link: told.append(f"{link.name} {link.mtu}"), lambda index: told.append(f"-{index}"))
    try:
        links._messages(message(NEW_LINK, 99, UP, name=b"x\0") + message(DEL_LINK, 99, 0, name=b"x\0"))
        assert told == ["x 0", "-99"]
        links._known.add(12345)
        links.look_again()
        assert told[2] == "-12345" and any(each.startswith("lo ") for each in told)
    finally:
        links.close()
        loop.close()

"""Captures as ports, on the keeper's side: opened, looked at, and refused with their reason.

The forwarder gets descriptors that say themselves what they are for (one opened for reading, one for
writing). A written capture is emptied only when the forwarder takes it up, and everything is locked as
long as a port has it, so that no two ports write one file or write what another reads.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import struct
from pathlib import Path
from typing import Any

from itf import limits
from itf.mistakes import Mistake
from itf.segment import C
from vns.port import OpenPort, PortRefused

MTU = 1500  #: a capture has none; what an Ethernet port has by default
_HEADER_BYTES = 65536  #: are looked at to see what a file is
_WORD_BROKE_OFF = 3  #: in pcap.c
_MOST_BLOCKS = 100_000  #: of a pcapng file before the one that describes its first interface

_RAW = (12, 14, 101, 228, 229)
#: link type as the file numbers it -> what comes out of it
LINKS: dict[int, int] = {
    1: C.LINK_ETHERNET,
    0: C.LINK_IP,
    108: C.LINK_IP,
    113: C.LINK_IP,
    276: C.LINK_IP,
    **dict.fromkeys(_RAW, C.LINK_IP),
}
_SECTION = b"\x0a\x0d\x0d\x0a"  #: pcapng
SUPPORTED = "Ethernet, raw IP, Linux cooked v1 and v2, BSD null and loop"
#: https://www.tcpdump.org/linktypes.html, those that people do have
_OTHER_NAMES = {
    6: "IEEE802_5", 7: "ARCNET_BSD", 8: "SLIP", 9: "PPP", 10: "FDDI", 50: "PPP_HDLC", 51: "PPP_ETHER",
    104: "C_HDLC", 105: "IEEE802_11", 107: "FRELAY", 114: "LTALK", 117: "PFLOG", 119: "PRISM_HEADER",
    122: "IP_OVER_FC", 127: "IEEE802_11_RADIO", 147: "USER0", 163: "IEEE802_11_AVS", 187: "BLUETOOTH_HCI_H4",
    189: "USB_LINUX", 192: "PPI", 195: "IEEE802_15_4_WITHFCS", 220: "USB_LINUX_MMAPPED", 227: "CAN_SOCKETCAN",
    239: "NFLOG", 249: "USBPCAP", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK",
}  # fmt: skip


class _Wrong(Exception):
    def __init__(self, found: str, expected: str, remedy: str | None = None):
        super().__init__(found)
        self.found, self.expected, self.remedy = found, expected, remedy


class CapturePort(OpenPort):
    """An open capture port. parameters[0]: 1 + enum link_type of what it reads, 0 if it reads nothing."""

    def __init__(self, name: str):
        super().__init__(name, C.PORT_PCAP)
        self.parameters = [0]
        self.mtu = MTU

    def own(self, fd: int) -> int:
        self.fds.append(super().own(fd))
        return fd

    def forget_unless_written(self, path: Path) -> None:
        """A file that was made for this port and never taken up goes away with it."""

        def forget() -> None:
            with contextlib.suppress(OSError):
                if path.stat().st_size == 0:
                    path.unlink()

        self.undo.callback(forget)


def open(name: str, read: str | Path | None = None, write: str | Path | None = None) -> CapturePort:
    """Open port `name`, reading the capture `read` and writing `write`; either may be missing.

    Raises PortRefused with everything that is wrong with the two.
    """
    port = CapturePort(name)
    port.why = _why(read, write)
    mistakes: list[Mistake] = []
    for path, opener, verb in ((read, _open_read, "read"), (write, _open_write, "write")):
        if path is None:
            continue
        try:
            opener(port, Path(path))
        except _Wrong as wrong:
            mistakes.append(_mistake(name, verb, path, wrong))
        except OSError as error:
            mistakes.append(_mistake(name, verb, path, _explain(error, Path(path), verb)))
    if mistakes:
        port.close()
        raise PortRefused(mistakes)
    if not port.fds:  # nothing comes in by it, and what leaves is counted and gone
        port.own(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
    return port


def probe(path: str | Path) -> str | None:
    """Why this file cannot be read as a port; None if it can."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        return _explain(error, Path(path), "read").found
    try:
        _link_type(fd)
    except _Wrong as wrong:
        return wrong.found
    except OSError as error:
        return limits.words(error)
    finally:
        os.close(fd)
    return None


def _why(read: str | Path | None, write: str | Path | None) -> str:
    parts = [f"{verb} {path}" for verb, path in (("reads", read), ("writes", write)) if path is not None]
    return " and ".join(parts) if parts else "no capture: nothing comes in, what leaves is gone"


def _mistake(name: str, verb: str, path: str | Path, wrong: _Wrong) -> Mistake:
    return Mistake(
        file=str(path), field=f"ports.{name}.{verb}", found=wrong.found, expected=wrong.expected, remedy=wrong.remedy
    )


def _explain(error: OSError, path: Path, verb: str) -> _Wrong:
    expected = "a capture file" if verb == "read" else "a file that can be written"
    if isinstance(error, FileNotFoundError):
        missing = path if verb == "read" else path.parent
        return _Wrong(f"{missing} does not exist", expected, "check the path")
    if isinstance(error, IsADirectoryError):
        return _Wrong("a directory", expected, "name a file in it")
    if isinstance(error, PermissionError):
        return _Wrong("permission denied", expected, f"let this user {verb} it")
    return _Wrong(limits.words(error), expected)


def _lock(fd: int, how: int, found: str, remedy: str) -> None:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _Wrong(found, "a file that no running port uses", remedy) from None


def broke_off(words: Any) -> bool:
    """Whether the capture that a port read ended before its end, by `words`: its part of forwarder.memory."""
    return bool(words[_WORD_BROKE_OFF])


def _open_read(port: CapturePort, path: Path) -> None:
    fd = port.own(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    number = _link_type(fd)
    _lock(fd, fcntl.LOCK_SH, "a capture that a port is writing now", "write to another file")
    port.link = LINKS[number]
    port.parameters[0] = 1 + port.link


def _open_write(port: CapturePort, path: Path) -> None:
    flags = os.O_WRONLY | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        fd = port.own(os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644))
        port.forget_unless_written(path)
    except FileExistsError:
        fd = port.own(os.open(path, flags))
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        _lock(fd, fcntl.LOCK_EX, "a capture that a port reads or writes now", "write to another file")
    elif not os.path.samefile(path, os.devnull):
        raise _Wrong("neither a regular file nor /dev/null", "a file that can be written", "name a file")


def _link_type(fd: int) -> int:
    """The link type of the (first interface of the) capture, one of LINKS. Raises _Wrong if it is none."""
    status = os.fstat(fd)
    if stat.S_ISDIR(status.st_mode):
        raise _Wrong("a directory", "a capture file", "name a file in it")
    if not stat.S_ISREG(status.st_mode):
        raise _Wrong("not a regular file", "a capture file", "save the packets in a file first")
    head = os.pread(fd, _HEADER_BYTES, 0)
    if not head:
        raise _Wrong("an empty file", "a pcap or pcapng capture", "capture again: nothing was written")
    number = _first_interface(fd, head) if head[:4] == _SECTION else _number(head)
    if number not in LINKS:
        name = _OTHER_NAMES.get(number, "unknown")
        remedy = "capture on another interface, or convert it (editcap -T changes what the file says only)"
        raise _Wrong(f"link type {name} ({number})", SUPPORTED, remedy)
    return number


def _number(head: bytes) -> int:
    expected = "a pcap or pcapng capture"
    magic = head[:4]
    for order in "<", ">":
        if magic in (struct.pack(order + "I", m) for m in (0xA1B2C3D4, 0xA1B23C4D, 0xA1B2CD34)):
            if len(head) < 24:
                raise _Wrong(f"a pcap header cut short ({len(head)} of 24 bytes)", expected, "capture again")
            return int(struct.unpack_from(order + "I", head, 20)[0]) & 0x03FFFFFF  # above: FCS length
    if magic[:2] == b"\x1f\x8b":
        raise _Wrong("a gzip-compressed file", expected, "unpack it with gunzip first")
    raise _Wrong(f"not a capture (it begins with {magic.hex(' ')})", expected, "is it the right file?")


def _first_interface(fd: int, head: bytes) -> int:
    """The link type that a pcapng file's first interface has. Blocks before it (secrets, names) may be of any size."""
    order = "<" if head[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    at = 0
    for _ in range(_MOST_BLOCKS):
        start = os.pread(fd, 10, at)
        if len(start) < 10:
            break
        kind, length, link = struct.unpack(order + "IIH", start)
        if kind == 1:
            return int(link)
        if length < 12 or length % 4:
            break
        at += length
    raise _Wrong("a pcapng file that describes no interface", "a pcap or pcapng capture", "capture again")

"""What an interface says of itself and its offloads, through ioctl: no subprocess, no sysfs (which shows the
interfaces of the namespace that it was mounted in, not of ours).

Constants: linux/sockios.h, linux/ethtool.h, linux/if.h. Every function raises OSError.
"""

from __future__ import annotations

import array
import fcntl
import functools
import socket
import struct
from errno import EOPNOTSUPP

SIOCGIFFLAGS, SIOCSIFFLAGS = 0x8913, 0x8914
SIOCGIFMTU = 0x8921
SIOCGIFHWADDR = 0x8927
SIOCETHTOOL = 0x8946
GDRVINFO, GSTRINGS, GSSET_INFO, GFEATURES, SFEATURES, GCHANNELS = 0x03, 0x1B, 0x37, 0x3A, 0x3B, 0x3C
SS_FEATURES = 4
STRING = 32  #: bytes of a name in a string set
IFF_UP, IFF_LOOPBACK = 0x1, 0x8
ARPHRD_ETHER = 1


def _ifreq(interface: str, request: int, body: bytes) -> bytes:
    packed = struct.pack("16s24s", interface.encode(), body)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        return fcntl.ioctl(control, request, packed)[16:]


def _ethtool(interface: str, command: bytes) -> bytes:
    buffer = array.array("B", command)
    address, _ = buffer.buffer_info()
    _ifreq(interface, SIOCETHTOOL, struct.pack("P", address))
    return buffer.tobytes()


def flags(interface: str) -> int:
    return int(struct.unpack_from("H", _ifreq(interface, SIOCGIFFLAGS, b""))[0])


def set_up(interface: str, up: bool) -> None:
    now = flags(interface)
    wanted = now | IFF_UP if up else now & ~IFF_UP
    if wanted != now:
        _ifreq(interface, SIOCSIFFLAGS, struct.pack("H", wanted))


def mtu(interface: str) -> int:
    return int(struct.unpack_from("i", _ifreq(interface, SIOCGIFMTU, b""))[0])


def hardware(interface: str) -> tuple[int, bytes]:
    """ARPHRD_* type and address."""
    answer = _ifreq(interface, SIOCGIFHWADDR, b"")
    return struct.unpack_from("H", answer)[0], answer[2:8]


def driver(interface: str) -> str:
    """Name of the driver, "" if it does not say."""
    try:
        answer = _ethtool(interface, struct.pack("I192x", GDRVINFO))
    except OSError as error:
        if error.errno != EOPNOTSUPP:
            raise
        return ""
    return answer[4:36].split(b"\0", 1)[0].decode()


def receive_queues(interface: str) -> int:
    """Receive queues in use; 1 if the driver has nothing to say about channels."""
    try:
        answer = _ethtool(interface, struct.pack("9I", GCHANNELS, *[0] * 8))
    except OSError as error:
        if error.errno != EOPNOTSUPP:
            raise
        return 1
    _, _, _, _, _, receive, _, _, combined = struct.unpack("9I", answer)
    return max(1, receive + combined)


@functools.cache
def _feature_names(interface: str) -> tuple[str, ...]:
    """The kernel's names of all features, in the order of their bits (the same for every interface)."""
    sizes = _ethtool(interface, struct.pack("IIQI", GSSET_INFO, 0, 1 << SS_FEATURES, 0))
    count = struct.unpack_from("I", sizes, 16)[0]
    answer = _ethtool(interface, struct.pack("3I", GSTRINGS, SS_FEATURES, count) + bytes(count * STRING))
    rows = (answer[12 + i * STRING : 12 + (i + 1) * STRING] for i in range(count))
    return tuple(row.split(b"\0", 1)[0].decode() for row in rows)


def feature(interface: str, name: str) -> tuple[bool, bool]:
    """Of a feature such as "rx-gro": is it on, may it be changed? (False, False) for an unknown one."""
    names = _feature_names(interface)
    if name not in names:
        return False, False
    word, bit = divmod(names.index(name), 32)
    words = (len(names) + 31) // 32
    answer = _ethtool(interface, struct.pack("II", GFEATURES, words) + bytes(words * 16))
    available, _, active, never = struct.unpack_from("4I", answer, 8 + word * 16)
    may = bool(available >> bit & 1) and not never >> bit & 1
    return bool(active >> bit & 1), may


def set_feature(interface: str, name: str, on: bool) -> None:
    """Ask for it; whether the driver obeyed, `feature` says."""
    names = _feature_names(interface)
    word, bit = divmod(names.index(name), 32)
    words = (len(names) + 31) // 32
    body = bytearray(words * 8)
    struct.pack_into("II", body, word * 8, 1 << bit, (1 << bit) if on else 0)
    _ethtool(interface, struct.pack("II", SFEATURES, words) + bytes(body))

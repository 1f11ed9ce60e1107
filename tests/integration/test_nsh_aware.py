"""NSH-aware VNFCs in C and Python: what they see, what they may change, and what is made of nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import nsh_frames as wire
from tests.nsh_frames import ETHERNET, datagram, ether, md1, md2, on_ethernet, tlv
from tests.nsh_rig import through
from tests.packages import FORWARD_C

MIXED = """
vnfcs:
  before: {{source: forward.c}}
  aware: {{source: {source}, nsh: aware}}
  behind: {{source: context.c}}
chain: in -> before -> aware -> behind -> out
paths: [{{spi: 42, chain: main}}]
"""
CHAIN = "chain: in -> one -> out\npaths: [{spi: 42, chain: main}]\n"
#: what an unaware VNFC behind the aware one sees of its doings
CONTEXT_C = """#include <coven/vnfc.h>
VNFC_HANDLE
{
	uint32_t size;
	p->context[15] = vnfc_nsh(p, &size) ? 0xff : p->context[0];
	return VNFC_FORWARD;
}
"""
#: the source port says what to do
AWARE_C = """#include <coven/vnfc.h>
VNFC_HANDLE
{
	uint32_t size, len;
	uint8_t *nsh = vnfc_nsh(p, &size), *value;
	struct udp_header *udp = vnfc_udp(p);
	if (!nsh)
		return VNFC_FORWARD;
	switch (net16(udp->sport)) {
	case 1: nsh_context(nsh)[0] = 0xaa; break;
	case 2: vnfc_set_nsh_path(p, 77, 9); break;
	case 3: vnfc_add_nsh_tlv(p, 0x100, 3, "new", 3); break;
	case 4: if ((value = vnfc_nsh_tlv(p, 0x100, 1, &len))) memcpy(value, "TENANT", len); break;
	case 5: vnfc_remove_nsh_tlv(p, 0x100, 1); break;
	case 6: p->context[0] = 0xbb; break;
	case 7: vnfc_set_nsh_path(p, vnfc_nsh_path(p) >> 8, (vnfc_nsh_path(p) & 255) - 1); break;
	case 8: nsh[1] ^= 1; break;
	case 9: nsh[3] = 1; break;
	case 10: nsh[0] |= 0x80; break;
	case 11: p->nsh_len = 9999; break;
	case 12: p->nsh_len = 0; break;
	case 13: vnfc_copy_to(p, 0); vnfc_set_nsh_path(p, 78, 1); break;
	}
	return VNFC_FORWARD;
}
"""
AWARE_PY = """from vnfc import forward
def handle(packet):
    nsh, case = packet.nsh, packet.udp.sport
    if nsh is None:
        return forward()
    if case == 1:
        packet.context[0] = 0xaa
    elif case == 2:
        nsh.spi, nsh.si = 77, 9
    elif case == 3:
        nsh.add_tlv(0x100, 3, b"new")
    elif case == 4 and nsh.tlv(0x100, 1) == b"tenant" and nsh.tlvs() == [(0x100, 1, b"tenant")]:
        nsh.remove_tlv(0x100, 1), nsh.add_tlv(0x100, 1, b"TENANT")
    elif case == 5:
        nsh.remove_tlv(0x100, 1)
    elif case == 6:
        packet.context[0] = 0xbb
    elif case == 7:
        nsh.si -= 1
    elif case in (8, 9, 10, 11, 12):
        nsh.next = 1
    elif case == 13:
        copy = packet.copy_to(0)
        nsh.spi, nsh.si = 78, 1
    return forward()
"""
TENANT = tlv(0x100, 1, b"tenant")


def frame(number: int) -> bytes:
    return ether(datagram(number))


def marked(first: int) -> bytes:
    """The context with which packets leave whose first byte an aware VNFC set."""
    return bytes([first]) + wire.CONTEXT[1:15] + bytes([first])


@pytest.mark.parametrize("language", ["c", "py"])
def test_what_aware_vnfcs_change_is_what_leaves(tmp_path: Path, language: str) -> None:
    headers = {n: md1(next=ETHERNET) for n in (1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 99)}
    headers |= {n: md2(TENANT, next=ETHERNET) for n in (3, 4, 5)}
    came = [on_ethernet(headers[n], frame(n)) for n in sorted(headers)] + [frame(1)]
    done = through(
        tmp_path,
        MIXED.format(source=f"aware.{language}"),
        came,
        forward_c=FORWARD_C,
        context_c=CONTEXT_C,
        **{f"aware_{language}": AWARE_C if language == "c" else AWARE_PY},
    )
    same = marked(wire.CONTEXT[0])
    sent = {
        1: md1(marked(0xAA), si=254, next=ETHERNET),
        2: md1(same, spi=77, si=9, next=ETHERNET),
        3: md2(TENANT, tlv(0x100, 3, b"new"), si=254, next=ETHERNET),
        4: md2(tlv(0x100, 1, b"TENANT"), si=254, next=ETHERNET),
        5: md2(si=254, next=ETHERNET),
        6: md1(marked(0xBB), si=254, next=ETHERNET),
        7: md1(same, si=254, next=ETHERNET),
    }
    expected = [on_ethernet(header, frame(n)) for n, header in sent.items()]
    copy, moved = md1(same, si=254, next=ETHERNET), md1(same, spi=78, si=1, next=ETHERNET)
    expected += [on_ethernet(copy, frame(13)), on_ethernet(moved, frame(13))]
    expected += [on_ethernet(copy, frame(99)), frame(1)]
    assert done.out["out"] == expected
    assert done.dropped == {"nsh.bad_header": 5} and done.status["cloned"] == 1


def test_oam_reaches_aware_vnfcs(tmp_path: Path) -> None:
    descriptor = "vnfcs: {one: {source: one.c, nsh: aware}}\n" + CHAIN
    done = through(tmp_path, descriptor, [on_ethernet(md1(oam=1), datagram())])
    assert done.out["out"] == [on_ethernet(md1(oam=1, si=254), datagram())]
    assert done.status["vnfcs"]["one"]["received"] == 1


def test_copies_of_unaware_vnfcs_keep_their_header(tmp_path: Path) -> None:
    copy = "#include <coven/vnfc.h>\nVNFC_HANDLE { vnfc_copy_to(p, 0); return VNFC_FORWARD; }\n"
    descriptor = "vnfcs: {one: {source: one.c}}\n" + CHAIN
    done = through(tmp_path, descriptor, [on_ethernet(md1(), datagram())], one_c=copy)
    assert done.out["out"] == [on_ethernet(md1(si=254), datagram())] * 2

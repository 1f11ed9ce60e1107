"""NSH-aware VNFCs in every language: what they see, what they may change, and what is made of nonsense."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pps.frameworks import missing
from tests.rigs import nsh_frames as wire
from tests.rigs.nsh import through
from tests.rigs.nsh_frames import ETHERNET, datagram, ether, md1, md2, on_ethernet, tlv
from tests.rigs.packages import FORWARD_C

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
	case 14: nsh[0] ^= 0x30, nsh[2] ^= 0xf0, nsh_set_ttl(nsh, 9); break;
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
    elif case == 14:
        nsh.ttl = 9
    return forward()
"""
AWARE_JAVA = """import coven.*;
import java.util.Arrays;
public class Aware extends Vnfc {
    static final byte[] TENANT = "tenant".getBytes();
    public Verdict handle(Packet packet) {
        Nsh nsh = packet.nsh();
        int test = packet.udp().sport();
        if (nsh == null) {
            return forward();
        }
        switch (test) {
            case 1 -> packet.context(0, 0xaa);
            case 2 -> { nsh.spi(77); nsh.si(9); }
            case 3 -> nsh.addTlv(0x100, 3, "new".getBytes());
            case 4 -> {
                Nsh.Tlv only = nsh.tlvs().get(0);
                if (Arrays.equals(nsh.tlv(0x100, 1), TENANT) && only.mdClass() == 0x100 && only.type() == 1
                        && Arrays.equals(only.value(), TENANT) && nsh.tlv(0x100, 2) == null
                        && nsh.removeTlv(0x100, 1) && !nsh.removeTlv(0x100, 1)) {
                    nsh.addTlv(0x100, 1, "TENANT".getBytes());
                }
            }
            case 5 -> nsh.removeTlv(0x100, 1);
            case 6 -> packet.context(0, 0xbb);
            case 7 -> nsh.si(nsh.si() - 1);
            case 8 -> nsh.addTlv(0x100, 3, new byte[1]);
            case 9 -> nsh.si(256);
            case 10 -> nsh.spi(1 << 24);
            case 11 -> nsh.addTlv(0x100, 3, new byte[128]);
            case 12 -> nsh.si(-1);
            case 13 -> { packet.copyTo(0); nsh.spi(78); nsh.si(1); }
            default -> { }
        }
        return forward();
    }
}
"""
AWARE_JS = """const { forward } = require("vnfc");
exports.handle = (packet) => {
  const { nsh } = packet;
  if (!nsh) return forward();
  switch (packet.udp.sport) {
    case 1: packet.context[0] = 0xaa; break;
    case 2: nsh.spi = 77; nsh.si = 9; break;
    case 3: nsh.addTlv(0x100, 3, "new"); break;
    case 4: {
      const [only] = nsh.tlvs();
      if (nsh.tlv(0x100, 1).equals(Buffer.from("tenant")) && only.mdClass === 0x100 && only.type === 1 &&
          only.value.equals(Buffer.from("tenant")) && nsh.tlv(0x100, 2) === null && nsh.removeTlv(0x100, 1) &&
          !nsh.removeTlv(0x100, 1)) nsh.addTlv(0x100, 1, Buffer.from("TENANT"));
      break;
    }
    case 5: nsh.removeTlv(0x100, 1); break;
    case 6: packet.context[0] = 0xbb; break;
    case 7: nsh.si -= 1; break;
    case 8: nsh.addTlv(0x100, 3, Buffer.alloc(1)); break;
    case 9: nsh.si = 256; break;
    case 10: nsh.spi = 1 << 24; break;
    case 11: nsh.addTlv(0x100, 3, Buffer.alloc(128)); break;
    case 12: nsh.si = 1.5; break;
    case 13: packet.copyTo(0); nsh.spi = 78; nsh.si = 1; break;
  }
  return forward();
};
"""
#: file, its text, what cases 8 to 12 come to: headers that are none, or exceptions of those who see to it
LANGUAGES = {
    "c": ("aware.c", AWARE_C, "nsh.bad_header"),
    "c++": ("aware.cc", AWARE_C, "nsh.bad_header"),
    "python": ("aware.py", AWARE_PY, "nsh.bad_header"),
    "java": ("Aware.java", AWARE_JAVA, "aware.exception"),
    "javascript": ("aware.js", AWARE_JS, "aware.exception"),
}
TENANT = tlv(0x100, 1, b"tenant")


def frame(number: int) -> bytes:
    return ether(datagram(number))


def marked(first: int) -> bytes:
    """The context with which packets leave whose first byte an aware VNFC set."""
    return bytes([first]) + wire.CONTEXT[1:15] + bytes([first])


def needed(language: str) -> str | None:
    """What is not installed for it."""
    if language == "c++":
        return None if shutil.which("g++") else "no g++"
    absent = missing(language)
    return absent.found if absent else None


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_aware_vnfcs_change_is_what_leaves(tmp_path: Path, language: str) -> None:
    if absent := needed(language):
        pytest.skip(absent)
    source, text, nonsense = LANGUAGES[language]
    headers = {n: md1(next=ETHERNET) for n in (1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 99)}
    headers |= {n: md2(TENANT, next=ETHERNET) for n in (3, 4, 5)}
    came = [on_ethernet(headers[n], frame(n)) for n in sorted(headers)] + [frame(1)]
    done = through(
        tmp_path,
        MIXED.format(source=source),
        came,
        forward_c=FORWARD_C,
        context_c=CONTEXT_C,
        **{source.replace(".", "_"): text},
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
    # O bit, TTL and unassigned bits are not a service function's to change
    expected += [on_ethernet(copy, frame(14)), on_ethernet(copy, frame(99)), frame(1)]
    assert done.out["out"] == expected
    assert done.dropped == {nonsense: 5} and done.status["cloned"] == 1


def test_click_sees_paths_and_tlvs(tmp_path: Path) -> None:
    if absent := missing("click"):
        pytest.skip(str(absent.found))
    text = """
        out :: ToDevice(next);
        FromDevice(in) -> s :: ServicePathSwitch(42, 43);
        s[0] -> SetServicePath(77, 9) -> out;
        s[1] -> t :: TLVSwitch(0x100, 1, 1) -> Discard(REASON zero);
        t[1] -> SetTLV(0x100, 1, "4e4557ff") -> out;
        t[2] -> SetTLV(0x100, 3, "") -> out;
        s[2] -> out;
    """
    two = {"spi": 43, "next": ETHERNET}
    came = [
        on_ethernet(md1(next=ETHERNET), frame(1)),
        on_ethernet(md2(tlv(0x100, 1, b"\0\1"), **two), frame(2)),
        on_ethernet(md2(tlv(0x100, 1, b"\1\0"), **two), frame(3)),
        on_ethernet(md2(tlv(0x100, 1, b"\1"), **two), frame(4)),
        on_ethernet(md2(**two), frame(5)),
        frame(6),
    ]
    descriptor = "vnfcs: {one: {source: one.click, nsh: aware}}\nchain: in -> one -> out\n"
    done = through(tmp_path, descriptor, came, one_click=text)
    empty, fewer = tlv(0x100, 3, b""), {**two, "si": 254}
    assert done.out["out"] == [
        on_ethernet(md1(spi=77, si=9, next=ETHERNET), frame(1)),
        on_ethernet(md2(tlv(0x100, 1, b"NEW\xff"), **fewer), frame(2)),
        on_ethernet(md2(tlv(0x100, 1, b"\1"), empty, **fewer), frame(4)),
        on_ethernet(md2(empty, **fewer), frame(5)),
        frame(6),
    ]
    assert done.dropped == {"one.zero": 1}


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

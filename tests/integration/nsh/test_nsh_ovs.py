"""Interoperation with Open vSwitch's userspace datapath: it classifies, forwards and ends paths, we are the
service function between.

Client and server have `tx off`: OVS's userspace ports take neither unfinished checksums nor super-frames.
Nothing of ours needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.keeper import wait_for
from tests.rigs.nsh_lab import Appliance, Net
from tests.rigs.ovs import OpenVSwitch, there
from tests.rigs.packages import package

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not there(), reason="no Open vSwitch (apt: openvswitch-switch)"),
]

MEGABYTES, LONG_MEGABYTES = 20, 500
WIRE_MTU = 1600
CONTEXT = "set_field:0x01020304->nsh_c1,set_field:0xa0b0c0d0->nsh_c4,"
OUTER = "encap(ethernet),set_field:02:00:00:00:03:01->eth_src,set_field:02:00:00:00:03:02->eth_dst,"
#: these drop what does not bring the context that OVS wrote; the kernels at the wires' ends say things of
#: their own, in IPv6 and without NSH
CHECK_C = """#include <coven/vnfc.h>
VNFC_REASON(context, "not the context that the classifier wrote");
VNFC_HANDLE
{
	static const uint8_t wanted[16] = { 1, 2, 3, 4, [12] = 0xa0, 0xb0, 0xc0, 0xd0 };
	return vnfc_ip4(p) && memcmp(p->context, wanted, 16) ? VNFC_DROP(context) : VNFC_FORWARD;
}
"""
CHECK_TLV_C = """#include <coven/vnfc.h>
VNFC_REASON(tlv, "not the TLVs that the classifier wrote");
VNFC_HANDLE
{
	uint32_t one, two, size;
	if (!vnfc_nsh(p, &size))
		return vnfc_ip4(p) ? VNFC_DROP(tlv) : VNFC_FORWARD;
	uint8_t *first = vnfc_nsh_tlv(p, 0x1000, 10, &one), *second = vnfc_nsh_tlv(p, 0x2000, 20, &two);
	if (!first || !second || one != 4 || two != 8 || memcmp(first, "\\x12\\x34\\x56\\x78", 4))
		return VNFC_DROP(tlv);
	return VNFC_FORWARD;
}
"""


class Between(Net):
    """client - OVS - our appliance - OVS - server: s1 and s2 are OVS's ends of the wires to the appliance."""

    def __init__(self) -> None:
        super().__init__("client", "ovs", "sf", "server")
        mac = iter(f"02:00:00:00:04:0{n}" for n in range(8))
        try:
            self.wire(("client", "eth0", next(mac)), ("ovs", "c0", next(mac)))
            self.wire(("server", "eth0", next(mac)), ("ovs", "d0", next(mac)))
            self.wire(("ovs", "s1", next(mac)), ("sf", "in0", next(mac)), WIRE_MTU)
            self.wire(("ovs", "s2", next(mac)), ("sf", "out0", next(mac)), WIRE_MTU)
            self.ends()
            for end in ("client", "server"):
                self[end].run("ethtool", "-K", "eth0", "tx", "off")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise


@pytest.fixture
def net() -> Iterator[Between]:
    with Between() as net:
        yield net


@pytest.fixture
def ovs(net: Between) -> Iterator[OpenVSwitch]:
    with OpenVSwitch(net["ovs"]) as ovs:
        yield ovs


def classify(ovs: OpenVSwitch, bridge: str, port: str, spi: int, to: str, nsh: str, more: str = "") -> None:
    path = f"encap(nsh({nsh})),set_field:{spi}->nsh_spi,set_field:255->nsh_si,{more}"
    ovs.flow(bridge, f"in_port={port},actions={path}{OUTER}output:{to}")


def end(ovs: OpenVSwitch, bridge: str, port: str, spi: int, si: int, to: str, more: str = "") -> None:
    ovs.flow(
        bridge,
        f"in_port={port},dl_type=0x894f,nsh_spi={spi},nsh_si={si},actions=decap(),{more}decap(),output:{to}",
    )


def test_between_two_hops_with_md_type_1(
    net: Between, ovs: OpenVSwitch, tmp_path: Path, long_run: bool
) -> None:
    text = """
vnfcs: {check: {source: check.c}}
chain: in -> check -> out
paths: [{spi: 42, si: 255, chain: main}, {spi: 43, si: 255, chain: main}]
"""
    source = package(tmp_path / "package", text, check_c=CHECK_C)
    ovs.bridge("br1", c0=1, s1=2)
    ovs.bridge("br2", d0=1, s2=2)
    classify(ovs, "br1", "1", 42, "2", "md_type=1", CONTEXT)
    end(ovs, "br2", "2", 42, 254, "1")
    classify(ovs, "br2", "1", 43, "2", "md_type=1", CONTEXT)
    end(ovs, "br1", "2", 43, 254, "1")
    appliance = Appliance(net, "sf", tmp_path / "sf", source, {"in": "in0", "out": "out0"})
    wait_for(lambda: net.ping() == 1)
    net.transfer(LONG_MEGABYTES if long_run else MEGABYTES)
    net.transfer(5, frm="server", to="10.20.0.1", at="client")
    status = appliance.status()
    assert "check.context" not in status["dropped"] and status["vnfcs"]["check"]["forwarded"] > 0
    assert not any(name.startswith("nsh.") for name in status["dropped"]), status["dropped"]


def test_one_armed_behind_a_forwarder_with_md_type_2(net: Between, ovs: OpenVSwitch, tmp_path: Path) -> None:
    text = """
ports: {arm: {nsh: ethernet}}
vnfcs: {check: {source: check.c, nsh: aware}}
chain: {arm: check -> arm}
paths: [{spi: 42, chain: main}, {spi: 43, chain: main}]
"""
    source = package(tmp_path / "package", text, check_c=CHECK_TLV_C)
    ovs.bridge("br1", c0=1, s1=2, d0=3)
    tlvs = "md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210)"
    classify(ovs, "br1", "1", 42, "2", tlvs)
    classify(ovs, "br1", "3", 43, "2", tlvs)
    end(ovs, "br1", "2", 42, 254, "3", "dec_nsh_ttl,")
    end(ovs, "br1", "2", 43, 254, "1", "dec_nsh_ttl,")
    appliance = Appliance(net, "sf", tmp_path / "sf", source, {"arm": "in0"})
    wait_for(lambda: net.ping() == 1)
    net.transfer(5)
    net.transfer(5, frm="server", to="10.20.0.1", at="client")
    status = appliance.status()
    assert not {"check.tlv", "nsh.bad_header"} & status["dropped"].keys()
    assert status["ports"]["arm"]["sent"] == status["vnfcs"]["check"]["forwarded"] > 0

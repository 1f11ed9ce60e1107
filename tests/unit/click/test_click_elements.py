"""Compiled elements: bytes, drops, handlers, and what time does, against what Click's documentation says."""

from __future__ import annotations

from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from itf.segment import RESERVED_REASONS, C
from pps.click.elements import load
from tests.rigs.click import Running, mistakes

MAC = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
UDP_PACKET = bytes(MAC / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9, tos=1) / UDP(sport=5, dport=6) / Raw(b"hello"))
TCP_PACKET = bytes(MAC / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=5, dport=6, seq=7, ack=8) / Raw(b"odd"))


def sent(packet: Packet) -> bytes:
    return bytes(packet)


def changed(packet: bytes, change: str, tmp_path: Path) -> bytes:
    """The packet after `change`, with Ethernet stripped and put back around it."""
    text = f"FromDevice(in) -> Strip(14) -> CheckIPHeader -> {change} -> Unstrip(14) -> ToDevice(next);"
    with Running(tmp_path, text) as click:
        (back,) = click.send(packet)
        assert click.fate(back) == "to 0"
        return back.data


def test_ip_headers_change_and_keep_their_checksums(tmp_path: Path) -> None:
    chain = "DecIPTTL -> SetIPDSCP(46) -> SetIPECN(ce) -> SetIPAddress(192.168.7.8) -> StoreIPAddress(dst) ->" \
            "StoreIPAddress(172.16.0.1, src)"  # fmt: skip
    expected = sent(MAC / IP(src="172.16.0.1", dst="192.168.7.8", ttl=8, tos=46 << 2 | 3)
                    / UDP(sport=5, dport=6) / Raw(b"hello"))  # fmt: skip
    assert changed(UDP_PACKET, chain, tmp_path) == expected
    mirrored = Ether(changed(TCP_PACKET, "IPMirror -> GetIPAddress(12) -> StoreIPAddress(16)", tmp_path))
    assert (mirrored[TCP].sport, mirrored[TCP].dport, mirrored[TCP].seq, mirrored[TCP].ack) == (6, 5, 8, 7)
    assert mirrored[IP].src == mirrored[IP].dst == "10.0.0.2", "the raw store at 16 touches no checksum"


def test_checksums_are_made_and_checked(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> Strip(14) -> MarkIPHeader -> c :: IPClassifier(tcp, udp, -);
        c[0] -> SetTCPChecksum -> t :: CheckTCPHeader -> s :: SetIPChecksum -> i :: CheckIPHeader(BADSRC
        9.9.9.9)
             -> Unstrip(14) -> ToDevice(next);
        c[1] -> u :: CheckUDPHeader -> s;  c[2] -> m :: CheckICMPHeader -> s;
    """
    spoiled = bytearray(TCP_PACKET)
    spoiled[14 + 10] ^= 0xFF
    spoiled[14 + 20 + 16] ^= 0xFF
    bad_udp = bytearray(UDP_PACKET)
    bad_udp[-1] ^= 1
    ping = sent(MAC / IP(dst="10.0.0.9", src="10.0.0.1") / ICMP() / Raw(b"abc"))
    bad_ping = bytearray(ping)
    bad_ping[-1] ^= 1
    from_nowhere = sent(MAC / IP(src="9.9.9.9", dst="10.0.0.2") / UDP() / Raw(b"x"))
    padded = UDP_PACKET + bytes(9)
    with Running(tmp_path, text) as click:
        (back,) = click.send(bytes(spoiled))
        assert back.data == TCP_PACKET
        assert click.fates(bytes(bad_udp), bytes(bad_ping), ping, from_nowhere, b"\x01" * 20) == [
            "bad_udp_header", "bad_icmp_header", "to 0", "bad_ip_header", "bad_icmp_header",
        ]  # fmt: skip
        assert click.send(padded)[0].data == UDP_PACKET, "cut to the IP length"
        assert [click.read(f"{e}.drops") for e in "tuimms"] == [0, 1, 1, 2, 2, 0]


def test_ethernet_and_vlan(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> h :: HostEtherFilter(02:00:00:00:00:02, DROP_OWN true) -> EtherMirror
            -> VLANEncap(VLAN_ID 7, VLAN_PCP 3) -> c :: Counter -> r :: Switch(0);
        r[0] -> ToDevice(next);
        r[1] -> VLANDecap -> Strip(14) -> EtherEncap(0x0800, 1-2-3-4-5-6, 6:5:4:3:2:1) -> ToDevice(next);
        r[2] -> VLANDecap -> VLANEncap(ANNO) -> w :: EtherRewrite(0:0:0:0:0:1, 0:0:0:0:0:2) -> ToDevice(next);
    """
    packet = Ether(UDP_PACKET)
    swapped = Ether(src=packet.dst, dst=packet.src) / Dot1Q(vlan=7, prio=3) / packet.payload
    other = bytes(Ether(src="02:00:00:00:00:05", dst="02:00:00:00:00:06")) + UDP_PACKET[14:]
    own = bytes(Ether(src="02:00:00:00:00:02", dst="ff:ff:ff:ff:ff:ff")) + UDP_PACKET[14:]
    with Running(tmp_path, text) as click:
        assert click.send(UDP_PACKET)[0].data == bytes(swapped)
        assert click.fates(other, own) == ["other_host", "other_host"]
        assert click.write("r.switch", "1")["ok"]
        assert click.send(UDP_PACKET)[0].data == bytes.fromhex("060504030201 010203040506 0800") + UDP_PACKET[14:]
        assert click.write("r.switch", "2")["ok"] and click.write("w.src", "0:0:0:0:0:9")["ok"]
        (back,) = click.send(UDP_PACKET)
        rewritten = bytes(Ether(src="00:00:00:00:00:09", dst="00:00:00:00:00:02") / Dot1Q(vlan=7, prio=3))
        assert back.data == rewritten[:16] + b"\x08\x00" + UDP_PACKET[14:] and back.l3 == 18
        assert click.read("w.src") == "00-00-00-00-00-09" and not click.write("w.src", "x")["ok"]
        assert click.write("r.switch", "9")["ok"] and click.read("r.switch") == -1
        assert click.fates(UDP_PACKET) == ["no_output"]


def test_switches_paint_and_copies(tmp_path: Path) -> None:
    text = """
        Settings(way s.switch);
        FromDevice(in) -> s :: Switch -> rr :: RoundRobinSwitch;
        rr[0] -> Paint(1) -> p :: PaintSwitch; rr[1] -> Paint(2) -> p; rr[2] -> Paint(9) -> p;
        p[0] -> Idle; p[1] -> CheckPaint(1) -> Discard(REASON one); p[2] -> t :: Tee(2) -> Discard(REASON
        two); t[1] -> ToDevice(back);
        s[1] -> h :: HashSwitch(14, 1) -> StaticSwitch(1)[1] -> Discard(REASON zero);
        h[1] -> ContextSwitch(3) => Discard(REASON low), Discard(REASON high);
    """.replace("StaticSwitch(1)[1]", "x :: StaticSwitch(1); x[0] -> Idle; x[1]")
    with Running(tmp_path, text) as click:
        assert click.fates(UDP_PACKET) == ["one"]
        assert sorted(click.fates(UDP_PACKET)) == [f"to {C.OUTPUT_BACK}", "two"]
        assert click.fates(UDP_PACKET) == ["no_output"]
        answer = click.forwarder.ask("configure", config={"way": 1})
        assert answer["ok"], answer
        assert click.fates(UDP_PACKET, b"x") == ["low", "zero"]
        assert click.fates(UDP_PACKET, context=b"\0\0\0\5") == ["high"]
        assert not click.forwarder.ask("configure", config={"way": "up"})["ok"]


def test_queues_hold_and_count(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> q :: Queue(3) -> u :: Unqueue(ACTIVE false) -> c :: Counter -> ToDevice(next);
        q[1] -> d :: Discard(REASON spilt);
    """
    with Running(tmp_path, text, hold_max=8) as click:
        assert click.fates(*[UDP_PACKET] * 5) == ["spilt", "spilt"]
        figures = [click.read(f"q.{name}") for name in ("length", "highwater_length", "drops", "capacity")]
        assert figures == [3, 3, 2, 3]
        assert click.write("u.active", "true")["ok"]
        click.forwarder.settle()
        assert [click.fate(b) for b in click.forwarder.taken()] == ["to 0"] * 3
        assert click.read("c.count") == 3 and click.read("c.byte_count") == 3 * len(UDP_PACKET)
        assert click.read("q.class") == "Queue" and click.read("q.config") == "3"
        assert "drops" in click.read("q.handlers") and click.read("handler", "list").startswith("6\n")
        assert click.write("u.active", "perhaps")["error"].startswith("u.active: expected")
    overfull = "FromDevice(in) -> Queue -> Unqueue(ACTIVE false) -> ToDevice(next);"
    with Running(tmp_path, overfull, hold_max=2) as click:
        assert click.fates(*[UDP_PACKET] * 3) == ["reason 8"], "hold_full"


def test_rates_under_the_captures_clock(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> s :: Switch(0);
        s[0] -> Queue -> RatedUnqueue(10, BURST_SIZE 2) -> ToDevice(next);
        s[1] -> RatedSplitter(100, BURST_SIZE 1) => ToDevice(next), Discard(REASON fast);
        s[2] -> Discard;
        s[3] -> m :: Meter(500) => ToDevice(next), Discard(REASON over);
        s[4] -> a :: AverageCounter -> ToDevice(next);
    """
    with Running(tmp_path, text, hold_max=64) as click:
        assert len(click.send(*[UDP_PACKET] * 5)) == 2, "a full bucket at first"
        assert [len(click.wait(0.1)) for _ in range(4)] == [1, 1, 1, 0]
        click.write("s.switch", "1")
        # of 100 a second: 10 ms bring a hair less than a token
        assert click.fates(*[UDP_PACKET] * 21, after=0.005).count("to 0") == 7
        click.write("s.switch", "3")
        fates = click.fates(*[UDP_PACKET] * 200, after=0.0005)
        assert fates[:4] == ["to 0"] * 4 and fates[-4:] == ["over"] * 4, "2000 a second is over 500"
        click.write("s.switch", "4")
        click.send(*[UDP_PACKET] * 11, after=0.1)
        assert click.read("a.count") == 11 and click.read("a.rate") == 11.0


def test_a_shaper_spreads_packets_evenly(tmp_path: Path) -> None:
    with Running(tmp_path, "FromDevice(in) -> Queue -> s :: Shaper(10) -> ToDevice(next);", hold_max=64) as click:
        assert len(click.send(*[UDP_PACKET] * 12, after=0.0)) == 1
        assert [len(click.wait(0.05)) for _ in range(24)] == [0, 1] * 11 + [0, 0]
        assert click.write("s.rate", "0")["ok"] and click.send(UDP_PACKET) == [] == click.wait(1.0)
        assert click.write("s.rate", "x")["error"] and click.read("s.rate") == 0


def test_random_outputs_are_equally_likely(tmp_path: Path) -> None:
    text = "FromDevice(in) -> r :: RandomSwitch => " + ", ".join(f"Discard(REASON d{i})" for i in range(4)) + ";"
    with Running(tmp_path, text, seed=5, frames=1024) as click:
        fates = [fate for _ in range(4) for fate in click.fates(*[UDP_PACKET] * 100)]
        assert len(fates) == 400
        # 400 draws, standard deviation 8.7: five of them either way
        assert all(56 < fates.count(f"d{i}") < 144 for i in range(4))


def test_no_reason_takes_a_name_of_the_platform() -> None:
    for name, cls in load().items():
        names = {*cls.reasons, *([cls.reason[0]] if cls.reason else [])}
        assert not names & RESERVED_REASONS, name


def test_devices_name_ports_and_outputs(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> a :: Counter -> ToDevice(second); FromDevice(out) -> b :: Counter -> ToDevice(in);
    """
    with Running(tmp_path, text, outputs=("next", "second")) as click:
        assert click.fates(UDP_PACKET, port=0) == ["to 1"]
        assert click.fates(UDP_PACKET, port=1) == ["to 0"], "not in by `in`: on to output 0"
        assert click.fates(UDP_PACKET, port=5) == ["no_device"]
    with Running(tmp_path, "FromDevice(x) -> ToDevice(nowhere);") as click:
        assert click.ready["op"] == "failed" and [
                (error["file"], error["line"], error["found"]) for error in click.ready["errors"]
            ] == [("x.click", 1, "ToDevice@2 :: ToDevice: nowhere")]


def test_a_script_reads_writes_and_waits(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> s :: Switch(0) -> c :: Counter -> ToDevice(next); s[1] -> Discard(REASON
        closed_now); x :: Script(set n 0, label again, wait 100ms, set n $(add $n 1), write s.switch $(mod
        $n 2),
                    goto again $(lt $n 4), print "seen $(c.count) packets", return $(mul $(c.count) 10));
        y :: Script(TYPE PASSIVE, write s.switch 1);
    """
    with Running(tmp_path, text) as click:
        fates = click.fates(*[UDP_PACKET] * 10, after=0.05)
        assert fates == ["to 0"] * 3 + ["closed_now"] * 2 + ["to 0"] * 2 + ["closed_now"] * 2 + ["to 0"]
        click.wait(0.5)
        assert click.read("x.get", "n") == "4" and click.read("x.result") == "50" and click.read("x.running") == "false"
        assert click.write("y.run")["ok"] and click.fates(UDP_PACKET) == ["closed_now"]


def test_a_script_prints_handlers_and_knows_its_own_labels(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> c :: Counter -> ToDevice(next);
        Script(set n 0, label loop, wait 1ms, set n $(add $n 1), goto loop $(lt $n 3),
               print c.count, print "c.count", print >- "n is $n");
    """
    with Running(tmp_path, text) as click:
        click.send(UDP_PACKET)
        click.wait(1)
        log = click.forwarder.close()
    assert [line for line in log.splitlines() if line] == ["1", "c.count", "n is 3"]
    assert "print into /tmp/x" in mistakes("FromDevice(in) -> ToDevice(next); Script(print >/tmp/x 1);")[0]


def test_what_print_and_ipprint_say(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> Print(eth, 4) -> p :: Print("raw $x", 6, CONTENTS ASCII, ACTIVE false)
            -> IPPrint(ip, TIMESTAMP false, TTL true, PAYLOAD hex) -> ToDevice(next);
    """
    ping = sent(MAC / IP(src="10.0.0.1", dst="10.0.0.2") / ICMP(id=3, seq=4))
    with Running(tmp_path, text) as click:
        click.send(UDP_PACKET, TCP_PACKET, ping)
        assert click.write("p.active", "true")["ok"]
        click.send(b"ab\x01" + UDP_PACKET[3:])
        log = click.forwarder.close()
    for line in (
        "eth:   47 | 02000000",
        "ip: ttl 9 10.0.0.1.5 > 10.0.0.2.6: udp 13\n  68656c6c 6f",
        "ip: ttl 64 10.0.0.1.5 > 10.0.0.2.6: S 7:11(4,57,43) win 8192\n  6f6464",
        "ip: ttl 64 10.0.0.1 > 10.0.0.2: icmp echo (3, 4)",
        "raw $x:   47 |  ab....",
    ):
        assert line in log, (line, log)

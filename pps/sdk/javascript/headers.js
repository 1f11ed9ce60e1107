// Views of a packet's headers, in place. Numbers are in host order, addresses are texts. Assigning to a field
// sees to it that the checksums are computed anew, once, before the packet is sent. A view is good until its
// packet is given back or moved (push, pull).
"use strict";
const { whenMapped } = require("./native.js");
const address = require("./addresses.js");
const { strict } = require("./strict.js");

let data;
whenMapped((memory) => ({ data } = memory));

const FIX_IP = 1;
const FIX_L4 = 2;
const BOTH = FIX_IP | FIX_L4;

class View {
  _packet;
  _at = 0; // in data
  constructor(packet) {
    this._packet = packet;
  }
  _u8(offset) {
    return data[this._at + offset];
  }
  _u16(offset) {
    const at = this._at + offset;
    return (data[at] << 8) | data[at + 1];
  }
  _u32(offset) {
    return data.readUInt32BE(this._at + offset);
  }
  _set8(offset, value, fix) {
    this._packet._check();
    data[this._at + offset] = value;
    this._packet._fix |= fix;
  }
  _set16(offset, value, fix) {
    this._packet._check();
    data[this._at + offset] = value >> 8;
    data[this._at + offset + 1] = value;
    this._packet._fix |= fix;
  }
  _set32(offset, value, fix) {
    this._packet._check();
    data.writeUInt32BE(value >>> 0, this._at + offset);
    this._packet._fix |= fix;
  }
  _address(set, offset, text, fix) {
    this._packet._check();
    set(data, this._at + offset, text);
    this._packet._fix |= fix;
  }
  /** All fields, for logs. */
  toJSON() {
    const fields = Object.entries(Object.getOwnPropertyDescriptors(Object.getPrototypeOf(this)));
    return Object.fromEntries(fields.filter(([, field]) => field.get).map(([name]) => [name, this[name]]));
  }
}

strict(View, (view) => `packet.${view.constructor.name.toLowerCase()}`);

class Eth extends View {
  get dst() { return address.mac(data, this._at); }
  set dst(mac) { this._address(address.setMac, 0, mac, 0); }
  get src() { return address.mac(data, this._at + 6); }
  set src(mac) { this._address(address.setMac, 6, mac, 0); }
  get type() { return this._u16(12); }
  set type(value) { this._set16(12, value, 0); }
}

/** An 802.1Q or 802.1ad tag. */
class Vlan extends View {
  get id() { return this._u16(0) & 0xfff; }
  set id(value) { this._set16(0, (this._u16(0) & 0xf000) | (value & 0xfff), 0); }
  get priority() { return this._u8(0) >> 5; }
  set priority(value) { this._set8(0, (this._u8(0) & 0x1f) | (value << 5), 0); }
  get dei() { return (this._u8(0) & 0x10) !== 0; }
  get type() { return this._u16(2); }
}

class Ip extends View {
  get version() { return 4; }
  get ihl() { return this._u8(0) & 15; }
  get tos() { return this._u8(1); }
  set tos(value) { this._set8(1, value, FIX_IP); }
  get dscp() { return this._u8(1) >> 2; }
  set dscp(value) { this._set8(1, (this._u8(1) & 3) | (value << 2), FIX_IP); }
  get ecn() { return this._u8(1) & 3; }
  set ecn(value) { this._set8(1, (this._u8(1) & 0xfc) | (value & 3), FIX_IP); }
  get len() { return this._u16(2); }
  set len(value) { this._set16(2, value, BOTH); }
  get id() { return this._u16(4); }
  set id(value) { this._set16(4, value, FIX_IP); }
  /** Three bits: reserved, don't fragment, more fragments. */
  get flags() { return this._u8(6) >> 5; }
  /** Of this fragment, in units of 8 bytes. */
  get frag() { return this._u16(6) & 0x1fff; }
  get ttl() { return this._u8(8); }
  set ttl(value) { this._set8(8, value, FIX_IP); }
  get proto() { return this._u8(9); }
  get checksum() { return this._u16(10); }
  get src() { return address.ip4(data, this._at + 12); }
  set src(text) { this._address(address.setIp4, 12, text, BOTH); }
  get dst() { return address.ip4(data, this._at + 16); }
  set dst(text) { this._address(address.setIp4, 16, text, BOTH); }
  /** As a number, which is quicker: 10.0.0.1 is 0x0a000001. */
  get srcU32() { return this._u32(12); }
  set srcU32(value) { this._set32(12, value, BOTH); }
  get dstU32() { return this._u32(16); }
  set dstU32(value) { this._set32(16, value, BOTH); }
}

class Ip6 extends View {
  get version() { return 6; }
  get tc() { return (this._u16(0) >> 4) & 0xff; }
  get label() { return this._u32(0) & 0xfffff; }
  get len() { return this._u16(4); }
  get next() { return this._u8(6); }
  get hopLimit() { return this._u8(7); }
  set hopLimit(value) { this._set8(7, value, 0); }
  get src() { return address.ip6(data, this._at + 8); }
  set src(text) { this._address(address.setIp6, 8, text, FIX_L4); }
  get dst() { return address.ip6(data, this._at + 24); }
  set dst(text) { this._address(address.setIp6, 24, text, FIX_L4); }
}

class Tcp extends View {
  get sport() { return this._u16(0); }
  set sport(value) { this._set16(0, value, FIX_L4); }
  get dport() { return this._u16(2); }
  set dport(value) { this._set16(2, value, FIX_L4); }
  get seq() { return this._u32(4); }
  set seq(value) { this._set32(4, value, FIX_L4); }
  get ack() { return this._u32(8); }
  set ack(value) { this._set32(8, value, FIX_L4); }
  /** In words of 4 bytes. */
  get dataofs() { return this._u8(12) >> 4; }
  /** FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32. */
  get flags() { return this._u8(13); }
  set flags(value) { this._set8(13, value, FIX_L4); }
  get window() { return this._u16(14); }
  set window(value) { this._set16(14, value, FIX_L4); }
  get checksum() { return this._u16(16); }
  get urgent() { return this._u16(18); }
}

class Udp extends View {
  get sport() { return this._u16(0); }
  set sport(value) { this._set16(0, value, FIX_L4); }
  get dport() { return this._u16(2); }
  set dport(value) { this._set16(2, value, FIX_L4); }
  get len() { return this._u16(4); }
  set len(value) { this._set16(4, value, FIX_L4); }
  get checksum() { return this._u16(6); }
}

/** ICMP and ICMPv6. */
class Icmp extends View {
  get type() { return this._u8(0); }
  set type(value) { this._set8(0, value, FIX_L4); }
  get code() { return this._u8(1); }
  set code(value) { this._set8(1, value, FIX_L4); }
  get checksum() { return this._u16(2); }
  get id() { return this._u16(4); }
  set id(value) { this._set16(4, value, FIX_L4); }
  get seq() { return this._u16(6); }
  set seq(value) { this._set16(6, value, FIX_L4); }
}

/** For IPv4 over Ethernet. */
class Arp extends View {
  /** 1 request, 2 reply. */
  get op() { return this._u16(6); }
  set op(value) { this._set16(6, value, 0); }
  get hwsrc() { return address.mac(data, this._at + 8); }
  set hwsrc(mac) { this._address(address.setMac, 8, mac, 0); }
  get psrc() { return address.ip4(data, this._at + 14); }
  set psrc(text) { this._address(address.setIp4, 14, text, 0); }
  get hwdst() { return address.mac(data, this._at + 18); }
  set hwdst(mac) { this._address(address.setMac, 18, mac, 0); }
  get pdst() { return address.ip4(data, this._at + 24); }
  set pdst(text) { this._address(address.setIp4, 24, text, 0); }
}

module.exports = { View, Eth, Vlan, Ip, Ip6, Tcp, Udp, Icmp, Arp, FIX_IP, FIX_L4 };

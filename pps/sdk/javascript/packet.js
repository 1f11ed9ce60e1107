// A packet, good until the handler returns or, if it is held, until release. Its bytes are the frame's own:
// nothing is copied. Header views are null if the header is absent or cut short.
"use strict";
const { addon, memory, whenMapped } = require("./native.js");
const { Eth, Vlan, Ip, Ip6, Tcp, Udp, Icmp, Arp, FIX_IP, FIX_L4 } = require("./headers.js");
const { Nsh } = require("./nsh.js");
const { strict } = require("./strict.js");
const { Verdict } = require("./verdict.js");

let data, packets8, packets16, packets32, dataAt;
whenMapped((memory) => ({ data, packets8, packets16, packets32, dataAt } = memory));

const [PUSH, PULL, PUT, TRIM, PARSE, FIX, RESIZE] = [0, 1, 2, 3, 4, 5, 6]; // enum managed_edit
const NO_ROOM = -2; // enum managed_error
const NO_FRAME = -3;
const NONE = 0xffff;
const IPV6 = 4; // FRAME_IPV6
const HELD = 2; // enum vnfc_place
const WATCHED = 64; // FRAME_WATCHED

const contexts = []; // views, by frame: their place never changes

const isTag = (type) => type === 0x8100 || type === 0x88a8 || type === 0x9100;
const type16 = (at) => (data[at] << 8) | data[at + 1];

class Packet {
  _frame = -1; // -1: given back
  _base = 0; // of its first byte in data
  _fix = 0; // checksums to be computed before it is sent
  _eth = new Eth(this);
  _vlan = new Vlan(this);
  _ip = new Ip(this);
  _ip6 = new Ip6(this);
  _tcp = new Tcp(this);
  _udp = new Udp(this);
  _icmp = new Icmp(this);
  _arp = new Arp(this);
  _nsh = new Nsh(this);

  /** A packet that the VNFC made, in that frame (or enum managed_error). */
  static _made(frame) {
    if (frame === NO_FRAME) throw new Error("no frame is free to make a packet in: emit fewer at once");
    const packet = new Packet();
    packet._point(frame);
    return packet;
  }

  _point(frame) {
    this._frame = frame;
    this._base = (packets32[frame * 16] - dataAt) >>> 0;
    this._fix = 0;
  }

  _check() {
    if (this._frame < 0) {
      throw new Error(
        "this packet was already given back: take what you need before the handler returns, or hold(packet) it",
      );
    }
  }

  _settle() {
    if (this._fix !== 0) {
      addon.edit(this._frame, FIX, this._fix);
      this._fix = 0;
    }
  }

  /** After hold: the host may have refused it (hold_full). */
  _heldOrGone() {
    if (packets8[this._frame * 64 + 58] !== HELD) this._frame = -1;
  }

  // ---- look

  /** Bytes. */
  get len() {
    this._check();
    return packets32[this._frame * 16 + 2];
  }

  /** The whole packet, in place: a Buffer, good as long as the packet is. */
  get data() {
    return data.subarray(this._base, this._base + this.len);
  }

  _inside(offset, size) {
    const len = this.len;
    if (!(offset >= 0 && offset <= len - size)) {
      throw new RangeError(`offset ${offset} in a packet of ${len} bytes`);
    }
    return this._base + offset;
  }

  /** Numbers in network order; RangeError outside of the packet. */
  u8(offset) {
    return data[this._inside(offset, 1)];
  }
  u16(offset) {
    return type16(this._inside(offset, 2));
  }
  u32(offset) {
    return data.readUInt32BE(this._inside(offset, 4));
  }

  /** Number of the port that it came in by. */
  get port() {
    this._check();
    return packets8[this._frame * 64 + 18];
  }

  /** Seconds, when it came in, comparable to now(). */
  get time() {
    this._check();
    return Number(memory.packets64[this._frame * 8 + 4]) / 1e9;
  }

  /** 32 bits that never leave the VNF. */
  get mark() {
    this._check();
    return packets32[this._frame * 16 + 7];
  }
  set mark(value) {
    this._check();
    packets32[this._frame * 16 + 7] = value;
  }

  /** The 16 bytes of NSH context, in place. */
  get context() {
    this._check();
    const at = this._frame * 64 + 32;
    return (contexts[this._frame] ??= memory.records.subarray(at, at + 16));
  }
  set context(bytes) {
    if (bytes.length !== 16) throw new RangeError(`context is 16 bytes, not ${bytes.length}`);
    this.context.set(bytes);
  }

  _l3(version6, size, view) {
    const frame = this._frame;
    if (frame < 0) this._check();
    const offset = packets16[frame * 32 + 11];
    const is6 = (packets8[frame * 64 + 19] & IPV6) !== 0;
    if (offset === NONE || is6 !== version6 || offset + size > packets32[frame * 16 + 2]) return null;
    view._at = this._base + offset;
    return view;
  }

  _l4(proto, size, view) {
    const frame = this._frame;
    if (frame < 0) this._check();
    if (packets8[frame * 64 + 26] !== proto) return null;
    const offset = packets16[frame * 32 + 12];
    if (offset === NONE || offset + size > packets32[frame * 16 + 2]) return null;
    view._at = this._base + offset;
    return view;
  }

  _ethernet(size) {
    return this.len >= size && packets8[this._frame * 64 + 16] === 0;
  }

  get eth() {
    this._eth._at = this._base;
    return this._ethernet(14) ? this._eth : null;
  }
  /** The outermost tag. */
  get vlan() {
    if (!this._ethernet(18) || !isTag(type16(this._base + 12))) return null;
    this._vlan._at = this._base + 14;
    return this._vlan;
  }
  get ip() {
    return this._l3(false, 20, this._ip);
  }
  get ip6() {
    return this._l3(true, 40, this._ip6);
  }
  get tcp() {
    return this._l4(6, 20, this._tcp);
  }
  get udp() {
    return this._l4(17, 8, this._udp);
  }
  /** ICMP and ICMPv6 alike. */
  get icmp() {
    return this._l4(1, 8, this._icmp) || (this.ip6 && this._l4(58, 8, this._icmp));
  }
  get arp() {
    if (!this._ethernet(14)) return null;
    const len = this.len;
    let at = 12;
    for (let tags = 0; tags < 8 && at + 6 <= len && isTag(type16(this._base + at)); tags++) at += 4;
    if (at + 30 > len || type16(this._base + at) !== 0x0806) return null;
    const arp = this._base + at + 2;
    if (type16(arp + 2) !== 0x0800 || data[arp + 4] !== 6 || data[arp + 5] !== 4) return null;
    this._arp._at = arp;
    return this._arp;
  }
  /** For `nsh: aware` VNFCs. */
  get nsh() {
    this._check();
    this._nsh._at = this._frame * 256;
    return packets16[this._frame * 32 + 28] >= 8 ? this._nsh : null;
  }

  /** What follows the transport header, without padding: a Buffer, in place; null without such a header. */
  get payload() {
    this._check();
    const found = addon.payload(this._frame);
    if (found < 0) return null;
    const at = this._base + Math.floor(found / 2 ** 32);
    return data.subarray(at, at + (found % 2 ** 32));
  }

  /** A key of its flow for maps, the same in both directions; null if it is not IP. */
  get flow() {
    this._check();
    return addon.flow(this._frame);
  }

  // ---- change

  _edit(edit, n, what) {
    this._check();
    if (!Number.isInteger(n) || n < 0 || addon.edit(this._frame, edit, n) === NO_ROOM) {
      throw new RangeError(`${what}(${n}): not possible in a packet of ${this.len} bytes`);
    }
    const fix = this._fix;
    this._point(this._frame);
    this._fix = fix;
    return this;
  }

  _bytes(edit, bytes, what) {
    const before = edit === PUT ? this.len : 0;
    this._edit(edit, bytes.length, what);
    data.set(bytes, this._base + before);
    return this.reread();
  }

  /** Bytes, or that many zeros, in front. RangeError: no room. */
  push(bytes) {
    return typeof bytes === "number" ? this._edit(PUSH, bytes, "push") : this._bytes(PUSH, bytes, "push");
  }
  /** n bytes fewer in front. */
  pull(n) {
    return this._edit(PULL, n, "pull");
  }
  /** Bytes, or that many zeros, at the end. */
  put(bytes) {
    return typeof bytes === "number" ? this._edit(PUT, bytes, "put") : this._bytes(PUT, bytes, "put");
  }
  /** Cut to that many bytes. */
  trim(len) {
    return this._edit(TRIM, len, "trim");
  }
  /** The whole packet anew. */
  replace(bytes) {
    this._bytes(RESIZE, bytes, "replace");
    this._fix = 0;
    return this;
  }
  /** Find the headers again, after a change of what they are. */
  reread() {
    return this._edit(PARSE, 0, "reread");
  }
  /** After any change of bytes: compute all checksums anew. */
  fixChecksums() {
    this._check();
    addon.edit(this._frame, FIX, FIX_IP | FIX_L4);
    this._fix = 0;
  }

  // ---- make

  /** A copy, mark and context included, for emit. Error: no frame is to be had just now. */
  copy() {
    this._check();
    const copy = Packet._made(addon.copy(this._frame));
    copy._fix = this._fix;
    return copy;
  }
  /** A copy to that output; the packet itself still needs its verdict. */
  copyTo(output = 0) {
    this.copy()._emit(Verdict.output(output), -1);
  }
  /** Forget a packet of newPacket() or copy(). */
  discard() {
    this._check();
    if (addon.discard(this._frame) < 0) {
      throw new Error("discard: only a packet of newPacket() or copy() can be discarded");
    }
    this._frame = -1;
  }

  _emit(output, port) {
    this._check();
    this._settle();
    if (addon.emit(this._frame, output, port) < 0) {
      throw new Error(
        "emit: only a packet of newPacket() or copy() can be emitted, once; a held one is released",
      );
    }
    this._frame = -1;
  }

  /** Whether anybody would read what led to its verdict. */
  _watched() {
    return (packets8[this._frame * 64 + 19] & WATCHED) !== 0;
  }

  _release(verdict) {
    if (!(verdict instanceof Verdict) || verdict === Verdict.HOLD) {
      throw new TypeError(`release: found ${String(verdict)}, expected forward() or drop(reason)`);
    }
    this._check();
    this._settle();
    if (verdict.note !== null && this._watched()) addon.note(this._frame, verdict.told());
    if (addon.release(this._frame, verdict.value) < 0) throw new Error("release: this packet is not held");
    this._frame = -1;
  }

  toString() {
    return this._frame < 0 ? "packet given back" : `packet of ${this.len} bytes, port ${this.port}`;
  }
}

strict(Packet, () => "packet");

module.exports = { Packet };

// NSH, RFC 8300, in its packet: numbers in host order, values of TLVs as copies (Buffers). A VNFC that writes `spi`
// or `si` has counted SI down itself. The context of MD type 1 is packet.context.
"use strict";
const { whenMapped } = require("./native.js");
const { View } = require("./headers.js");

let nsh, packets16;
whenMapped((memory) => ({ nsh, packets16 } = memory));

const BASE = 8;
const HEAD = 4; // of a TLV: class, type, length
const MOST = 63 * 4;
const VALUE_MOST = 127;

/** `_at` is an offset in memory.nsh. */
class Nsh extends View {
  get ttl() { return (nsh.readUInt16BE(this._at) >> 6) & 0x3f; }
  get oam() { return (nsh[this._at] & 0x20) !== 0; }
  get mdType() { return nsh[this._at + 2] & 15; }
  get next() { return nsh[this._at + 3]; }
  get spi() { return nsh.readUInt32BE(this._at + 4) >>> 8; }
  set spi(value) { this._number(4, value, 3, "spi"); }
  get si() { return nsh[this._at + 7]; }
  set si(value) { this._number(7, value, 1, "si"); }

  /** The value of the first TLV of that class and type; null if there is none. */
  tlv(mdClass, type) {
    const at = this._find(mdClass, type);
    return at < 0 ? null : this._value(at);
  }

  /** All TLVs, in their order: [{mdClass, type, value}]. */
  tlvs() {
    const found = [];
    for (let at = this._first(); at >= 0; at = this._behind(at)) {
      found.push({ mdClass: nsh.readUInt16BE(at), type: nsh[at + 2], value: this._value(at) });
    }
    return found;
  }

  /** Append a TLV. RangeError: not MD type 2, a value of more than 127 bytes, or no room. */
  addTlv(mdClass, type, value) {
    this._packet._check();
    const bytes = Buffer.from(value);
    const size = this._size();
    const padded = HEAD + ((bytes.length + 3) & ~3);
    if (this.mdType !== 2 || bytes.length > VALUE_MOST || size + padded > MOST) {
      throw new RangeError(
        `addTlv: ${bytes.length} bytes: at most ${VALUE_MOST}, in a header of MD type 2 that stays within ${MOST}`,
      );
    }
    const at = this._at + size;
    nsh.fill(0, at, at + padded);
    nsh.writeUInt16BE(mdClass, at);
    nsh[at + 2] = type;
    nsh[at + 3] = bytes.length;
    bytes.copy(nsh, at + HEAD);
    this._resize(size + padded);
  }

  /** Take the first TLV of that class and type out; was there one? */
  removeTlv(mdClass, type) {
    this._packet._check();
    const at = this._find(mdClass, type);
    if (at < 0) return false;
    const size = this._size();
    const padded = this._padded(at);
    nsh.copyWithin(at, at + padded, this._at + size);
    this._resize(size - padded);
    return true;
  }

  _number(offset, value, bytes, name) {
    this._packet._check();
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) {
      throw new RangeError(`${name} has ${8 * bytes} bits, ${value} does not fit`);
    }
    nsh.writeUIntBE(value, this._at + offset, bytes);
  }
  _size() {
    return Math.min(packets16[this._packet._frame * 32 + 28], MOST);
  }
  _resize(size) {
    nsh[this._at + 1] = (nsh[this._at + 1] & 0xc0) | (size / 4);
    packets16[this._packet._frame * 32 + 28] = size;
  }
  _padded(at) {
    return HEAD + (((nsh[at + 3] & VALUE_MOST) + 3) & ~3);
  }
  _value(at) {
    return Buffer.from(nsh.subarray(at + HEAD, at + HEAD + (nsh[at + 3] & VALUE_MOST)));
  }
  /** Where a TLV begins, if all of it is there; else -1. */
  _whole(at) {
    const left = this._at + this._size() - at;
    return left >= HEAD && left >= this._padded(at) ? at : -1;
  }
  _first() {
    return this.mdType === 2 ? this._whole(this._at + BASE) : -1;
  }
  _behind(at) {
    return this._whole(at + this._padded(at));
  }
  _find(mdClass, type) {
    let at = this._first();
    while (at >= 0 && (nsh.readUInt16BE(at) !== mdClass || nsh[at + 2] !== type)) at = this._behind(at);
    return at;
  }
}

module.exports = { Nsh };

// All waiting packets together, 256 at most, for handleBurst. What is not said otherwise is forwarded.
"use strict";
const { addon, memory, BURST, VERDICTS, JUDGED } = require("./native.js");
const { Packet } = require("./packet.js");
const { strict } = require("./strict.js");
const { Verdict } = require("./verdict.js");

class Burst {
  length = 0;
  _packets = new Array(BURST).fill(null);
  _verdicts = new Array(BURST).fill(Verdict.FORWARD);

  _inside(i) {
    if (!(i >= 0 && i < this.length)) throw new RangeError(`packet ${i} of ${this.length}`);
  }

  /** One of them, good until handleBurst returns (or release, if it is held). */
  get(i) {
    this._inside(i);
    const packet = (this._packets[i] ||= new Packet());
    if (packet._frame < 0) packet._point(memory.batch32[i]);
    return packet;
  }

  /** The verdict on one of them. */
  set(i, verdict) {
    this._inside(i);
    if (!(verdict instanceof Verdict)) {
      throw new TypeError(`set(${i}): found ${String(verdict)}, expected forward(), drop(reason)...`);
    }
    this._verdicts[i] = verdict;
  }

  *[Symbol.iterator]() {
    for (let i = 0; i < this.length; i++) yield this.get(i);
  }

  _begin(n) {
    this.length = n;
    this._verdicts.fill(Verdict.FORWARD, 0, n);
  }

  /** Every packet gets its verdict (all: one for all of them); those not held are gone. */
  _end(all) {
    for (let i = 0; i < this.length; i++) {
      const packet = this._packets[i];
      const verdict = this._verdicts[i];
      const live = packet !== null && packet._frame >= 0;
      if (live) packet._settle();
      if (all === null && verdict.note !== null) addon.note(memory.batch32[i], verdict.told());
      memory.batch32[VERDICTS + i] = all === null ? verdict.value : all;
      if (all === null && verdict === Verdict.HOLD && live) {
        this._packets[i] = null; // the author's from here on
        memory.batch32[JUDGED] = i + 1;
        addon.give();
        packet._heldOrGone();
      } else if (live) {
        packet._frame = -1;
      }
    }
    memory.batch32[JUDGED] = this.length;
    this.length = 0;
  }
}

strict(Burst, () => "burst");

module.exports = { Burst };

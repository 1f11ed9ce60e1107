// What becomes of a packet: made by forward(), drop()... of vnfc.js.
"use strict";

const OUTPUT_BACK = 0xff;
const FLOW = 128;

class Verdict {
  /** value: as in struct frame_record, kind in the low byte, output or reason in the upper half. */
  constructor(value, note = null) {
    this.value = value;
    this.note = note; // a text, or a function that returns one: what led to it
  }

  /** The same, with a note, if anybody would read it. */
  noted(note) {
    if (note === undefined || note === null) return this;
    if (typeof note !== "string" && typeof note !== "function") {
      throw new TypeError(`a note is a text, or a function that returns one, not ${String(note)}`);
    }
    return Verdict.noting ? new Verdict(this.value, note) : this;
  }

  /** Its note as a text; what goes wrong with it is the note. */
  told() {
    try {
      return String(typeof this.note === "function" ? this.note() : this.note);
    } catch (error) {
      return String(error);
    }
  }

  /** The same for the packet's whole flow: accepted, applied packet by packet. */
  flow() {
    return new Verdict(this.value | FLOW, this.note);
  }

  toString() {
    const argument = this.value >>> 16;
    const texts = { 1: `forward(${argument})`, 2: `drop(reason ${argument})`, 3: "consume()" };
    return texts[this.value & 0x7f] || "hold(packet)";
  }

  /** The number of an output, by number or name. */
  static output(output) {
    const number = output === "back" ? OUTPUT_BACK : typeof output === "string" ? Verdict.names.indexOf(output) : output;
    if (!Number.isInteger(number) || number < 0 || number > OUTPUT_BACK) {
      throw new RangeError(`there is no output ${JSON.stringify(output)}: see \`outputs:\` in vnf.yaml`);
    }
    return number;
  }

  static forward(output) {
    const number = Verdict.output(output);
    return (Verdict.forwards[number] ||= new Verdict(1 | (number << 16)));
  }
}

Verdict.names = []; // of outputs
Verdict.noting = true; // somebody may want to know what led to the verdict that is being made
Verdict.forwards = [];
Verdict.FORWARD = Verdict.forward(0);
Verdict.BACK = Verdict.forward(OUTPUT_BACK);
Verdict.CONSUME = new Verdict(3);
Verdict.HOLD = new Verdict(4);
Verdict.EXCEPTION = 2 | (7 << 16); // HOST_DROP(HOST_EXCEPTION)
Verdict.BAD = (2 | (0xffff << 16)) >>> 0; // a reason that no VNFC has: counted as bad_verdict

module.exports = { Verdict };

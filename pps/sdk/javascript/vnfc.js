// What a component in JavaScript requires. A whole one:
//
//   const { forward, drop, reason } = require("vnfc");
//   const telnet = reason("telnet", "telnet is not allowed here");
//   exports.handle = (packet) => (packet.tcp?.dport === 23 ? drop(telnet) : forward());
//
// Export `handle` or `handleBurst`, and `configure` if there is something to configure. One thread: timers,
// requests and configuration run between bursts. Times are in seconds.
"use strict";
const { addon, memory, NOW64 } = require("./native.js");
const { here, didYouMean } = require("./mistakes.js");
const { Packet } = require("./packet.js");
const requests = require("./requests.js");
const { Verdict } = require("./verdict.js");

const { Refused, timers, config, ports, state, random } = require("./inside.js");

class Reason {
  constructor(name, id) {
    this.name = name;
    this.verdict = new Verdict((2 | (id << 16)) >>> 0);
  }
}

class Counter {
  constructor(number) {
    this._number = number;
  }
  add(n = 1) {
    addon.measure(this._number, n);
  }
  get value() {
    return addon.measured(this._number);
  }
}

class Gauge {
  constructor(number) {
    this._number = number;
  }
  set(value) {
    addon.measure(this._number, value);
  }
  get value() {
    return addon.measured(this._number);
  }
}

class Histogram {
  constructor(number) {
    this._number = number;
  }
  observe(value) {
    addon.measure(this._number, value);
  }
}

// ---- verdicts

/** To an output, by number or name. */
const forward = (output) => (output === undefined ? Verdict.FORWARD : Verdict.forward(output));
/** Out by the port that it came in by. */
const back = () => Verdict.BACK;
/** This VNFC was its destination. */
const consume = () => Verdict.CONSUME;

/** note: what led to it, a text of at most 127 bytes or a function that returns it; seen by traces and captures only. */
function drop(reason, note) {
  if (!(reason instanceof Reason)) {
    throw new TypeError('drop(reason) takes a reason: const NAME = reason("name", "why")');
  }
  return note === undefined ? reason.verdict : reason.verdict.noted(note);
}

/** Keep the packet until release(packet, verdict). */
function hold(packet) {
  if (!(packet instanceof Packet)) throw new TypeError("hold(packet) wants the packet");
  packet._check();
  return Verdict.HOLD;
}

function release(packet, verdict = Verdict.FORWARD) {
  if (!(packet instanceof Packet)) throw new TypeError("release(packet, verdict) wants a held packet");
  packet._release(verdict);
}

// ---- declare: while the module is loaded

function reason(name, why = "") {
  const id = addon.reason(String(name), String(why), ...here());
  if (id < 0) throw new Refused(name);
  return new Reason(name, id);
}

function metric(Kind, kind, name, why, unit) {
  const number = addon.metric(kind, String(name), String(why), String(unit), ...here());
  if (number < 0) throw new Refused(name);
  return new Kind(number);
}

const counter = (name, why = "", unit = "") => metric(Counter, 1, name, why, unit);
const gauge = (name, why = "", unit = "") => metric(Gauge, 2, name, why, unit);
/** By powers of two. */
const histogram = (name, why = "", unit = "") => metric(Histogram, 3, name, why, unit);

/** request("hits", "packets so far", "packets", { port: 0 }, (port) => ...): an agent request. Behind it
 * { changes: true } if asking changes something: who asks must have the right to operate the VNF. */
function request(name, why, unit, args, run, more = {}) {
  if (typeof args === "function") [args, run, more] = [{}, args, run ?? {}];
  if (typeof run !== "function") throw new TypeError(`request ${name}: expected a function that answers`);
  const declared = requests.declare(name, args, run);
  const changes = more.changes ? 1 : 0;
  if (addon.request(String(name), String(why), String(unit), JSON.stringify(declared), changes, ...here()) < 0) {
    throw new Refused(name);
  }
}

/** health(() => full ? "the table is full" : "ok"): how the VNFC itself finds that it is. Asked once a second. */
function health(run) {
  request("health", "how it finds that it is: ok, or what is not", "", {}, run);
}

// ---- make

/** A packet with these bytes, for emit. Error: no frame is to be had just now. */
function newPacket(bytes = []) {
  const packet = Packet._made(addon.make());
  try {
    return packet.replace(bytes);
  } catch (tooLong) {
    packet.discard();
    throw tooLong;
  }
}

/** Send a packet of newPacket() or copy(), as if it had come in by `port` (a number or a name). */
function emit(packet, output = 0, port = -1) {
  if (!(packet instanceof Packet)) throw new TypeError("emit: expected a packet of newPacket() or copy()");
  const from = typeof port === "string" ? ports[port]?.number : port;
  if (from === undefined) throw new RangeError(`there is no port '${port}'`);
  packet._emit(Verdict.output(output), from);
}

// ---- time, chance, log

/** Seconds, monotonic, read once a burst; with captures the packets' time. */
const now = () => Number(memory.batch64[NOW64]) / 1e9;
/** Seconds since 1970. */
const wall = () => Number(memory.batch64[NOW64] + memory.batch64[NOW64 + 1]) / 1e9;

function timer(seconds, run, repeat) {
  if (typeof run !== "function") throw new TypeError("a timer wants a function");
  if (!(seconds >= 0 && seconds < 1e9) || (repeat && seconds < 1e-6)) {
    throw new RangeError(`a timer cannot run in ${seconds} s`);
  }
  const id = addon.timer(seconds, repeat);
  if (id < 0) throw new Error("too many timers");
  const set = { id, run, repeat }; // the id is free for another one once this has ended
  timers.set(id, set);
  return set;
}

/** Call it each so many seconds, between bursts. Returns what cancel() takes. */
const every = (seconds, run) => timer(seconds, run, true);
/** Call it once. */
const after = (seconds, run) => timer(seconds, run, false);

/** Nothing happens if it has run already. */
function cancel(set) {
  if (timers.get(set.id) !== set) return;
  timers.delete(set.id);
  addon.cancel(set.id);
}

/** A line for `coven logs`: 100 a second are kept, the rest is counted. */
const log = (...parts) =>
  addon.log(parts.map((part) => (typeof part === "string" ? part : String(JSON.stringify(part) ?? part))).join(" "));

const { int, float, text, bool } = requests;
const api = {
  after, back, bool, cancel, config, consume, counter, drop, emit, every, float, forward, gauge, health,
  histogram, hold, int, log, newPacket, now, ports, random, reason, release, request, state, text, wall,
};

/** A name that is not there is a mistake at once, not undefined later. */
module.exports = new Proxy(Object.freeze(api), {
  get(names, name) {
    if (name in names || typeof name === "symbol") return names[name];
    if (["then", "__esModule", "default", "toJSON", "constructor"].includes(name)) return undefined;
    throw new ReferenceError(`vnfc has no '${String(name)}'${didYouMean(name, Object.keys(names))}`);
  },
});

// What vnfc.js and host.js share beside the memory.
"use strict";

/** A declaration was refused; the host has noted why. */
class Refused extends Error {}

let seed = 1;

/** From 0 to 1, repeatable in tests (mulberry32). */
function random() {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** Make `object`, which authors have, hold these values and no others. */
function replace(object, values) {
  for (const key of Object.keys(object)) delete object[key];
  Object.assign(object, values);
}

module.exports = {
  Refused,
  timers: new Map(), // id -> {id, run, repeat}
  config: {}, // in force
  ports: {}, // name -> {name, number, mac, mtu}; mac is null where there is none (a capture)
  state: {}, // plain values (what JSON knows): they survive a crash
  random,
  seed: (value) => (seed = value | 0),
  replace,
};

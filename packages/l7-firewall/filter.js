// Drops what the analyzer marked: byte 0 of a packet's context is the number of the rule that it met, 0 for none.
// With `observe: true` marked packets are counted and pass.
"use strict";
const { config, counter, drop, forward, reason, request, state } = require("vnfc");

const marked = reason("marked", "the analyzer marked this packet as Skype");
const markedPackets = counter("marked_packets", "packets that came marked, dropped or not", "packets");
const markedBytes = counter("marked_bytes", "bytes of packets that came marked", "bytes");

exports.handle = (packet) => {
  const rule = packet.context[0];
  if (rule === 0) return forward();
  state[rule] = (state[rule] ?? 0) + 1;
  markedPackets.add();
  markedBytes.add(packet.len);
  return config.observe ? forward() : drop(marked, () => `rule ${rule} of the analyzer`);
};

const why = "marked packets since the last reset; of one rule by its number, 0 of all";
request("hits", why, "packets", { rule: 0 }, (rule) => {
  if (rule < 0 || rule > 255) throw new RangeError(`rule: found ${rule}, expected 0 to 255`);
  return rule ? (state[rule] ?? 0) : Object.values(state).reduce((sum, n) => sum + n, 0);
});

request("reset", "set the hits to zero", "", () => {
  for (const rule of Object.keys(state)) delete state[rule];
  return true;
}, { changes: true });

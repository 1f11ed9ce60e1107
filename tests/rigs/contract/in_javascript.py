"""The components of the contract in JavaScript, by what they show."""

from __future__ import annotations

TEXTS = {
    "verdicts": """
const r = reason("r", "why");
const answers = [
  () => forward(), () => forward(1), () => forward("other"), () => forward().flow(), () => back(),
  () => consume(), () => drop(r), () => drop(r).flow(), () => {},
  () => forward("nowhere"), () => forward(-1), () => { throw new TypeError("oh"); },
];
exports.handle = (p) => answers[p.tcp.dport]();
""",
    "looking": """
const seen = counter("seen", "why", "packets");
let last = null;
exports.handle = (p) => {
  p.reread(); // the fake forwarder does not look behind tags
  last = [
    p.len, `${p.eth.dst} ${p.eth.type}`, p.vlan?.id, p.ip && `${p.ip.src} ${p.ip.ttl} ${p.ip.srcU32}`,
    p.ip6 && `${p.ip6.src} ${p.ip6.dst}`, p.tcp && `${p.tcp.sport} ${p.tcp.flags}`, p.udp?.dport,
    p.arp && `${p.arp.op} ${p.arp.pdst}`, p.payload?.length, p.flow?.length,
    p.u16(12) === p.data.readUInt16BE(12) && p.u32(0) >= 0 && p.u8(0) === p.data[0],
    p.port + p.mark + p.context[3],
  ].map((each) => each ?? null);
  seen.add(2);
  p.context[0] = 7;
  p.mark = 0xffffffff;
  return forward();
};
request("last", "", "", () => last);
""",
    "changing": """
const changes = [
  (p) => { p.ip.src = "192.0.2.9"; p.tcp.dport = 99; },
  (p) => { p.ip.ttl -= 1; },
  (p) => p.push([1, 2]).pull(2).put([7]).put(1).trim(58),
  (p) => p.replace(Buffer.from([5, 6])),
  (p) => { p.data.write("J", 54); p.fixChecksums(); },
  (p) => p.pull(1000), (p) => p.u8(p.len), (p) => p.push(100000),
];
exports.handle = (p) => { changes[p.tcp.dport - 1](p); return forward(); };
""",
    "making": """
exports.handle = (p) => {
  if (p.tcp.dport === 2) {
    const copy = p.copy();
    copy.ip.ttl = 3;
    emit(copy, "other");
    p.copyTo(0);
    emit(newPacket(new Uint8Array(60)), 0, "out");
    p.copy().discard();
    return consume();
  }
  if (p.tcp.dport === 3) emit(p);
  return forward();
};
""",
    "holding": """
const late = reason("late");
const held = [];
const times = [];
const never = after(3, () => times.push(-1));
const ticking = every(0.5, () => times.push(now()));
exports.handle = (p) => {
  cancel(never);
  held.push(p);
  p.ip.ttl = 9;
  after(2, () => release(held.shift(), held.length ? forward() : drop(late)));
  return hold(p);
};
request("times", "", "", () => { cancel(ticking); return times; });
""",
    "notes": """
const r = reason("r");
const made = counter("made");
const whole = drop(r, "said at the beginning");
const counted = () => { made.add(); return "made for whoever watches"; };
exports.handle = (p) => {
  const n = p.tcp.dport;
  if (n === 4) {
    after(0.01, () => release(p, drop(r, "of one that was held")));
    return hold(p);
  }
  p.push(4);
  p.pull(4);
  return [() => drop(r, "rule 7"), () => drop(r, counted), () => drop(r, "\u00fc".repeat(200)), () => whole,
    null, () => forward()][n]();
};
""",
    "notes of a burst": """
const r = reason("r");
exports.handleBurst = (burst) => {
  for (let i = 0; i < burst.length; i++) if (burst.get(i).tcp.dport === 1) burst.set(i, drop(r, "one"));
};
""",
    "too many held": """
const kept = [];
exports.handle = (p) => { kept.push(p); return hold(p); };
exports.exit = () => kept.forEach((p) => { try { release(p); } catch { log("gone"); } });
""",
    "configuration": """
const level = gauge("level", "why", "unit");
const sizes = histogram("sizes", "why", "bytes");
exports.configure = (c) => {
  if (c.limit < 0) throw new RangeError("limit: at least 0");
  level.set(config.limit);
};
exports.handle = (p) => { state.seen = (state.seen ?? 0) + 1; sizes.observe(p.len); return forward(); };
request("seen", "so far", "packets", { more: int, times: float(2), text: 'a"b' }, (more, times) => {
  if (more < 0) throw new RangeError("more");
  return ((state.seen ?? 0) + more) * times;
});
request("where", "", "", () => ({ ports: Object.keys(ports), mac: ports.in.mac }), { changes: true });
health(() => (state.seen > 1 ? `${state.seen} seen` : null));
""",
    "bursts": """
const odd = reason("odd", "an odd port");
let held;
exports.handleBurst = (burst) => {
  let i = 0;
  for (const p of burst) {
    if (p.tcp.dport === 66) throw new Error("66");
    if (p.tcp.dport % 2) burst.set(i, drop(odd));
    if (p.tcp.dport === 4) burst.set(i, hold((held = p)));
    i++;
  }
};
exports.exit = () => release(held, forward(1));
""",
    "many": """
exports.handle = (p) => {
  const until = Date.now() + (p.len === 60 ? 2 : 0);
  while (Date.now() < until);
  return forward();
};
""",
    "throwing": "exports.handle = () => nothing;",
}

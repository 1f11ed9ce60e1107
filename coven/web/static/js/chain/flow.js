// What passes over each wire of a chain. Figures are counted at places (ports, VNFCs, their outputs); wires follow from
// them, since what comes to a place came over its wires. Where that does not say it all, a wire's figure is marked.

const SWEEPS = 80;

// The wires of all chains, each once: direction (the port that packets came in by), from, output, to. `backs`: VNFCs that
// have sent packets back to where they came from, which no descriptor says.
export function wires(chain, backs = new Set()) {
  const found = new Map();
  const add = (ingress, from, output, to) => {
    const key = `${ingress} ${from} ${output ?? ""} ${to}`;
    if (!found.has(key)) found.set(key, { key, ingress, from, output, to });
  };
  const ports = chain.ports.map((port) => port.name);
  for (const each of chain.chains)
    for (const way of each.ways)
      for (const wire of way.wires) add(way.ingress, wire.from, wire.output, wire.to);
  for (const rule of chain.classifier) {
    const [what, target] = rule.then.split(":");
    if (what !== "bypass") continue;
    for (const port of rule.port ? [rule.port] : ports) {
      const to = target ?? ports.find((other) => other !== port);
      if (to) add(port, port, null, to);
    }
  }
  for (const { ingress, from } of [...found.values()]) if (backs.has(from)) add(ingress, from, "back", ingress);
  return [...found.values()];
}

// Packets a second over each wire, by its key: {rate, sure}. `rate(figure)` tells how fast a figure grows; `drops`: names.
export function flows(chain, all, rate, drops = []) {
  const unknown = new Map(all.map((wire) => [wire.key, { wire, rate: 0, sure: false }]));
  const ports = chain.ports.map((port) => port.name);
  const places = new Set([...ports, ...chain.vnfcs.map((vnfc) => vnfc.name)]);
  // what is dropped before the chain, and behind it, is told by port only where the port itself drops it
  const lost = new Map(ports.map((name) => [name, { wire: { from: name, to: null }, rate: 0, sure: false }]));
  const dropped = (filter) => drops.filter(filter).reduce((sum, name) => sum + (rate(`drop ${name}`) ?? 0), 0);
  const own = (port, reasons) => dropped((drop) => reasons.some((reason) => drop === `${port}.${reason}`));
  const sums = [];
  const sum = (total, filter, more = []) => {
    const parts = [...[...unknown.values()].filter(({ wire }) => filter(wire)), ...more];
    if (parts.length && total !== null) sums.push({ total: Math.max(0, total), parts });
  };
  const late = dropped((drop) => LATE.has(drop)); // a part of what came to one port or the other
  for (const name of ports) {
    const [came, went] = [rate(`port ${name} received`), rate(`port ${name} sent`)];
    sum(came === null ? null : came - own(name, ARRIVING), (wire) => wire.from === name, [lost.get(name)]);
    sum(went === null || late ? null : went + own(name, LEAVING), (wire) => wire.to === name);
  }
  const before = dropped((drop) => !places.has(drop.slice(0, drop.indexOf("."))) && !LATE.has(drop));
  sums.push({ total: before, parts: [...lost.values()] });
  for (const { name, outputs } of chain.vnfcs) {
    sum(rate(`vnfc ${name} received`), (wire) => wire.to === name);
    sum(rate(`vnfc ${name} forwarded`), (wire) => wire.from === name);
    for (const output of [...outputs, "back"])
      sum(rate(`output ${name} ${output}`), (wire) => wire.from === name && wire.output === output);
  }
  settle(sums);
  guess(chain, [...unknown.values()], [...lost.values()], rate, before);
  approach(sums);
  return unknown;
}

// Why ports drop what has not yet taken a wire, and what is at the end of its last one; and of NSH's reasons the latter.
const ARRIVING = ["rx_dropped", "rx_ring_full", "no_frame", "truncated", "link_type"];
const LEAVING = ["tx_full", "refused", "oversize", "closed"];
const LATE = new Set(["mtu", "mtu_unanswered", "no_headroom", "no_next_hop", "bad_header", "ttl_expired"].map((each) => `nsh.${each}`));

// A first guess where sums leave it open: each direction has the part of what a place sends on, or drops, that it has of
// what comes there.
function guess(chain, parts, lost, rate, before) {
  const entered = new Map();
  const all = lost.reduce((sum, { wire }) => sum + (rate(`port ${wire.from} received`) ?? 0), 0);
  for (const part of lost) {
    const came = rate(`port ${part.wire.from} received`) ?? 0;
    if (!part.sure) part.rate = all ? (before * came) / all : 0;
    entered.set(part.wire.from, came - part.rate);
  }
  const first = (wire) => entered.has(wire.from);
  const told = new Set(parts.filter((part) => part.sure));
  for (const { name } of chain.vnfcs) { // what comes to one from ports alone came to them
    const here = parts.filter(({ wire }) => wire.to === name);
    const came = here.reduce((sum, { wire }) => sum + (entered.get(wire.from) ?? 0), 0);
    if (!came || !here.every(({ wire }) => first(wire))) continue;
    for (const part of here.filter((each) => !each.sure)) {
      part.rate = Math.min(1, (rate(`vnfc ${name} received`) ?? 0) / came) * entered.get(part.wire.from);
      told.add(part);
    }
  }
  for (const part of parts.filter((each) => first(each.wire) && !told.has(each))) {
    const beside = parts.filter(({ wire }) => wire.from === part.wire.from);
    const known = beside.reduce((sum, each) => sum + (told.has(each) ? each.rate : 0), 0);
    part.rate = Math.max(0, entered.get(part.wire.from) - known) / beside.filter((each) => !told.has(each)).length;
  }
  const into = (name, ingress) => parts.filter(({ wire }) => wire.to === name && wire.ingress === ingress)
    .reduce((sum, each) => sum + each.rate, 0);
  // as many rounds as a way can have VNFCs: then what comes first has reached all
  for (let round = 0; round < chain.vnfcs.length; round += 1) {
    for (const part of parts) {
      if (part.sure || first(part.wire)) continue;
      const { from, output, ingress } = part.wire;
      const beside = parts.filter(({ wire }) => wire.from === from && wire.output === output);
      const whole = beside.reduce((sum, { wire }) => sum + into(from, wire.ingress), 0);
      part.rate = whole ? ((rate(`output ${from} ${output}`) ?? 0) * into(from, ingress)) / whole : 0;
    }
  }
}

// A sum of which one part alone is not known says what that is; and of which nothing is left, that all those are none.
function settle(sums) {
  for (let again = true; again;) {
    again = false;
    for (const { total, parts } of sums) {
      const open = parts.filter((part) => !part.sure);
      const left = Math.max(0, total - parts.reduce((all, part) => all + (part.sure ? part.rate : 0), 0));
      if (!open.length || (open.length > 1 && left > 0)) continue;
      for (const part of open) [part.rate, part.sure] = [left, true];
      again = true;
    }
  }
}

// What is left is shared out until all sums hold as well as they can (Kaczmarz), nothing below zero.
function approach(sums) {
  const left = sums.filter(({ parts }) => parts.some((part) => !part.sure));
  for (let i = 0; i < SWEEPS && left.length; i += 1) {
    for (const { total, parts } of left) {
      const open = parts.filter((part) => !part.sure);
      const lacks = total - parts.reduce((all, part) => all + part.rate, 0);
      for (const part of open) part.rate = Math.max(0, part.rate + lacks / open.length);
    }
  }
}

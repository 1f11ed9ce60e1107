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

// Packets a second over each wire, by its key: {rate, sure}. `rate(figure)` tells how fast a figure grows.
export function flows(chain, all, rate) {
  const unknown = new Map(all.map((wire) => [wire.key, { wire, rate: 0, sure: false }]));
  const sums = [];
  const sum = (total, filter) => {
    const parts = [...unknown.values()].filter(({ wire }) => filter(wire));
    if (parts.length && total !== null) sums.push({ total: Math.max(0, total), parts });
  };
  for (const { name } of chain.ports) {
    sum(rate(`port ${name} received`), (wire) => wire.from === name);
    sum(rate(`port ${name} sent`), (wire) => wire.to === name);
  }
  for (const { name, outputs } of chain.vnfcs) {
    sum(rate(`vnfc ${name} received`), (wire) => wire.to === name);
    sum(rate(`vnfc ${name} forwarded`), (wire) => wire.from === name);
    for (const output of [...outputs, "back"])
      sum(rate(`output ${name} ${output}`), (wire) => wire.from === name && wire.output === output);
  }
  settle(sums);
  approach(sums);
  return unknown;
}

// A sum of which one part alone is not known says what that is.
function settle(sums) {
  for (let again = true; again;) {
    again = false;
    for (const { total, parts } of sums) {
      const open = parts.filter((part) => !part.sure);
      if (open.length !== 1) continue;
      const rest = parts.reduce((all, part) => all + (part.sure ? part.rate : 0), 0);
      open[0].rate = Math.max(0, total - rest);
      open[0].sure = true;
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

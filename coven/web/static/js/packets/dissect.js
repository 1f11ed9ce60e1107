// A packet's bytes, read: headers that are known, and the bytes themselves.

const TYPES = { 0x0800: "IPv4", 0x0806: "ARP", 0x86dd: "IPv6", 0x8100: "VLAN", 0x88a8: "VLAN (outer)", 0x894f: "NSH", 0x8847: "MPLS" };
const PROTOCOLS = { 1: "ICMP", 6: "TCP", 17: "UDP", 47: "GRE", 58: "ICMPv6", 132: "SCTP" };
const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG"];

const mac = (data) => [...data].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
const four = (data) => [...data].join(".");
const six = (data) => {
  const words = [];
  for (let i = 0; i < 16; i += 2) words.push(((data[i] << 8) | data[i + 1]).toString(16));
  return words.join(":").replace(/(^|:)0(:0)+(:|$)/, "::");
};

// Lines [layer, what it says] of an Ethernet frame, as far as its bytes go.
export function layers(data) {
  const lines = [];
  const word = (at) => (data[at] << 8) | data[at + 1];
  const has = (at, length) => data.length >= at + length;
  if (!has(0, 14)) return lines;
  let type = word(12);
  let at = 14;
  lines.push(["Ethernet", `${mac(data.slice(6, 12))} to ${mac(data.slice(0, 6))}, ${TYPES[type] ?? `type 0x${type.toString(16)}`}`]);
  while ((type === 0x8100 || type === 0x88a8) && has(at, 4)) {
    lines.push(["VLAN", `${word(at) & 0xfff}, priority ${data[at] >> 5}`]);
    type = word(at + 2);
    at += 4;
  }
  if (type === 0x0806 && has(at, 28)) {
    const what = { 1: "who has", 2: "is at" }[word(at + 6)] ?? `operation ${word(at + 6)}`;
    lines.push(["ARP", `${what}: sender ${mac(data.slice(at + 8, at + 14))} ${four(data.slice(at + 14, at + 18))}, target ${four(data.slice(at + 24, at + 28))}`]);
  }
  let protocol = null;
  if (type === 0x0800 && has(at, 20)) {
    protocol = data[at + 9];
    const fragment = word(at + 6) & 0x1fff;
    lines.push(["IPv4", `${four(data.slice(at + 12, at + 16))} to ${four(data.slice(at + 16, at + 20))}, ` +
      `${PROTOCOLS[protocol] ?? `protocol ${protocol}`}, TTL ${data[at + 8]}, ${word(at + 2)} bytes${fragment ? `, fragment at ${8 * fragment}` : ""}`]);
    at += 4 * (data[at] & 15);
    if (fragment) protocol = null;
  } else if (type === 0x86dd && has(at, 40)) {
    protocol = data[at + 6];
    lines.push(["IPv6", `${six(data.slice(at + 8, at + 24))} to ${six(data.slice(at + 24, at + 40))}, ` +
      `${PROTOCOLS[protocol] ?? `next header ${protocol}`}, hop limit ${data[at + 7]}`]);
    at += 40;
  }
  if (protocol === 6 && has(at, 14)) {
    const flags = FLAGS.filter((_, bit) => data[at + 13] & (1 << bit)).join(" ") || "none";
    lines.push(["TCP", `port ${word(at)} to ${word(at + 2)}, flags ${flags}`]);
  } else if (protocol === 17 && has(at, 8)) {
    lines.push(["UDP", `port ${word(at)} to ${word(at + 2)}, ${word(at + 4)} bytes`]);
  } else if ((protocol === 1 || protocol === 58) && has(at, 4)) {
    lines.push([PROTOCOLS[protocol], `type ${data[at]}, code ${data[at + 1]}`]);
  }
  return lines;
}

// Sixteen bytes a line: offset, hex, text. `was`: bytes that they were before; those that differ stand in brackets.
export function dump(data, was) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const row = [...data.slice(at, at + 16)];
    const hex = row.map((byte, i) => {
      const text = byte.toString(16).padStart(2, "0");
      return was && was[at + i] !== byte ? `[${text}]` : ` ${text} `;
    }).join("");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")} ${hex.padEnd(64)} ${text}`);
  }
  return lines.join("\n");
}

// A packet in a line.
export function summary(data) {
  const found = new Map(layers(data));
  const ends = (found.get("IPv4") ?? found.get("IPv6"))?.match(/^(\S+) to ([^\s,]+)/);
  for (const name of ["TCP", "UDP"]) {
    const ports = found.get(name)?.match(/^port (\d+) to (\d+)(?:, flags ([A-Z ]+))?/);
    if (ports && ends) return `${name}${ports[3] ? ` ${ports[3]}` : ""} ${ends[1]}:${ports[1]} > ${ends[2]}:${ports[2]}`;
  }
  if (found.has("ARP")) return `ARP ${found.get("ARP").split(":")[0]}`;
  const last = [...found.keys()].pop() ?? "packet";
  return ends ? `${last} ${ends[1]} > ${ends[2]}` : `${last} ${found.get("Ethernet")?.split(",")[0] ?? ""}`;
}

// The chain as it runs, drawn: places, wires with what passes over them, drops as stubs. Made once for a descriptor and
// a width; a reading changes texts and attributes of what is there, so that what has the focus keeps it.

import { bits, perSecond, say, set, svg, el } from "../dom.js";
import { flows, wires } from "./flow.js";
import { PLACE, layout, routes } from "./layout.js";

const NARROW = 620; // pixels of the screen below which it stands upright
const LARGEST = 1.35; // of its natural size
const SMALLEST = 0.62; // of its natural size; where it would be smaller it stands upright, or is scrolled
const NAME = 18; // letters of a name that have room in a line
const REASON = 22; // letters of a drop's reason that are drawn
const LINE = 15; // pixels of a second one
const STUBS = 2; // drops that are drawn at a place, the quickest; behind them stands how many more there are
const QUICKER = 2; // times, for one to take another's place: what is under a pointer stays
const SIGNS = { running: "●", starting: "◔", down: "✖", failed: "■", stopped: "○", up: "●", gone: "✖" };

export class Chain {
  // `choose(kind, name)`: somebody chose a vnfc, port, drop or wire.
  constructor(chain, choose) {
    this.chain = chain;
    this.choose = choose;
    this.backs = new Set();
    this.wire();
    this.root = el("div", { class: "chain", role: "group", "aria-label": "The chain" });
    this.width = null;
    this.way = new Set(); // places of a packet that is followed, and the wires between them
    this.path = new Set();
    new ResizeObserver(() => this.fit()).observe(this.root);
    this.fit();
  }

  wire() {
    this.all = wires(this.chain, this.backs);
    this.drawnWires = new Map(); // wires between the same places, of one direction, are one line
    for (const wire of this.all) {
      const key = `${wire.ingress} ${wire.from} ${wire.to}`;
      this.drawnWires.set(key, [...(this.drawnWires.get(key) ?? []), wire]);
    }
  }

  fit() {
    const width = this.root.clientWidth || innerWidth;
    const [wide, tall] = [false, true].map((upright) => layout(this.chain, this.lines, upright, this.tall));
    const upright = width < NARROW || (width / wide.width < SMALLEST && tall.width < wide.width);
    if (upright === this.drawn?.upright) return;
    this.drawn = upright ? tall : wide;
    this.draw();
    if (this.last) this.update(...this.last);
  }

  // Pixels that the longest name needs besides its first line.
  get tall() {
    return this.chain.vnfcs.some(({ name }) => name.length > NAME) ? LINE : 0;
  }

  // The wires as they are drawn.
  get lines() {
    return [...this.drawnWires].map(([key, [{ ingress, from, to }]]) => ({ key, ingress, from, to }));
  }

  get ports() {
    return this.chain.ports.map((port) => port.name);
  }

  draw() {
    const { width, height } = this.drawn;
    this.nodes = new Map();
    this.edges = new Map();
    const heads = this.ports.map((name, i) => svg("marker", {
      id: `head-${i}`, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 11, markerHeight: 11,
      orient: "auto", markerUnits: "userSpaceOnUse", class: `head lane-${i % 4}`,
    }, svg("path", { d: "M0 0L10 5L0 10z" })));
    const picture = svg("svg", {
      viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "Places and wires",
    }, svg("defs", {}, heads));
    picture.style.width = "100%";
    picture.style.minWidth = `${Math.round(width * SMALLEST)}px`;
    picture.style.maxWidth = `${Math.round(width * (this.drawn.upright ? 1 : LARGEST))}px`;
    const ways = routes(this.drawn, this.lines, this.ports);
    // words above all lines, so that none is struck through
    const words = svg("g");
    for (const [key, wires] of this.drawnWires) picture.append(this.edge(key, wires, ways.get(key), words));
    for (const place of this.drawn.places.values()) picture.append(this.node(place));
    picture.append(words);
    const legend = el("p", { class: "legend" }, this.ports.map((name, i) =>
      el("span", { class: `lane-${i % 4}` }, i ? "╌▶ " : "─▶ ", `came in by ${name}`)),
      el("span", {}, "≈ not counted apart: an estimate"));
    this.root.replaceChildren(el("div", { class: "scroll" }, picture), legend);
  }

  chooser(kind, name) {
    return {
      role: "button", tabindex: 0, onclick: () => this.choose(kind, name), onkeydown: pressed(() => this.choose(kind, name)),
    };
  }

  edge(key, wires, { path, label, bent }, above) {
    const [wire] = wires;
    const lane = this.ports.indexOf(wire.ingress);
    const line = svg("path", { d: path, class: "wire", "marker-end": `url(#head-${lane})` });
    // beside the line: above and below it, or left and right
    const { upright } = this.drawn;
    const down = lane && !upright ? 1 : -1;
    const right = upright && (lane > 0 || bent);
    const x = label[0] + (upright ? (right ? 9 : -9) : 0);
    const y = label[1] + (upright ? 4 : down > 0 ? 16 : -8);
    const words = (dy, name) => svg("text", { "aria-hidden": "true", x, y: y + dy * down,
      class: `${name}${upright ? (right ? " right" : " left") : ""}` });
    const speed = words(0, "speed");
    const volume = words(14, "volume");
    const names = wires.map((each) => each.output).filter(Boolean);
    const named = names.length > 1 ? names : names.filter((each) => each !== "next");
    const output = named.length ? words(28, "volume") : null;
    output?.append(named.join(", "));
    above.append(...[volume, output, speed].filter(Boolean));
    // what is chosen has shapes only: its name says what is written beside it, in words
    const chosen = svg("g", this.chooser("wire", key), svg("path", { d: path, class: "wide" }), line);
    const group = svg("g", { class: `edge lane-${lane % 4}` }, chosen);
    this.edges.set(key, { key, wire, wires, group, chosen, line, speed, volume });
    return group;
  }

  node(place) {
    const { name, kind, x, y, w, h } = place;
    const [left, top] = [x - w / 2, y - h / 2];
    const about = this.chain.vnfcs.find((each) => each.name === name);
    const lines = inLines(name);
    const under = top + h - PLACE[kind][1]; // below a name of two lines
    const state = svg("text", { "aria-hidden": "true", x, y: under + 40, class: "state" });
    const figure = svg("text", { "aria-hidden": "true", x, y: under + 58, class: "figure" });
    const box = svg("rect", { x: left, y: top, width: w, height: h, rx: kind === "port" ? h / 2 : 8, class: "box" });
    const chosen = svg("g", this.chooser(kind, name), box);
    const names = lines.map((text, i) => svg("text", { "aria-hidden": "true", x, y: under + 22 - LINE * (lines.length - 1 - i),
      class: lines.length > 1 ? "name long" : "name" }, text));
    const parts = [chosen, ...names, state, figure];
    let level = null;
    let fill = null;
    if (kind === "vnfc") {
      level = svg("rect", { x: left + 10, y: top + h - 20, width: 0, height: 10, class: "level" });
      fill = svg("text", { "aria-hidden": "true", x, y: top + h - 11, class: "fill" });
      parts.push(svg("rect", { x: left + 10, y: top + h - 20, width: w - 20, height: 10, rx: 2, class: "ring" }), level, fill);
    }
    const body = svg("g", { class: `place ${kind}` }, parts);
    const stubs = [...Array(STUBS + 1).keys()].map((i) => {
      const text = svg("text", { "aria-hidden": "true", x: left + 16, y: top + h + 22 + 18 * i });
      const hit = svg("g", {}, svg("path", { d: `M${left + 8} ${top + h + 18 * i}v18` }),
        svg("rect", { x: left + 4, y: top + h + 8 + 18 * i, width: w - 8, height: 18, class: "target" }));
      const stub = svg("g", { class: "stub", visibility: "hidden" }, hit, text);
      const choose = () => (i < STUBS ? this.choose("drop", stub.dataset.drop) : this.choose(kind, name));
      hit.addEventListener("click", choose);
      hit.addEventListener("keydown", pressed(choose));
      return { stub, hit, text };
    });
    this.nodes.set(name, { place, about, body, chosen, state, figure, level, fill, stubs, drawn: [], room: w - 20 });
    return svg("g", {}, body, stubs.map((each) => each.stub));
  }

  // A reading: its status document, figures of the last quarter of an hour, what limits the chain.
  update(status, series, limit) {
    this.last = [status, series, limit];
    const rate = (name) => series.rate(name);
    const backs = this.chain.vnfcs.filter(({ name }) => series.last(`output ${name} back`)).map(({ name }) => name);
    if (backs.some((name) => !this.backs.has(name))) {
      this.backs = new Set(backs);
      this.wire();
      this.drawn = null;
      this.fit();
      return;
    }
    for (const [name, node] of this.nodes) {
      const why = limit?.place === name ? limit.why : null;
      if (node.about) this.showVnfc(name, node, status?.vnfcs[name], series, why);
      else this.showPort(name, node, status?.ports[name], rate, why);
      this.showDrops(name, node, status, rate);
    }
    const passing = flows(this.chain, this.all, rate, Object.keys(status?.dropped ?? {}));
    for (const edge of this.edges.values()) {
      const parts = edge.wires.map((wire) => passing.get(wire.key));
      const whole = { rate: parts.reduce((all, part) => all + part.rate, 0), sure: parts.every((part) => part.sure) };
      this.showWire(edge, whole, status, series);
    }
  }

  showVnfc(name, node, vnfc, series, limit) {
    const state = vnfc?.state ?? "stopped";
    set(node.body, "class", `place vnfc is-${state}${limit ? " limits" : ""}${this.way.has(name) ? " path" : ""}`);
    say(node.state, `${SIGNS[state] ?? "?"} ${state} · ${node.about.language}${node.about.nsh === "aware" ? " · NSH" : ""}`);
    const handled = series.rate(`vnfc ${name} received`);
    say(node.figure, limit ? `▲ bottleneck ${perSecond(handled)}` : perSecond(handled));
    const waiting = vnfc?.in_flight ?? 0;
    const share = Math.min(1, series.last(`vnfc ${name} occupancy`) ?? 0);
    set(node.level, "width", Math.round(node.room * share));
    say(node.fill, `ring ${Math.round(100 * share)} %, ${waiting} here`);
    set(node.chosen, "aria-label", `VNFC ${name}, ${state}, ${node.about.language}, ${perSecond(handled)}, ring ${Math.round(100 * share)} % full` +
      `${vnfc?.restarts ? `, ${vnfc.restarts} restarts` : ""}${limit ? `, bottleneck: ${limit}` : ""}`);
  }

  showPort(name, node, port, rate, limit) {
    const state = port?.link ?? (port ? "up" : "stopped");
    set(node.body, "class", `place port is-${state}${limit ? " limits" : ""}${this.way.has(name) ? " path" : ""}`);
    const { nsh } = this.chain.ports.find((each) => each.name === name);
    const end = nsh && nsh !== "none" ? ` · NSH` : "";
    say(node.state, port ? `${SIGNS[state] ?? "?"} ${port.interface ?? port.backend}${end}` : "○ not bound");
    const [came, went] = [rate(`port ${name} received`), rate(`port ${name} sent`)];
    say(node.figure, `${limit ? "▲ " : ""}↓${perSecond(came)} ↑${perSecond(went)}`);
    set(node.chosen, "aria-label", `Port ${name}, ${port?.interface ?? "not bound"}, link ${state}${end && `, NSH over ${nsh}`}, ` +
      `in ${perSecond(came)}, out ${perSecond(went)}${limit ? `, bottleneck: ${limit}` : ""}`);
  }

  showDrops(name, node, status, rate) {
    const own = new Map(dropsAt(name, this.ports, status).map((drop) => [drop, { total: status.dropped[drop], now: rate(`drop ${drop}`) ?? 0 }]));
    node.drawn = steady(node.drawn, own);
    node.stubs.forEach((parts, i) => {
      const drop = node.drawn[i];
      if (i === STUBS) this.showMore(parts, name, own.size - node.drawn.length);
      else if (!drop) hide(parts);
      else this.showDrop(parts, name, drop, own.get(drop));
    });
  }

  showDrop(parts, name, drop, { total, now }) {
    const reason = drop.startsWith(`${name}.`) ? drop.slice(name.length + 1) : drop;
    show(parts, `▼ ${reason.length > REASON ? `${reason.slice(0, REASON)}…` : reason} ${now ? perSecond(now) : `${total} so far`}`,
      `Dropped: ${drop}, ${perSecond(now)}, ${total} in all`);
    parts.stub.dataset.drop = drop;
    set(parts.stub, "class", now ? "stub now" : "stub");
  }

  showMore(parts, name, more) {
    if (more > 0) show(parts, `and ${more} more`, `More reasons of drops at ${name}: ${more}`);
    else hide(parts);
  }

  showWire({ key, wire, wires, group, chosen, line, speed, volume }, passing, status, series) {
    const mark = passing.sure ? "" : "≈ ";
    set(line, "stroke-width", (1.5 + Math.min(9, 1.4 * Math.log10(1 + passing.rate))).toFixed(1));
    const known = series.rows.length > 1 && status;
    say(speed, known ? mark + perSecond(passing.rate) : "–");
    const octets = this.octets(wires, passing, series);
    // an output's bytes are counted, not what of them each direction has
    const shared = this.all.filter((each) => each.from === wire.from && each.output === wire.output).length > 1;
    say(volume, octets === null ? "" : `${passing.sure && !shared ? "" : "≈ "}${bits(8 * octets)}`);
    set(group, "class", `edge lane-${this.ports.indexOf(wire.ingress) % 4}${passing.rate > 0 ? "" : " still"}` +
      `${this.path.has(key) ? " path" : ""}`);
    set(chosen, "aria-label", `Wire from ${wire.from}${wire.output ? ` (${wire.output})` : ""} to ${wire.to}, came in by ` +
      `${wire.ingress}: ${mark}${perSecond(passing.rate)}`);
  }

  // Bytes a second: packets of a wire are taken to be as long as those of the output, or the port, that it begins at.
  octets(wires, passing, series) {
    const mean = (packets, octets) => {
      const [p, o] = [series.rate(packets), series.rate(octets)];
      return p ? o / p : null;
    };
    const [{ from, output }] = wires;
    const length = this.ports.includes(from) ? mean(`port ${from} received`, `port ${from} bytes_in`)
      : mean(`output ${from} ${output}`, `bytes ${from} ${output}`);
    return length === null ? (passing.rate ? null : 0) : length * passing.rate;
  }

  // Show a packet's way: names of places in order; null: none.
  trace(ingress, names) {
    this.way = new Set(names ?? []);
    this.path = new Set((names ?? []).slice(1).map((name, i) => `${ingress} ${names[i]} ${name}`));
    if (this.last) this.update(...this.last);
  }
}

// What keys do to what can be chosen.
const pressed = (choose) => (event) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  choose();
};

// A name as it is written into its place.
function inLines(name) {
  if (name.length <= NAME) return [name];
  const middle = Math.ceil(name.length / 2);
  const breaks = [...name.matchAll(/[-_]/g)].map((found) => found.index + 1).filter((at) => at <= NAME && name.length - at <= NAME);
  const at = breaks.sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle))[0] ?? middle;
  return [name.slice(0, at), name.slice(at)];
}

// The drops of a place by name; those of the classifier and the like stand at the first port.
export function dropsAt(name, ports, status) {
  return Object.keys(status?.dropped ?? {}).filter((drop) => drop.startsWith(`${name}.`) ||
    (name === ports[0] && /^(classifier|nsh|flow)\./.test(drop)));
}

function show({ stub, hit, text }, said, label) {
  set(stub, "visibility", null);
  set(hit, "tabindex", 0);
  set(hit, "role", "button");
  set(hit, "aria-label", label);
  say(text, said);
}

function hide({ stub, hit }) {
  set(stub, "visibility", "hidden");
  hit.removeAttribute("tabindex");
}

// Which drops are drawn, each where it was: another one takes a place only if it is much quicker.
export function steady(drawn, own) {
  const kept = drawn.filter((drop) => own.has(drop));
  const more = (a, b) => own.get(a).now > QUICKER * own.get(b).now || (!own.get(a).now && !own.get(b).now && own.get(a).total > QUICKER * own.get(b).total);
  const others = [...own.keys()].filter((drop) => !kept.includes(drop))
    .sort((a, b) => own.get(b).now - own.get(a).now || own.get(b).total - own.get(a).total);
  for (const drop of others) {
    if (kept.length < STUBS) {
      kept.push(drop);
      continue;
    }
    const slowest = kept.reduce((least, each) => (own.get(each).now < own.get(least).now ? each : least));
    if (more(drop, slowest)) kept[kept.indexOf(slowest)] = drop;
  }
  return kept;
}

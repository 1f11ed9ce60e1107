// What was chosen in the chain: a VNFC, a port, a drop or a wire, and what can be asked of it.

import { bits, button, bytes, clock, count, el, lasting, perSecond, say, seconds } from "../dom.js";
import { dropsAt } from "../chain/chain.js";
import { histogram } from "./histogram.js";
import { capturing } from "../packets/capture.js";
import { Configuration, Requests } from "./forms.js";
import { Log } from "./log.js";
import { captured, shown } from "../packets/packets.js";

const PATIENCE = 15; // seconds that somebody waits to be shown a packet

export class Panel {
  constructor(view) {
    this.view = view;
    this.root = el("aside", { "aria-label": "What was chosen" });
    this.leave();
    this.shown = null;
  }

  open(kind, name) {
    this.close();
    const made = { vnfc: OfVnfc, port: OfPort, drop: OfDrop, wire: OfWire }[kind];
    this.shown = new made(this.view, name);
    this.root.className = "panel";
    const title = el("h2", { tabindex: -1 }, this.shown.title);
    this.root.replaceChildren(button("Close", () => this.leave(), { class: "close quiet" }), title, ...this.shown.parts);
    this.update();
    title.focus({ preventScroll: innerWidth > 992 });
  }

  leave() {
    this.close();
    this.root.className = "panel empty";
    this.root.replaceChildren(el("p", { class: "soft" }, "Choose a VNFC, a port, a wire or a drop in the chain."));
  }

  update() {
    this.shown?.update();
  }

  close() {
    this.shown = null;
  }
}

// Terms and what they are now.
class Facts {
  constructor() {
    this.root = el("dl");
    this.known = new Map();
  }

  show(facts) {
    for (const [term, text] of facts) {
      if (!this.known.has(term)) {
        const value = el("dd");
        this.root.append(el("dt", {}, term), value);
        this.known.set(term, value);
      }
      say(this.known.get(term), text ?? "–");
    }
  }
}

// What a place drops, each to be chosen.
class Drops {
  constructor(view, name) {
    this.view = view;
    this.name = name;
    this.list = el("ul", { class: "drops" });
    this.root = el("section", { hidden: true }, el("h3", {}, "Drops"), this.list);
    this.known = new Map();
  }

  update() {
    const { reading, series, drawn, panel } = this.view;
    const names = dropsAt(this.name, drawn.ports, reading?.status);
    this.root.hidden = !names.length;
    for (const name of names) {
      if (!this.known.has(name)) {
        const figures = el("span", { class: "soft" });
        this.known.set(name, figures);
        this.list.append(el("li", {}, button(name, () => panel.open("drop", name), { class: "quiet" }), " ", figures));
      }
      say(this.known.get(name), `${count(reading.status.dropped[name])}, ${perSecond(series.rate(`drop ${name}`))}`);
    }
  }
}

class OfVnfc {
  constructor(view, name) {
    this.view = view;
    this.name = name;
    this.title = `VNFC ${name}`;
    this.facts = new Facts();
    this.metrics = new Facts();
    const about = view.drawn.chain.vnfcs.find((each) => each.name === name);
    this.log = new Log(name, (vnfc) => view.series.lines(vnfc));
    this.requests = new Requests(view.name, name);
    this.configuration = new Configuration(view.name, about);
    this.times = el("section", { hidden: true });
    this.own = el("section", { hidden: true }, el("h3", {}, "Its own figures"), this.metrics.root);
    this.drops = new Drops(view, name);
    this.parts = [this.facts.root, this.drops.root, this.times, this.own, this.configuration.root, this.requests.root, this.log.root];
  }

  update() {
    const { reading, series } = this.view;
    const vnfc = reading?.status?.vnfcs[this.name];
    const rate = (key) => series.rate(`vnfc ${this.name} ${key}`);
    const cpu = rate("cpu");
    const memory = series.last(`vnfc ${this.name} memory`);
    this.facts.show([
      ["state", vnfc ? vnfc.state + (vnfc.backoff_seconds ? `, again in ${lasting(vnfc.backoff_seconds)}` : "") : "not there"],
      ["health", vnfc?.health && [vnfc.health.state, vnfc.health.why, vnfc.health.says].filter(Boolean).join(": ")],
      ["handles", `${perSecond(rate("received"))} of ${count(vnfc?.received ?? 0)}`],
      ["forwards", `${perSecond(rate("forwarded"))} of ${count(vnfc?.forwarded ?? 0)}`],
      ["consumes", `${perSecond(rate("consumed"))} of ${count(vnfc?.consumed ?? 0)}`],
      ["drops", count(Object.values(vnfc?.dropped ?? {}).reduce((all, each) => all + each, 0))],
      ["waiting, held", vnfc && `${count(vnfc.in_flight)}, ${count(vnfc.held)}`],
      ["restarts", vnfc && count(vnfc.restarts)],
      ["exceptions", vnfc && count(vnfc.exceptions)],
      ["CPU", cpu === null ? "–" : `${(100 * cpu).toFixed(1)} % of a core`],
      ["memory", memory === null ? "–" : bytes(memory)],
      ["process", vnfc?.pid ? `${vnfc.pid}, confinement ${vnfc.confinement}` : "–"],
    ]);
    const times = reading?.times?.[this.name];
    this.times.hidden = !times?.count;
    if (times?.count) {
      this.times.replaceChildren(el("h3", {}, "Time in it"), histogram(times),
        el("p", { class: "soft" }, `half below ${seconds(times.p50)}, 90 % below ${seconds(times.p90)}, 99 % below ` +
          `${seconds(times.p99)}; ${count(times.count)} packets were timed`));
    }
    if (reading?.marks?.some(({ what }) => what.startsWith(`${this.name}: `))) this.configuration.renew();
    if (vnfc?.state === "running") this.requests.again();
    this.log.update();
    this.drops.update();
    const metrics = Object.entries(vnfc?.metrics ?? {});
    this.own.hidden = !metrics.length;
    this.metrics.show(metrics.map(([name, value]) => [name, typeof value === "number" ? count(value) : JSON.stringify(value)]));
  }

}

class OfPort {
  constructor(view, name) {
    this.view = view;
    this.name = name;
    this.title = `Port ${name}`;
    this.facts = new Facts();
    this.drops = new Drops(view, name);
    this.parts = [this.facts.root, this.drops.root, capturing(view.name, name, name)];
  }

  update() {
    const { reading, series } = this.view;
    const port = reading?.status?.ports[this.name];
    const rate = (key) => series.rate(`port ${this.name} ${key}`);
    const volume = (key) => (rate(key) === null ? "–" : bits(8 * rate(key)));
    this.facts.show([
      ["interface", port?.interface],
      ["link", port?.link],
      ["backend", port && `${port.backend}: ${port.why}`],
      ["MTU", port?.mtu && String(port.mtu)],
      ["in", `${perSecond(rate("received"))}, ${volume("bytes_in")}, ${count(port?.received ?? 0)} in all`],
      ["out", `${perSecond(rate("sent"))}, ${volume("bytes_out")}, ${count(port?.sent ?? 0)} in all`],
      ["trouble", port?.trouble.map((each) => each.what).join("; ") || "none"],
    ]);
    this.drops.update();
  }
}

class OfDrop {
  constructor(view, name) {
    this.view = view;
    this.name = name;
    this.title = `Drop ${name}`;
    this.facts = new Facts();
    this.why = el("p");
    this.one = el("div", { role: "status" });
    this.asking = button("Show me one", () => this.showOne());
    this.parts = [this.why, this.facts.root, el("section", {}, this.asking, this.one), capturing(view.name, name, name)];
  }

  update() {
    const { reading, series } = this.view;
    const status = reading?.status;
    say(this.why, status?.explanations[this.name] ?? "");
    const since = this.since();
    this.facts.show([
      ["dropped", count(status?.dropped[this.name] ?? 0)],
      ["now", perSecond(series.rate(`drop ${this.name}`))],
      ["since", since],
    ]);
  }

  // When the count last began to grow, as far as it was watched.
  since() {
    const { rows } = this.view.series;
    const name = `drop ${this.name}`;
    const values = rows.map(([, row]) => row.get(name) ?? 0);
    const first = values.findIndex((value, i) => i && value > values[i - 1]);
    if (first > 0) return clock(rows[first][0]);
    return values.length && values[0] ? `before ${clock(rows[0][0])}` : "not yet";
  }

  async showOne() {
    this.asking.disabled = true;
    say(this.one, "waiting for one ...");
    try {
      const [found] = await captured(this.view.name, `at=${encodeURIComponent(this.name)}&count=1&seconds=${PATIENCE}&snaplen=512`);
      this.one.replaceChildren(...(found ? shown(found.number, [found], this.view.drawn.ports) : [el("p", {}, `None came in ${PATIENCE} s.`)]));
    } catch (problem) {
      this.one.replaceChildren(el("p", { class: "wrong" }, problem.message));
    }
    this.asking.disabled = false;
  }
}

class OfWire {
  constructor(view, key) {
    this.view = view;
    this.key = key;
    this.wire = view.drawn.edges.get(key).wire;
    this.title = `${this.wire.from} → ${this.wire.to}`;
    this.facts = new Facts();
    const { from, to } = this.wire;
    const ports = view.drawn.ports;
    const at = ports.includes(from) ? `${from}:arriving` : ports.includes(to) ? `${to}:leaving` : `${to}:before`;
    this.parts = [this.facts.root, capturing(view.name, at, `${from}-${to}`)];
  }

  update() {
    const edge = this.view.drawn.edges.get(this.key);
    this.facts.show([
      ["came in by", this.wire.ingress],
      ["packets", edge.speed.textContent],
      ["volume", edge.volume.textContent || "–"],
    ]);
  }
}

// The packet stepper: the last packets, each with its way through the drawn chain, its verdicts, and its bytes before and
// behind each VNFC. They come from a capture at every place.

import { Problem, toLogin, vnfPath } from "../api.js";
import { button, el, say } from "../dom.js";
import { dump, layers, summary } from "./dissect.js";
import { packets } from "./pcapng.js";

const KEPT = 50; // packets
const SECONDS = 1.5; // of one capture
const SNAPLEN = 4096; // bytes of each: whole frames, since what a VNFC changes may be anywhere

export class Packets {
  constructor(view) {
    this.view = view;
    this.known = new Map(); // number -> sights of that packet, in order
    this.chosen = null;
    this.running = false;
    this.filter = el("input", { id: "packet-filter", type: "text", placeholder: "tcp port 80", autocomplete: "off", spellcheck: "false" });
    this.toggle = button("Follow packets", () => this.turn(), { "aria-pressed": "false" });
    this.said = el("span", { role: "status", class: "soft" });
    this.list = el("ol", { role: "listbox", tabindex: 0, "aria-label": "The last packets", onkeydown: (event) => this.key(event) });
    this.detail = el("div", { class: "detail" },
      el("p", { class: "soft" }, "Arrow keys step through the packets; the chain shows the way of each."));
    this.root = el("section", { class: "packets", "aria-label": "Packets" }, el("h2", {}, "Packets"),
      el("form", { class: "tools", onsubmit: (event) => { event.preventDefault(); if (!this.running) this.turn(); } },
        this.toggle, button("◀ Back", () => this.step(-1)), button("Next ▶", () => this.step(1)),
        el("label", { for: "packet-filter" }, "only those that match"), this.filter, this.said),
      el("div", { class: "two" }, this.list, this.detail));
  }

  async turn() {
    this.running = !this.running;
    this.toggle.setAttribute("aria-pressed", String(this.running));
    say(this.toggle, this.running ? "Stop following" : "Follow packets");
    if (this.running) say(this.said, "following ...");
    while (this.running && this.root.isConnected) {
      const due = Date.now() + 1000 * SECONDS; // where packets abound a capture is full at once
      try {
        this.take(await this.capture());
      } catch (problem) {
        say(this.said, problem.message);
        if (problem.status !== 503 && this.running) this.turn();
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - Date.now())));
    }
  }

  async capture() {
    const { chain } = this.view.drawn;
    const places = [...chain.ports, ...chain.vnfcs].map((each) => each.name);
    const match = this.filter.value.trim();
    // every packet is seen at a port or two, and twice at each VNFC
    const count = KEPT * (2 + 2 * chain.vnfcs.length);
    const query = `at=${places.join(",")}&seconds=${SECONDS}&count=${count}&snaplen=${SNAPLEN}` +
      `${match ? `&filter=${encodeURIComponent(match)}` : ""}`;
    return captured(this.view.name, query);
  }

  take(sights) {
    if (!this.running) return;
    const begun = new Set();
    for (const sight of sights) {
      // one that was on its way already has no beginning here
      if (!this.known.has(sight.number) && !begun.has(sight.number)) {
        if (!this.begins(sight)) continue;
        begun.add(sight.number);
        this.known.set(sight.number, []);
      }
      this.known.get(sight.number)?.push(sight);
    }
    for (const number of [...this.known.keys()].slice(0, -KEPT)) this.known.delete(number);
    say(this.said, `${this.known.size} packets`);
    this.draw();
  }

  begins(sight) {
    const ports = this.view.drawn.ports;
    return ports.includes(sight.place) || sight.comments.some((text) => text.startsWith("drop "));
  }

  draw() {
    this.list.replaceChildren(...[...this.known].map(([number, sights]) => el("li", {
      role: "option", id: `packet-${number}`, "aria-selected": String(number === this.chosen),
      class: dropped(sights) && "dropped", onclick: () => this.choose(number),
    }, `${number}  ${summary(sights[0].data)}  ${ending(sights, this.view.drawn.ports)}`)));
    if (this.known.has(this.chosen)) this.list.setAttribute("aria-activedescendant", `packet-${this.chosen}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    this.step(step);
  }

  // To step is to look closely: nothing more comes meanwhile.
  step(by) {
    const numbers = [...this.known.keys()];
    if (!numbers.length) return;
    const at = numbers.indexOf(this.chosen);
    this.choose(numbers[at < 0 ? (by > 0 ? 0 : numbers.length - 1) : Math.max(0, Math.min(numbers.length - 1, at + by))]);
  }

  choose(number) {
    if (this.running) this.turn();
    this.chosen = number;
    this.draw();
    this.list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    const sights = this.known.get(number);
    this.detail.replaceChildren(...shown(number, sights, this.view.drawn.ports));
    const way = sights.map((sight) => sight.place).filter((place, i, all) => place !== all[i - 1]);
    this.view.drawn.trace(way[0], way);
  }

  close() {
    this.running = false;
  }
}

// The packets of a capture, once it has ended.
export async function captured(vnf, query) {
  const response = await fetch(vnfPath(vnf, `/capture?${query}`)).catch(() => null);
  if (!response) throw new Problem(0, { title: "the agent does not answer" });
  if (response.status === 401) toLogin();
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => null));
  return packets(await response.arrayBuffer());
}

const dropped = (sights) => sights.some((sight) => sight.comments.some((text) => text.startsWith("drop ")));

function ending(sights, ports) {
  const last = sights[sights.length - 1];
  const said = sights.flatMap((sight) => sight.comments).pop();
  if (sights.length > 1 && ports.includes(last.place)) return `→ ${last.place}`;
  return said ?? "on its way";
}

// What is known of a packet: its way, and at each VNFC its bytes before and behind. One that has not left is still there.
export function shown(number, sights, ports) {
  const first = sights[0];
  let before = first;
  const steps = sights.map((sight, i) => {
    const was = before;
    before = sight;
    const longer = sight.length - was.length;
    const changed = longer !== 0 || !same(was.data, sight.data);
    const words = sight.comments.length ? sight.comments.join("; ") : !ports.includes(sight.place) ? `to ${sight.place}`
      : i === 0 ? `came in by ${sight.place}` : `left by ${sight.place}`;
    return el("li", {}, words, changed && el("span", { class: "changed" }, ` (changed${longer ? `, ${Math.abs(longer)} bytes ${longer > 0 ? "longer" : "shorter"}` : ""})`),
      changed && el("details", { open: true }, el("summary", {}, "bytes before and behind"),
        el("pre", { class: "dump", tabindex: 0, "aria-label": "Before" }, dump(was.data, sight.data)),
        el("pre", { class: "dump", tabindex: 0, "aria-label": "Behind" }, dump(sight.data, was.data))));
  });
  return [
    el("p", {}, el("strong", {}, `${number}  ${summary(first.data)}, ${first.length} bytes`)),
    el("ol", { class: "hops" }, steps),
    el("dl", {}, layers(first.data).flatMap(([layer, says]) => [el("dt", {}, layer), el("dd", {}, says)])),
    el("pre", { class: "dump", tabindex: 0, "aria-label": "Its first bytes, as it came in" }, dump(first.data)),
  ];
}

const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

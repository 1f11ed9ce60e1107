// The packet stepper: the last packets of a trace, each with its way through the drawn chain.

import { ask, vnfPath } from "./api.js";
import { button, el, say } from "./dom.js";
import { packet } from "./dissect.js";

const KEPT = 50;
const WAIT = 2; // seconds of one question

export class Packets {
  constructor(view) {
    this.view = view;
    this.packets = [];
    this.chosen = null;
    this.running = false;
    this.filter = el("input", { id: "packet-filter", type: "text", placeholder: "tcp port 80", autocomplete: "off", spellcheck: "false" });
    this.toggle = button("Follow packets", () => this.turn(), { "aria-pressed": "false" });
    this.said = el("span", { role: "status", class: "soft" });
    this.list = el("ol", { role: "listbox", tabindex: 0, "aria-label": "The last packets", onkeydown: (event) => this.key(event) });
    this.detail = el("div", { "aria-live": "polite" }, el("p", { class: "soft" }, "Arrow keys step through the packets; the chain shows the way of each."));
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
    say(this.said, this.running ? "following ..." : "");
    while (this.running && this.root.isConnected) {
      try {
        const filter = this.filter.value.trim();
        const answer = await ask("GET", vnfPath(this.view.name,
          `/trace?count=${KEPT}&wait=${WAIT}${filter ? `&filter=${encodeURIComponent(filter)}` : ""}`));
        if (this.running) this.take(answer);
      } catch (problem) {
        say(this.said, problem.message);
        if (problem.status !== 503) this.turn();
        else await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  take(answer) {
    if (!answer.packets.length) return;
    this.packets = [...this.packets, ...answer.packets].slice(-KEPT);
    say(this.said, `${this.packets.length} packets${answer.lost ? `; more came than could be told: ${answer.lost} steps are missing` : ""}`);
    this.draw();
  }

  draw() {
    this.list.replaceChildren(...this.packets.map((each, i) => el("li", {
      role: "option", id: `packet-${i}`, "aria-selected": String(each === this.chosen), class: each.end.startsWith("drop") && "dropped",
      onclick: () => this.choose(each),
    }, `${each.number}  ${each.what}  ${each.end}`)));
    const at = this.packets.indexOf(this.chosen);
    if (at >= 0) this.list.setAttribute("aria-activedescendant", `packet-${at}`);
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
    if (this.running) this.turn();
    if (!this.packets.length) return;
    const at = this.packets.indexOf(this.chosen);
    this.choose(this.packets[at < 0 ? (by > 0 ? 0 : this.packets.length - 1) : Math.max(0, Math.min(this.packets.length - 1, at + by))]);
  }

  choose(each) {
    this.chosen = each;
    if (this.running) this.turn();
    this.draw();
    this.list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
    this.detail.replaceChildren(...packet(each));
    this.view.drawn?.trace(each.came, way(each));
  }

  close() {
    this.running = false;
  }
}

// The places of a packet's way, in order.
function way(each) {
  const places = [each.came.replace(/^(made|copied) by /, ""), ...each.steps.map((step) => step.split(" ")[0])];
  if (each.end.startsWith("forward ")) places.push(each.end.slice("forward ".length));
  if (each.end.startsWith("drop ")) places.push(each.end.slice("drop ".length).split(".")[0]);
  return places.filter((name, i) => name !== places[i - 1]);
}

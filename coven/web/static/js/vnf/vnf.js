// One VNF: its state and what can be done to it, its chain, and what was chosen in it.

import { ask, sentence, vnfPath } from "../api.js";
import { button, el, say, set } from "../dom.js";
import { Chain } from "../chain/chain.js";
import { Charts } from "./charts.js";
import { Packets } from "../packets/packets.js";
import { Panel } from "./panel.js";
import { totals } from "./totals.js";

const ACTS = ["start", "stop", "terminate"];

export class VnfView {
  constructor(name, series) {
    this.name = name;
    this.series = series;
    this.vnf = null;
    this.reading = null;
    this.title = el("h1", {}, name);
    this.state = el("p", { class: "state" });
    this.alarms = el("ul", { class: "alarms" });
    this.refused = el("p", { class: "wrong", role: "alert" }); // what was asked for last
    this.acts = el("div", { class: "acts" }, ACTS.map((act) =>
      button(act[0].toUpperCase() + act.slice(1), () => this.act(act), { "data-act": act })));
    this.place = el("div", { class: "drawn" }, el("p", {}, "..."));
    this.numbers = el("div", { class: "numbers" });
    this.panel = new Panel(this);
    this.charts = new Charts(series);
    this.packets = new Packets(this);
    this.root = el("div", { class: "vnf" },
      el("div", { class: "head" }, this.title, this.state, this.acts), this.refused,
      el("div", { role: "status", "aria-label": "Alarms" }, this.alarms),
      el("div", { class: "work" },
        el("div", { class: "column" }, el("section", { "aria-label": "Chain", class: "first" }, this.place),
          this.charts.root, this.packets.root,
          el("details", { class: "figures" }, el("summary", {}, "All figures"), this.numbers)),
        this.panel.root));
    this.load();
  }

  async load() {
    try {
      const chain = await ask("GET", vnfPath(this.name, "/chain"));
      this.package = chain.package;
      this.drawn = new Chain(chain, (kind, name) => this.panel.open(kind, name));
      this.place.replaceChildren(this.drawn.root);
      this.drawn.fit();
      if (this.reading) this.hear(this.reading);
    } catch (problem) {
      this.place.replaceChildren(el("p", { class: "wrong" }, problem.message));
    }
  }

  // What the agent keeps has changed.
  show(overview) {
    this.vnf = overview.vnfs.find((each) => each.name === this.name) ?? null;
    if (!this.vnf) {
      say(this.state, "There is no such VNF.");
      return;
    }
    if (this.package && this.package !== this.vnf.package) this.load();
    const operations = overview.operations.filter((each) => each.vnf === this.name);
    const going = operations.find((each) => each.id === this.vnf.operation);
    const stands = this.vnf.operational_state ?? this.vnf.instantiation_state.replace("_", " ");
    say(this.state, `${this.vnf.package} · ${stands}${going ? ` · ${going.operation} ${going.progress || going.state}` : ""}`);
    const now = { start: this.vnf.operational_state === "STOPPED", stop: this.vnf.operational_state === "STARTED",
      terminate: this.vnf.instantiation_state === "INSTANTIATED" };
    for (const each of this.acts.children) set(each, "disabled", !now[each.dataset.act]);
    this.charts.operations(operations);
    this.tell();
  }

  // A reading has come.
  hear(reading) {
    this.reading = reading;
    this.drawn?.update(reading.status, this.series, reading.limit);
    if (this.root.querySelector(".figures").open || !this.numbers.firstChild)
      this.numbers.replaceChildren(...(reading.status ? totals(reading.status) : []));
    this.panel.update();
    this.charts.update();
    this.tell();
  }

  tell() {
    const found = this.reading?.limit;
    const limit = found && `bottleneck: ${found.why}. What would help: ${found.helps.join("; ")}`;
    const said = [...(limit ? [limit] : []), ...(this.reading?.why ?? []), ...(this.reading?.errors ?? []).map(sentence),
      ...(this.vnf?.errors ?? []).map(sentence)];
    if (said.join("\n") === this.said) return;
    this.said = said.join("\n");
    this.alarms.replaceChildren(...said.map((text) => el("li", {}, `⚠ ${text}`)));
  }

  async act(what) {
    if (what === "terminate" && !confirm(`Terminate ${this.name}? Its interfaces are given back.`)) return;
    say(this.refused, "");
    try {
      await ask("POST", vnfPath(this.name, `/${what}`));
    } catch (problem) {
      say(this.refused, problem.message);
    }
  }

  close() {
    this.packets.close();
    this.panel.close();
    this.charts.close();
  }
}

// Charts of the last quarter of an hour, by uPlot, with a mark for each thing that happened.

import { button, clock, el, say, seconds, short, timeOf } from "../dom.js";

const COLOURS = ["--lane-0", "--lane-1", "--lane-2", "--lane-3", "--red", "--green", "--soft"];
const DASHES = [[], [8, 4], [2, 3], [12, 3, 2, 3]];
const HEIGHT = 190;
const SHORTEST = 60; // seconds that are shown at least

const charts = import("/page/charts/uPlot.esm.js").then((found) => found.default).catch(() => null);

// What is drawn: the figures' names, and what is made of one.
const KINDS = [
  { title: "Packets a second", of: (series) => [...series.names("port ").filter((name) => / (received|sent)$/.test(name))],
    label: (name) => name.replace(/^port (\S+) received$/, "$1 in").replace(/^port (\S+) sent$/, "$1 out"), scale: 1, unit: "/s" },
  { title: "Drops a second", of: (series) => series.names("drop "), label: (name) => name.slice(5), scale: 1, unit: "/s" },
  { title: "CPU, % of a core", of: (series) => [...series.names("vnfc "), ...series.names("forwarder ")].filter((name) => / cpu$/.test(name)),
    label: (name) => name.replace(/^vnfc /, "").replace(/ cpu$/, ""), scale: 100, unit: " %" },
  { title: "Time in the chain, ms", of: (series) => series.names("latency "), label: (name) => `from ${name.slice(8)}`, value: true, scale: 1e3, unit: " ms", said: (value) => seconds(value / 1e3) },
];

export class Charts {
  constructor(series) {
    this.series = series;
    this.paused = false;
    this.done = [];
    this.pause = button("Pause", () => this.turn(), { "aria-pressed": "false" });
    this.marks = el("ul", { class: "marks soft" });
    this.grid = el("div", { class: "grid" });
    this.root = el("section", { class: "charts", "aria-label": "The last 15 minutes" },
      el("div", { class: "head" }, el("h2", {}, "The last 15 minutes"), el("div", { class: "tools" }, this.pause)),
      this.grid, el("details", {}, el("summary", {}, "What happened"), this.marks));
    this.shown = new Map();
    this.looks = new Map(); // figure -> number of its colour and dashes, the same for good
    this.begin();
  }

  async begin() {
    this.uPlot = await charts;
    if (!this.uPlot) {
      this.grid.replaceChildren(el("p", { class: "soft" },
        "Charts need uPlot, which set-up takes from the registry of npm: make setup."));
      return;
    }
    if (!document.getElementById("uplot-style"))
      document.head.append(el("link", { id: "uplot-style", rel: "stylesheet", href: "/page/charts/uPlot.min.css" }));
    this.resized = () => this.draw(true);
    this.watch = new ResizeObserver(() => {
      if (this.grid.clientWidth !== this.width) this.draw(true);
    });
    this.watch.observe(this.grid);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.addEventListener("change", this.resized);
    this.draw(true);
  }

  turn() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    say(this.pause, this.paused ? "Go on" : "Pause");
    this.update();
  }

  // Operations are marks, too: when they began, and how they ended.
  operations(operations) {
    this.done = operations.map((each) => ({ at: timeOf(each.started), what: `${each.operation}${each.target ? ` ${each.target}` : ""} ${each.state}` }));
    this.update();
  }

  happened() {
    const first = this.series.rows[0]?.[0] ?? Infinity;
    return [...this.series.marks, ...this.done].filter((each) => each.at >= first).sort((a, b) => a.at - b.at);
  }

  update() {
    if (!this.paused) this.draw(false);
  }

  draw(anew) {
    const happened = this.happened();
    const words = happened.map((each) => `${clock(each.at)} ${each.what}`);
    if (this.marks.textContent !== words.join("")) this.marks.replaceChildren(...words.map((text) => el("li", {}, text)));
    if (!this.uPlot) return;
    this.at = happened;
    for (const kind of KINDS) this.chart(kind, anew);
  }

  chart(kind, anew) {
    this.width = this.grid.clientWidth;
    const names = kind.of(this.series).slice(0, 14);
    let chart = this.shown.get(kind.title);
    if (!names.length) {
      chart?.plot.destroy();
      chart?.figure.remove();
      this.shown.delete(kind.title);
      return;
    }
    const values = names.map((name) => (kind.value ? this.series.values(name) : this.series.rates(name))
      .map((value) => (value === null ? null : value * kind.scale)));
    const data = [this.series.times, ...values];
    if (chart && !anew && chart.names === names.join()) {
      chart.plot.setData(data);
      this.latest(chart.plot);
      return;
    }
    chart?.plot.destroy();
    chart?.figure.remove();
    const figure = el("figure", {}, el("figcaption", {}, kind.title));
    const behind = KINDS.slice(KINDS.indexOf(kind) + 1).map(({ title }) => this.shown.get(title)?.figure).find(Boolean);
    this.grid.insertBefore(figure, behind ?? null);
    const plot = new this.uPlot(this.options(kind, names, figure.clientWidth || 320), data, figure);
    this.shown.set(kind.title, { figure, plot, names: names.join() });
    this.latest(plot);
  }

  // What is now stands in the legend, unless somebody points at a moment.
  latest(plot) {
    if (plot.cursor.left < 0 || plot.cursor.idx === null) plot.setLegend({ idx: plot.data[0].length - 1 });
  }

  look(kind, name) {
    const own = `${kind.title} `;
    const key = own + name;
    if (!this.looks.has(key)) this.looks.set(key, [...this.looks.keys()].filter((each) => each.startsWith(own)).length);
    return this.looks.get(key);
  }

  options(kind, names, width) {
    const style = getComputedStyle(document.documentElement);
    const colour = (name) => style.getPropertyValue(name).trim();
    const axis = { stroke: colour("--ink"), grid: { stroke: colour("--rule"), width: 1 }, ticks: { stroke: colour("--rule") } };
    return {
      width, height: HEIGHT, cursor: { drag: { x: false, y: false } },
      scales: { x: { range: (plot, low, high) => [Math.min(low, high - SHORTEST), high] }, y: { range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, space: 80, values: (plot, ticks) => ticks.map((at) => clock(at)) }, { ...axis, size: 58, values: (plot, ticks) => ticks.map((value) => short(value)) }],
      hooks: { draw: [(plot) => this.mark(plot, colour("--amber"))], setCursor: [(plot) => this.latest(plot)] },
      series: [{ value: (plot, at) => (at === null ? "–" : clock(at)) },
        ...names.map((name) => [name, this.look(kind, name)]).map(([name, i]) => ({
          label: kind.label(name), stroke: colour(COLOURS[i % COLOURS.length]), width: 2, points: { show: false },
          dash: DASHES[Math.floor(i / COLOURS.length + i) % DASHES.length],
          value: (plot, value) => (value === null ? "–" : kind.said?.(value) ?? short(Math.round(value * 100) / 100) + kind.unit),
        }))],
    };
  }

  mark(plot, colour) {
    const { ctx } = plot;
    const { left, top, width, height } = plot.bbox;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.setLineDash([6, 4]);
    ctx.lineWidth = 2;
    for (const each of this.at ?? []) {
      const x = plot.valToPos(each.at, "x", true);
      if (x < left || x > left + width) continue;
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + height);
      ctx.stroke();
      ctx.beginPath();
      ctx.moveTo(x - 6, top);
      ctx.lineTo(x + 6, top);
      ctx.lineTo(x, top + 9);
      ctx.fill();
    }
    ctx.restore();
  }

  close() {
    if (this.resized) {
      this.watch.disconnect();
      this.dark.removeEventListener("change", this.resized);
    }
    for (const { plot } of this.shown.values()) plot.destroy();
  }
}

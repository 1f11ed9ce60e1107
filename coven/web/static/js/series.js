// The last quarter of an hour of a VNF: rows of figures, one a second.

const KEPT = 900; // seconds
const LINES = 200; // that a VNFC said
const NOTHING = [];

export class Series {
  constructor() {
    this.rows = []; // [seconds, Map of figures]
    this.marks = [];
    this.said = new Map(); // VNFC -> its last lines
  }

  // What the agent kept; what this page has seen before that stays.
  history({ columns, rows, marks, said }) {
    const kept = rows.map(([at, ...values]) => [at, new Map(columns.flatMap((name, i) =>
      values[i] === null || values[i] === undefined ? [] : [[name, values[i]]]))]);
    const first = kept.length ? kept[0][0] : Infinity;
    const last = kept.length ? kept[kept.length - 1][0] : -Infinity;
    this.rows = [...this.rows.filter(([at]) => at < first), ...kept, ...this.rows.filter(([at]) => at > last)];
    this.mark(marks);
    this.said.clear();
    this.hear(said);
    this.forget();
  }

  // What VNFCs have said since.
  hear(said) {
    const by = new Map();
    for (const each of said) by.set(each.vnfc, [...(by.get(each.vnfc) ?? []), each]);
    for (const [vnfc, lines] of by) this.said.set(vnfc, [...this.lines(vnfc), ...lines].slice(-LINES));
  }

  lines(vnfc) {
    return this.said.get(vnfc) ?? NOTHING;
  }

  add(at, figures) {
    if (this.rows.length && at <= this.rows[this.rows.length - 1][0]) return;
    this.rows.push([at, new Map(Object.entries(figures))]);
    this.forget();
  }

  mark(marks) {
    const known = new Set(this.marks.map((each) => `${each.at} ${each.what}`));
    this.marks.push(...marks.filter((each) => !known.has(`${each.at} ${each.what}`)));
    this.marks.sort((a, b) => a.at - b.at);
  }

  forget() {
    if (!this.rows.length) return;
    const oldest = this.rows[this.rows.length - 1][0] - KEPT;
    while (this.rows[0][0] < oldest) this.rows.shift();
    this.marks = this.marks.filter((each) => each.at >= oldest);
  }

  names(prefix) {
    const found = new Set();
    for (const [, row] of this.rows) for (const name of row.keys()) if (name.startsWith(prefix)) found.add(name);
    return [...found].sort();
  }

  // How fast a sum grows now, a second; null: not known yet.
  rate(name) {
    return this.rows.length < 2 ? null : step(this.rows[this.rows.length - 2], this.rows[this.rows.length - 1], name);
  }

  last(name) {
    return this.rows.length ? (this.rows[this.rows.length - 1][1].get(name) ?? null) : null;
  }

  rates(name) {
    return this.rows.map((row, i) => (i ? step(this.rows[i - 1], row, name) : null));
  }

  values(name) {
    return this.rows.map(([, row]) => row.get(name) ?? null);
  }

  get times() {
    return this.rows.map(([at]) => at);
  }
}

function step([before, was], [after, is], name) {
  const now = is.get(name);
  if (now === undefined || !is.size || !was.size) return null;
  const then = was.get(name) ?? (/^(drop|output|bytes) /.test(name) ? 0 : undefined); // a drop that was not yet is none
  if (then === undefined || now < then || after <= before) return null;
  return (now - then) / (after - before);
}

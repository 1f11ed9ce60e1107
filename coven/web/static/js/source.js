// The stream of events, opened for the VNFs that somebody looks at, and only while somebody does.

const AGAIN = 2000; // milliseconds

export class Source {
  // `hear(event, value)` gets what comes; `line(state)` gets open, lost or refused.
  constructor(hear, line) {
    this.hear = hear;
    this.line = line;
    this.shown = null;
    this.events = null;
    this.timer = null;
  }

  // `vnfs`: names; null: nobody looks.
  show(vnfs) {
    const shown = vnfs === null ? null : [...new Set(vnfs)].sort().join(",");
    if (shown === this.shown) return;
    this.shown = shown;
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    this.events?.close();
    this.events = null;
    if (this.shown === null) return;
    const events = new EventSource(`/page/stream?vnf=${encodeURIComponent(this.shown)}`);
    this.events = events;
    for (const name of ["agent", "vnf", "history"]) {
      events.addEventListener(name, (event) => this.hear(name, JSON.parse(event.data)));
    }
    events.addEventListener("open", () => this.line("open"));
    events.addEventListener("error", () => {
      if (events !== this.events) return;
      this.line("lost");
      if (events.readyState === EventSource.CLOSED) this.refused();
    });
  }

  // The browser gives up when the answer is an error: why, the API tells.
  async refused() {
    const response = await fetch("/v1/agent").catch(() => null);
    if (response?.status === 401) this.line("refused");
    else this.timer = setTimeout(() => this.open(), AGAIN);
  }
}

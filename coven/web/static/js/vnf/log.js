// The tail of what a VNFC says.

import { ask, vnfPath } from "../api.js";
import { clock, el } from "../dom.js";

const EACH = 1500; // milliseconds
const KEPT = 200; // lines

export class Log {
  constructor(vnf, vnfc) {
    this.path = vnfPath(vnf, `/logs?vnfc=${encodeURIComponent(vnfc)}`);
    this.text = el("pre", { tabindex: 0, role: "log", "aria-label": `What ${vnfc} says` }, "nothing yet");
    this.root = el("section", {}, el("h3", {}, "Log"), this.text);
    this.lines = [];
    this.next = null;
    this.timer = null;
    this.closed = false;
    this.read();
  }

  async read() {
    if (document.visibilityState === "visible") {
      try {
        const answer = await ask("GET", this.path + (this.next ? `&after=${this.next}&lines=${KEPT}` : "&lines=40"));
        this.next = answer.next;
        if (answer.lines.length) this.show(answer.lines);
      } catch { /* the line at the top says so; the next one comes */ }
    }
    if (!this.closed) this.timer = setTimeout(() => this.read(), EACH);
  }

  show(lines) {
    this.lines = [...this.lines, ...lines.map((each) => `${clock(each.time)} ${each.line}`)].slice(-KEPT);
    const below = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 8;
    this.text.textContent = this.lines.join("\n");
    if (below) this.text.scrollTop = this.text.scrollHeight;
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
  }
}

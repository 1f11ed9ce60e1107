// The tail of what a VNFC says: it comes with the readings.

import { clock, el } from "../dom.js";

export class Log {
  // `said(vnfc)`: its last lines, each {time, line}; another array when there are more.
  constructor(vnfc, said) {
    this.vnfc = vnfc;
    this.said = said;
    this.lines = [];
    // who uses a screen reader reads it when he wants to: some VNFCs never stop talking
    this.text = el("pre", { tabindex: 0, role: "log", "aria-live": "off", "aria-label": `What ${vnfc} says` }, "nothing yet");
    this.root = el("section", {}, el("h3", {}, "Log"), this.text);
    this.update();
  }

  update() {
    const lines = this.said(this.vnfc);
    if (lines === this.lines || !lines.length) return;
    this.lines = lines;
    const below = this.text.scrollTop + this.text.clientHeight >= this.text.scrollHeight - 8;
    this.text.textContent = lines.map((each) => `${clock(each.time)} ${each.line}`).join("\n");
    if (below) this.text.scrollTop = this.text.scrollHeight;
  }
}

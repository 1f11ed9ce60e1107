// What this tab shows, told to the worker that all tabs share; without such workers the tab has a stream of its own.

import { Source } from "./source.js";

const HEARTBEAT = 20000; // milliseconds
const WORKER = "/page/js/worker.js";

// The one script that this page begins by its address.
function workerAddress() {
  const policy = globalThis.trustedTypes?.createPolicy("coven", { createScriptURL: () => WORKER });
  return policy ? policy.createScriptURL("") : WORKER;
}

export class Stream {
  constructor(hear, line) {
    this.vnfs = [];
    if (typeof SharedWorker === "function") {
      const worker = new SharedWorker(workerAddress(), { type: "module", name: "coven" });
      this.port = worker.port;
      this.port.addEventListener("message", ({ data }) => {
        if (data.event) hear(data.event, data.value);
        else line(data.line);
      });
      this.port.start();
      setInterval(() => this.say(), HEARTBEAT);
      addEventListener("pagehide", () => this.port.postMessage({ gone: true }));
      addEventListener("pageshow", () => this.say());
    } else {
      this.source = new Source(hear, line);
    }
    document.addEventListener("visibilitychange", () => this.say());
  }

  show(vnfs) {
    this.vnfs = vnfs;
    this.say();
  }

  say() {
    const visible = document.visibilityState === "visible";
    if (this.port) this.port.postMessage({ vnfs: this.vnfs, visible });
    else this.source.show(visible ? this.vnfs : null);
  }
}

// One stream for all tabs of a browser: a SharedWorker. Tabs say what they show; one that is silent is gone.

import { Source } from "./source.js";

const SILENT = 90000; // milliseconds: timers of hidden tabs run once a minute

const tabs = new Map();
let state = "lost";

function tell(message) {
  for (const port of tabs.keys()) port.postMessage(message);
}

const source = new Source(
  (event, value) => tell({ event, value }),
  (now) => {
    state = now;
    tell({ line: now });
  },
);

function look(again = false) {
  const now = Date.now();
  for (const [port, tab] of tabs) if (now - tab.heard > SILENT) tabs.delete(port);
  const seen = [...tabs.values()].filter((tab) => tab.visible);
  if (again) source.shown = null;
  source.show(seen.length ? seen.flatMap((tab) => tab.vnfs) : null);
}

self.addEventListener("connect", (connection) => {
  const port = connection.ports[0];
  port.addEventListener("message", ({ data }) => {
    if (data.gone) {
      tabs.delete(port);
      look();
      return;
    }
    const before = tabs.get(port);
    tabs.set(port, { ...data, heard: Date.now() });
    // whoever begins to look needs what was: it comes with a stream's beginning
    const begins = data.visible && (!before?.visible || before.vnfs.join() !== data.vnfs.join());
    look(begins);
    port.postMessage({ line: state });
  });
  port.start();
});

setInterval(look, 10000);

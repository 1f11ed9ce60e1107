// The page: what the address names is shown; what the stream tells is told to it.

import { ask } from "./api.js";
import { el, say } from "./dom.js";
import { toLogin } from "./api.js";
import { Stream } from "./stream.js";
import { Series } from "./series.js";
import { Life } from "./life/life.js";
import { VnfView } from "./vnf/vnf.js";

const view = document.getElementById("view");
const nav = document.getElementById("nav");
const line = document.getElementById("line");
const LINES = { open: "live", lost: "no answer: trying again", refused: "logged out" };

let overview = null; // what the agent keeps
let shown = null; // {name, show(overview), hear(reading)} of the present view
const known = new Map(); // VNF -> its Series, for as long as the page is open

const series = (name) => {
  if (!known.has(name)) known.set(name, new Series());
  return known.get(name);
};

function hear(event, value) {
  if (event === "agent") {
    overview = value;
    navigate();
    shown?.show(overview);
  } else if (event === "history") {
    series(value.name).history(value);
  } else if (event === "vnf") {
    const own = series(value.name);
    own.add(value.at, value.figures);
    own.mark(value.marks);
    own.hear(value.said);
    if (shown?.name === value.name) shown.hear(value);
  }
}

function onLine(state) {
  say(line, LINES[state] ?? state);
  line.className = state;
  if (state === "refused") toLogin();
}

const stream = new Stream(hear, onLine);

function addressed() {
  const [, kind, name] = location.hash.match(/^#\/(vnf)\/([a-z][a-z0-9_-]*)$/) ?? [];
  return kind ? name : null;
}

function navigate() {
  const name = addressed();
  nav.replaceChildren(...(overview?.vnfs ?? []).map((vnf) =>
    el("a", { href: `#/vnf/${vnf.name}`, "aria-current": vnf.name === name && "page" }, vnf.name)),
  el("a", { href: "#/", "aria-current": name === null && "page" }, "Packages and VNFs"));
}

function show() {
  const name = addressed();
  shown?.close?.();
  shown = name === null ? new Life() : new VnfView(name, series(name));
  document.title = name === null ? "Coven" : `${name} – Coven`;
  view.replaceChildren(shown.root);
  stream.show(name === null ? [] : [name]);
  navigate();
  if (overview) shown.show(overview);
}

addEventListener("hashchange", () => {
  show();
  view.focus();
});

// Who asks nobody for a token has no session to end.
const agent = await ask("GET", "/v1/agent").catch(() => null);
if (agent?.authentication === "none") document.getElementById("logout").hidden = true;
show();

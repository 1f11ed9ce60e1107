// Packets at a place as a file: pcapng, by the API.

import { vnfPath } from "../api.js";
import { el } from "../dom.js";

const LASTS = [["10 s", "seconds=10"], ["60 s", "seconds=60"], ["100 packets", "count=100&seconds=600"]];

let made = 0;

export function capturing(vnf, at, name) {
  const id = `capture-${(made += 1)}`;
  const choice = el("select", { id }, LASTS.map(([label, value]) => el("option", { value }, label)));
  const filter = el("input", { id: `${id}-filter`, type: "text", placeholder: "tcp port 80", autocomplete: "off", spellcheck: "false" });
  const link = el("a", { class: "button", download: `${vnf}-${name}.pcapng` }, "Capture from here");
  const address = () => {
    const match = filter.value.trim();
    link.setAttribute("href", vnfPath(vnf, `/capture?at=${encodeURIComponent(at)}&${choice.value}` +
      `${match ? `&filter=${encodeURIComponent(match)}` : ""}`));
  };
  choice.addEventListener("change", address);
  filter.addEventListener("input", address);
  address();
  return el("section", { "aria-label": "Capture" }, el("h3", {}, "Capture"),
    el("div", { class: "field" }, el("label", { for: id }, "for"), choice),
    el("div", { class: "field" }, el("label", { for: `${id}-filter` }, "only those that match"), filter), link,
    el("span", { class: "soft" }, ` at ${at}, as pcapng`));
}

// Packets at a place as a file: pcapng, by the API.

import { Problem, vnfPath } from "../api.js";
import { el } from "../dom.js";
import { Asked, tell } from "../vnf/forms.js";

const LASTS = [["10 s", "seconds=10"], ["60 s", "seconds=60"], ["100 packets", "count=100&seconds=600"]];

let made = 0;

export function capturing(vnf, at, name) {
  const id = `capture-${(made += 1)}`;
  const choice = el("select", { id }, LASTS.map(([label, value]) => el("option", { value }, label)));
  const filter = new Asked("filter", "filter", el("input", {
    id: `${id}-filter`, type: "text", placeholder: "tcp port 80", autocomplete: "off", spellcheck: "false",
  }), "only those that match");
  const wrong = el("p", { class: "wrong", role: "alert" });
  const address = (lasts) => {
    const match = filter.read().trim();
    return vnfPath(vnf, `/capture?at=${encodeURIComponent(at)}&${lasts}${match ? `&filter=${encodeURIComponent(match)}` : ""}`);
  };
  const link = el("a", { class: "button", download: `${vnf}-${name}.pcapng`, href: address(LASTS[0][1]) }, "Capture from here");
  let judged = false;
  // a browser does not tell why a download was refused: that is asked first
  link.addEventListener("click", async (event) => {
    if (judged) return;
    event.preventDefault();
    filter.say("");
    wrong.textContent = "";
    const response = await fetch(address("seconds=0.01&count=1")).catch(() => null);
    if (!response?.ok) {
      tell(new Problem(response?.status ?? 0, response ? await response.json().catch(() => null) : { title: "the agent does not answer" }), [filter], wrong);
      return;
    }
    await response.arrayBuffer();
    link.setAttribute("href", address(choice.value));
    judged = true;
    link.click();
    judged = false;
  });
  return el("section", { "aria-label": "Capture" }, el("h3", {}, "Capture"),
    el("div", { class: "field" }, el("label", { for: id }, "for"), choice), filter.root, wrong, link,
    el("span", { class: "soft" }, ` at ${at}, as pcapng`));
}

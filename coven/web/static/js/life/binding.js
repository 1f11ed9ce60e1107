// The form that instantiates a VNF: its ports bound to interfaces, its configuration. What is refused is told beside the
// field that it is about.

import { ask, vnfPath } from "../api.js";
import { button, el } from "../dom.js";
import { Asked, Field, changes, configured, readAll, tell } from "../vnf/forms.js";

// `done`: called when it has begun, or is not wanted. Raises Problem.
export async function binding(vnf, done) {
  const [chain, { interfaces }, config] = await Promise.all([
    ask("GET", vnfPath(vnf.name, "/chain")), ask("GET", "/v1/interfaces"), ask("GET", vnfPath(vnf.name, "/config"))]);
  const free = interfaces.filter((each) => !each.refused.length);
  const ports = chain.ports.map(({ name }, i) => choice(name, interfaces, free[i]?.name));
  const parts = chain.vnfcs.map((about) => ({ name: about.name, fields: configured(about, config[about.name] ?? {}) }))
    .filter(({ fields }) => fields.length);
  const take = new Field("take", false, { type: "boolean" }, "also interfaces that have addresses, carry the default route or are enslaved");
  const start = new Field("start", true, { type: "boolean" }, "let packets pass at once");
  const refused = el("p", { class: "wrong", role: "alert" });
  const instantiate = async (event) => {
    event.preventDefault();
    const all = [...ports, ...parts.flatMap(({ fields }) => fields)];
    refused.textContent = "";
    if (!readAll(all)) return;
    const bound = Object.fromEntries(ports.map((port) => [port.name, { interface: port.read(), take: take.read() }]));
    const wanted = Object.fromEntries(parts.map(({ name, fields }) => [name, changes(fields)])
      .filter(([, changed]) => Object.keys(changed).length));
    try {
      await ask("POST", vnfPath(vnf.name, "/instantiate"), { ports: bound, config: wanted, start: start.read() });
      done();
    } catch (problem) {
      tell(problem, all, refused);
    }
  };
  return el("form", { class: "card", onsubmit: instantiate }, el("h3", { tabindex: -1 }, `Instantiate ${vnf.name}`),
    interfaces.length ? ports.map((port) => port.root) : el("p", { class: "wrong" }, "This machine has no interface but the loopback."),
    take.root, start.root,
    parts.map(({ name, fields }) => el("details", {}, el("summary", {}, `Configuration of ${name}`), fields.map((field) => field.root))),
    refused, el("div", { class: "tools" }, el("button", {}, "Instantiate"), button("Not now", done)));
}

// An interface for a port, among those of the machine; with one that would be refused stands why.
function choice(name, interfaces, chosen) {
  return new Asked(name, `ports.${name}`, el("select", { id: `port-${name}` }, interfaces.map((each) =>
    el("option", { value: each.name, disabled: !each.takeable, selected: each.name === chosen },
      each.name + (each.refused.length ? ` (${each.takeable ? "only if taken" : "no"}: ${each.refused.join("; ")})` : "")))),
  `Port ${name}`);
}

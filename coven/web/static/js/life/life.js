// Packages and VNFs: upload, create, bind, instantiate, start, stop, terminate, delete; what goes on, and what went wrong.

import { ask, sentence, upload, vnfPath } from "../api.js";
import { button, bytes, el, say, table } from "../dom.js";
import { Asked, readAll, tell } from "../vnf/forms.js";
import { binding } from "./binding.js";
import { linesOf } from "./zip.js";

const AROUND = 2; // lines before and behind a mistake

export class Life {
  constructor() {
    this.said = el("p", { class: "wrong", role: "alert" });
    this.vnfs = el("div");
    this.packages = el("div");
    this.operations = el("div");
    this.alarms = el("div");
    this.bind = el("div");
    this.root = el("div", { class: "life" }, el("h1", {}, "Packages and VNFs"), this.said,
      el("div", { class: "cards" },
        el("section", { "aria-label": "VNFs" }, el("h2", {}, "VNFs"), this.vnfs, this.creating(), this.bind),
        el("section", { "aria-label": "Packages" }, el("h2", {}, "Packages"), this.packages, this.uploading())),
      el("section", { "aria-label": "Alarms" }, el("h2", {}, "Alarms"), this.alarms),
      el("section", { "aria-label": "Operations" }, el("h2", {}, "Operations"), this.operations));
  }

  show(overview) {
    this.overview = overview;
    const alarm = (vnf) => vnf.errors.length > 0 && el("ul", { class: "mistakes" }, vnf.errors.map((each) => el("li", {}, sentence(each))));
    this.vnfs.replaceChildren(overview.vnfs.length ? table("VNFs of this agent", ["VNF", "package", "state", "what can be done"],
      overview.vnfs.map((vnf) => [el("a", { href: `#/vnf/${vnf.name}` }, vnf.name), vnf.package,
        [vnf.operational_state ?? "not instantiated", alarm(vnf)], this.acts(vnf)])) : el("p", { class: "soft" }, "None yet."));
    this.packages.replaceChildren(overview.packages.length ? table("Packages of this agent", ["package", "description", "#size", "what can be done"],
      overview.packages.map((each) => [each.id, each.description, bytes(each.size),
        button("Delete", () => this.act("DELETE", `/v1/packages/${encodeURIComponent(each.id)}`), { class: "quiet" })]))
      : el("p", { class: "soft" }, "None yet."));
    this.operations.replaceChildren(overview.operations.length ? table("The newest first", ["operation", "VNF", "state", "began", "changed", "what it says"],
      overview.operations.map((each) => [`${each.operation}${each.target ? ` ${each.target}` : ""}`, each.vnf, each.state, when(each.started), when(each.changed),
        [each.progress, each.errors.length > 0 && el("ul", { class: "mistakes" }, each.errors.map((error) => el("li", {}, sentence(error))))]]))
      : el("p", { class: "soft" }, "None yet."));
    this.alarms.replaceChildren(overview.alarms.length ? table("Those that stand first", ["alarm", "VNF", "severity", "began", "over", "what it says"],
      overview.alarms.map((each) => [`${each.cleared ? "" : "⚠ "}${each.fault}`, each.place ? `${each.vnf}: ${each.place}` : each.vnf, each.severity,
        when(each.began), each.cleared ? when(each.cleared) : "stands", each.details.join("; ")])) : el("p", { class: "soft" }, "None."));
    const chosen = this.choice.value;
    this.choice.replaceChildren(...overview.packages.map((each) => el("option", { value: each.id, selected: each.id === chosen }, each.id)));
  }

  acts(vnf) {
    const post = (what) => () => this.act("POST", vnfPath(vnf.name, `/${what}`));
    const made = [];
    if (vnf.operation) return el("em", {}, "under way");
    if (vnf.instantiation_state === "NOT_INSTANTIATED") {
      made.push(button("Instantiate ...", () => this.binding(vnf)), button("Delete", () => this.act("DELETE", vnfPath(vnf.name))));
    } else {
      made.push(vnf.operational_state === "STARTED" ? button("Stop", post("stop")) : button("Start", post("start")),
        button("Terminate", () => confirm(`Terminate ${vnf.name}? Its interfaces are given back.`) && post("terminate")()));
    }
    return el("div", { class: "tools" }, made);
  }

  async act(method, path, body) {
    say(this.said, "");
    try {
      return await ask(method, path, body);
    } catch (problem) {
      say(this.said, problem.message);
      return null;
    }
  }

  creating() {
    this.choice = el("select", { id: "new-package", required: true });
    const name = new Asked("name", "name", el("input", {
      id: "new-name", type: "text", required: true, pattern: "[a-z][a-z0-9_\\-]{0,31}", autocomplete: "off",
    }), "Name", "a small letter, then small letters, digits, - or _");
    const chosen = new Asked("package", "package", this.choice, "Package");
    const wrong = el("p", { class: "wrong", role: "alert" });
    const create = async (event) => {
      event.preventDefault();
      const fields = [name, chosen];
      readAll(fields);
      try {
        const made = await ask("POST", "/v1/vnfs", { name: name.read(), package: chosen.read() });
        wrong.textContent = name.input.value = "";
        this.binding(made);
      } catch (problem) {
        tell(problem, fields, wrong);
      }
    };
    return el("form", { class: "card", onsubmit: create }, el("h3", {}, "Create a VNF"), name.root, chosen.root, wrong,
      el("button", {}, "Create"));
  }

  // Show the form that instantiates a VNF.
  async binding(vnf) {
    say(this.said, "");
    try {
      this.bind.replaceChildren(await binding(vnf, () => this.bind.replaceChildren()));
      this.bind.querySelector("h3").focus();
    } catch (problem) {
      say(this.said, problem.message);
    }
  }

  uploading() {
    const input = el("input", { id: "upload", type: "file", accept: ".zip,.csar" });
    const bar = el("progress", { max: 1, value: 0, hidden: true, "aria-label": "Upload" });
    const said = el("p", { role: "status" });
    const mistakes = el("ol", { class: "mistakes" });
    const send = async (event) => {
      event.preventDefault();
      const file = input.files[0];
      if (!file) return;
      mistakes.replaceChildren();
      bar.hidden = false;
      try {
        const got = await upload("/v1/packages", file, (share) => {
          bar.value = share;
          said.textContent = share < 1 ? `${Math.round(100 * share)} %` : "is being checked ...";
        });
        said.textContent = `${got.id} is here`;
      } catch (problem) {
        said.textContent = problem.title || problem.message;
        for (const error of problem.errors.length ? problem.errors : [{ found: problem.message }])
          mistakes.append(el("li", {}, sentence(error), await atLine(file, error)));
      }
      bar.hidden = true;
    };
    return el("form", { class: "card", onsubmit: send }, el("h3", {}, "Upload a package"),
      el("div", { class: "field" }, el("label", { for: "upload" }, "A CSAR or a zip"), input,
        el("span", { class: "soft" }, "coven pack makes one of a folder")), el("button", {}, "Upload"), bar, said, mistakes);
  }
}

const when = (text) => new Date(text).toLocaleString("en-GB");

// The lines around a mistake, out of the file that was uploaded; null where that cannot be shown.
async function atLine(file, error) {
  if (!error.file || !error.line) return null;
  const lines = await linesOf(file, error.file);
  if (!lines || error.line > lines.length) return null;
  const first = Math.max(1, error.line - AROUND);
  return el("pre", { tabindex: 0, "aria-label": `${error.file}, around line ${error.line}` },
    lines.slice(first - 1, error.line + AROUND).map((text, i) => {
      const shown = `${String(first + i).padStart(4)}  ${text}\n`;
      return first + i === error.line ? el("mark", {}, shown) : shown;
    }));
}

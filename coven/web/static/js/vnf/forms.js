// Forms out of schemas: a VNFC's configuration, its agent requests.

import { ask, sentence, vnfPath } from "../api.js";
import { el } from "../dom.js";

let made = 0;

// A field for a value: by its schema where it has one, else by what the value is.
export class Field {
  constructor(name, value, schema, why) {
    this.name = name;
    this.first = value;
    const id = `field-${(made += 1)}`;
    const kind = kindOf(value, schema);
    this.kind = kind;
    this.wrong = el("p", { class: "wrong", id: `${id}-wrong`, role: "alert" });
    const about = { id, name, "aria-describedby": `${id}-wrong ${id}-why` };
    if (kind === "enum") {
      this.input = el("select", about, schema.enum.map((each) =>
        el("option", { value: JSON.stringify(each), selected: each === value }, String(each))));
    } else if (kind === "boolean") {
      this.input = el("input", { ...about, type: "checkbox" });
      this.input.checked = Boolean(value);
    } else {
      this.input = el("input", { ...about, type: "text", autocomplete: "off", spellcheck: "false",
        inputmode: kind === "number" && "decimal" });
      this.input.value = kind === "text" || value === undefined ? (value ?? "") : JSON.stringify(value);
    }
    const said = [why ?? schema?.description, kind === "json" && "as JSON", bounds(schema)].filter(Boolean).join("; ");
    this.root = el("div", { class: "field" }, el("label", { for: id }, name), this.input,
      el("span", { class: "soft", id: `${id}-why` }, said), this.wrong);
  }

  // Its value. Throws an Error for what is none.
  read() {
    if (this.kind === "enum") return JSON.parse(this.input.value);
    if (this.kind === "boolean") return this.input.checked;
    if (this.kind === "text") return this.input.value;
    try {
      return JSON.parse(this.input.value);
    } catch {
      throw new Error(this.kind === "number" ? "not a number" : "not JSON, such as [1, 2] or {\"a\": 1}");
    }
  }

  say(text) {
    this.wrong.textContent = text;
    if (text) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }
}

function kindOf(value, schema) {
  if (Array.isArray(schema?.enum)) return "enum";
  const type = schema?.type ?? (value === null || value === undefined ? "text" : typeof value);
  if (type === "boolean" || type === "bool") return "boolean";
  if (["integer", "number", "int", "float"].includes(type)) return "number";
  return type === "string" || type === "str" || type === "text" ? "text" : "json";
}

function bounds(schema) {
  const [least, most] = [schema?.minimum, schema?.maximum];
  if (least !== undefined && most !== undefined) return `${least} to ${most}`;
  return least !== undefined ? `at least ${least}` : most !== undefined && `at most ${most}`;
}

// What all fields say; null where one is wrong, which is said beside it.
function readAll(fields) {
  const values = {};
  let good = true;
  for (const field of fields) {
    field.say("");
    try {
      values[field.name] = field.read();
    } catch (error) {
      field.say(error.message);
      if (good) field.input.focus();
      good = false;
    }
  }
  return good ? values : null;
}

// Mistakes beside the fields that they are about: those whose path begins with `prefix` and a field's name.
function tell(problem, fields, prefix, rest) {
  const left = [];
  for (const error of problem.errors.length ? problem.errors : [{ found: problem.message }]) {
    const own = fields.find((field) => {
      const path = `${prefix}${field.name}`;
      return error.field === path || error.field?.startsWith(`${path}.`) || error.field?.startsWith(`${path}[`);
    });
    if (own) own.say([own.wrong.textContent, sentence({ ...error, field: error.field.slice(prefix.length) })].filter(Boolean).join("\n"));
    else left.push(sentence(error));
  }
  rest.textContent = left.join("\n");
  fields.find((field) => field.wrong.textContent)?.input.focus();
}

export class Configuration {
  constructor(vnf, about) {
    this.vnf = vnf;
    this.about = about;
    this.said = el("p", { class: "wrong", role: "alert" });
    this.done = el("p", { class: "good", role: "status" });
    this.form = el("form", { onsubmit: (event) => { event.preventDefault(); this.apply(); } });
    this.root = el("section", { "aria-label": "Configuration" }, el("h3", {}, "Configuration"), this.form);
    this.load();
  }

  async load() {
    try {
      const all = await ask("GET", vnfPath(this.vnf, "/config"));
      const own = all[this.about.name] ?? {};
      const rules = this.about.schema?.properties ?? {};
      this.fields = Object.entries(own).map(([key, value]) => new Field(key, value, rules[key]));
      this.form.replaceChildren(...(this.fields.length
        ? [...this.fields.map((field) => field.root), this.said, this.done, el("button", {}, "Apply now")]
        : [el("p", { class: "soft" }, "It has none.")]));
    } catch (problem) {
      this.form.replaceChildren(el("p", { class: "wrong" }, problem.message));
    }
  }

  async apply() {
    this.said.textContent = this.done.textContent = "";
    const values = readAll(this.fields);
    if (!values) return;
    const changed = Object.fromEntries(Object.entries(values).filter(([key, value]) =>
      JSON.stringify(value) !== JSON.stringify(this.fields.find((field) => field.name === key).first)));
    if (!Object.keys(changed).length) {
      this.done.textContent = "Nothing is changed.";
      return;
    }
    try {
      const now = await ask("PATCH", vnfPath(this.vnf, "/config"), { [this.about.name]: changed });
      for (const field of this.fields) field.first = now[this.about.name][field.name];
      this.done.textContent = `In force: ${Object.keys(changed).join(", ")}.`;
    } catch (problem) {
      tell(problem, this.fields, `config.${this.about.name}.`, this.said);
    }
  }
}

export class Requests {
  constructor(vnf, vnfc) {
    this.vnf = vnf;
    this.vnfc = vnfc;
    this.list = el("div");
    this.root = el("section", { "aria-label": "Requests" }, el("h3", {}, "Requests"), this.list);
    this.load();
  }

  async load() {
    try {
      const all = await ask("GET", vnfPath(this.vnf, "/requests"));
      const own = all[this.vnfc] ?? [];
      this.list.replaceChildren(...(own.length ? own.map((each) => this.form(each)) : [el("p", { class: "soft" }, "It has none.")]));
    } catch (problem) {
      this.list.replaceChildren(el("p", { class: "soft" }, problem.message));
    }
  }

  form(request) {
    const fields = (request.args ?? []).map((arg) => new Field(arg.name, arg.default, { type: arg.type, enum: arg.enum }, arg.why));
    const answer = el("pre", { hidden: true, tabindex: 0 });
    const wrong = el("p", { class: "wrong", role: "alert" });
    const send = async (event) => {
      event.preventDefault();
      wrong.textContent = "";
      const args = readAll(fields);
      if (!args) return;
      try {
        const got = await ask("POST", vnfPath(this.vnf, "/requests"), { vnfc: this.vnfc, request: request.name, args });
        answer.hidden = false;
        answer.textContent = typeof got.value === "string" ? got.value : JSON.stringify(got.value, null, 2);
        if (request.unit) answer.textContent += ` ${request.unit}`;
      } catch (problem) {
        tell(problem, fields, "args.", wrong);
      }
    };
    return el("form", { class: "field", onsubmit: send }, el("strong", {}, request.name),
      request.changes && el("span", { class: "soft" }, " (changes something)"), el("p", { class: "soft" }, request.why ?? ""),
      fields.map((field) => field.root), wrong, el("button", {}, `Ask ${request.name}`), answer);
  }
}


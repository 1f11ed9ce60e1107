// Forms out of schemas: a VNFC's configuration, its agent requests.

import { ask, sentence, vnfPath } from "../api.js";
import { el, set } from "../dom.js";

let made = 0;

// An input with its label, a hint, and room for what is wrong with it. `path`: what mistakes call it.
export class Asked {
  constructor(name, path, input, label = name, hint = "") {
    this.name = name;
    this.path = path;
    this.input = input;
    const id = input.id || `field-${(made += 1)}`;
    this.wrong = el("p", { class: "wrong", id: `${id}-wrong`, role: "alert" });
    set(input, "id", id);
    set(input, "aria-describedby", hint ? `${id}-wrong ${id}-why` : `${id}-wrong`);
    this.root = el("div", { class: "field" }, el("label", { for: id }, label), input,
      hint && el("span", { class: "soft", id: `${id}-why` }, hint), this.wrong);
  }

  read() {
    return this.input.value;
  }

  say(text) {
    this.wrong.textContent = text;
    set(this.input, "aria-invalid", text ? "true" : null);
  }
}

// One for a value: by its schema where it has one, else by what the value is.
export class Field extends Asked {
  constructor(name, value, schema, why, path = name) {
    const kind = kindOf(value, schema);
    const said = [why ?? schema?.description, kind === "json" && "as JSON", bounds(schema)].filter(Boolean).join("; ");
    super(name, path, inputFor(name, kind, value, schema), name, said);
    this.kind = kind;
    this.first = value;
  }

  // Its value. Throws an Error for what is none.
  read() {
    if (this.kind === "enum") return JSON.parse(this.input.value);
    if (this.kind === "boolean") return this.input.checked;
    if (this.kind === "text") return this.input.value;
    let value;
    try {
      value = JSON.parse(this.input.value);
    } catch { /* told below */ }
    if (value === undefined || (this.kind === "number" && typeof value !== "number"))
      throw new Error(this.kind === "number" ? "not a number" : "not JSON, such as [1, 2] or {\"a\": 1}");
    return value;
  }

  get changed() {
    return JSON.stringify(this.read()) !== JSON.stringify(this.first);
  }

  // It is another one meanwhile: that is shown, unless somebody has begun to change it.
  becomes(value) {
    let begun = true;
    try {
      begun = this.changed;
    } catch { /* what is none yet is being written */ }
    this.first = value;
    if (!begun) fill(this.input, this.kind, value);
  }
}

function inputFor(name, kind, value, schema) {
  let input;
  if (kind === "enum") input = el("select", { name }, schema.enum.map((each) => el("option", { value: JSON.stringify(each) }, String(each))));
  else if (kind === "boolean") input = el("input", { name, type: "checkbox" });
  else input = el("input", { name, type: schema?.writeOnly ? "password" : "text", autocomplete: "off", spellcheck: "false",
    inputmode: kind === "number" && "decimal" });
  fill(input, kind, value);
  return input;
}

function fill(input, kind, value) {
  if (kind === "enum" && value === undefined) return; // the first is as good as any
  if (kind === "boolean") input.checked = Boolean(value);
  else if (kind === "text" || value === undefined) input.value = value ?? "";
  else input.value = JSON.stringify(value);
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

// The fields of a VNFC's configuration; `about`: the VNFC as its chain tells it.
export const configured = (about, config) => Object.entries(config).map(([key, value]) =>
  new Field(key, value, about.schema?.properties?.[key], null, `config.${about.name}.${key}`));

// What fields that can be read say otherwise than they did at first.
export const changes = (fields) => Object.fromEntries(fields.filter((field) => field.changed).map((field) => [field.name, field.read()]));

// What all fields say; null where one is wrong, which is said beside it.
export function readAll(fields) {
  const values = {};
  let good = true;
  for (const field of fields) {
    field.say("");
    try {
      values[field.name] = field.read();
    } catch (error) {
      field.say(error.message);
      if (good) goTo(field);
      good = false;
    }
  }
  return good ? values : null;
}

function goTo(field) {
  const folded = field.input.closest("details");
  if (folded) folded.open = true;
  field.input.focus();
}

// Mistakes beside the fields that they are about, others at `rest`.
export function tell(problem, fields, rest) {
  const left = [];
  for (const error of problem.errors.length ? problem.errors : [{ found: problem.message }]) {
    const own = fields.find(({ path }) => error.field === path || error.field?.startsWith(`${path}.`) || error.field?.startsWith(`${path}[`));
    if (own) own.say([own.wrong.textContent, sentence({ ...error, field: own.name + error.field.slice(own.path.length) })].filter(Boolean).join("\n"));
    else left.push(sentence(error));
  }
  rest.textContent = left.join("\n");
  const wrong = fields.filter((field) => field.wrong.textContent);
  wrong.reverse().forEach(goTo); // all are unfolded, the first has the focus
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
      this.fields = configured(this.about, all[this.about.name] ?? {});
      this.form.replaceChildren(...(this.fields.length
        ? [...this.fields.map((field) => field.root), this.said, this.done, el("button", {}, "Apply now")]
        : [el("p", { class: "soft" }, "It has none.")]));
    } catch (problem) {
      this.form.replaceChildren(el("p", { class: "wrong" }, problem.message));
    }
  }

  shows(config) {
    for (const field of this.fields) field.becomes(config[this.about.name]?.[field.name]);
  }

  // Somebody has configured something.
  async renew() {
    if (!this.fields) return;
    try {
      this.shows(await ask("GET", vnfPath(this.vnf, "/config")));
    } catch { /* the line at the top says so */ }
  }

  async apply() {
    this.said.textContent = this.done.textContent = "";
    if (!readAll(this.fields)) return;
    const changed = changes(this.fields);
    if (!Object.keys(changed).length) {
      this.done.textContent = "Nothing is changed.";
      return;
    }
    try {
      const now = await ask("PATCH", vnfPath(this.vnf, "/config"), { [this.about.name]: changed });
      for (const field of this.fields) field.first = field.read();
      this.shows(now);
      this.done.textContent = `In force: ${Object.keys(changed).join(", ")}.`;
    } catch (problem) {
      tell(problem, this.fields, this.said);
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
      this.failed = true;
      this.list.replaceChildren(el("p", { class: "soft" }, problem.message));
    }
  }

  // It runs, and may have been down before.
  again() {
    if (this.failed) this.load();
    this.failed = false;
  }

  form(request) {
    const fields = (request.args ?? []).map((arg) => new Field(arg.name, arg.default, { type: arg.type, enum: arg.enum }, arg.why, `args.${arg.name}`));
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
        tell(problem, fields, wrong);
      }
    };
    return el("form", { class: "field", onsubmit: send }, el("strong", {}, request.name),
      request.changes && el("span", { class: "soft" }, " (changes something)"), el("p", { class: "soft" }, request.why ?? ""),
      fields.map((field) => field.root), wrong, el("button", {}, `Ask ${request.name}`), answer);
  }
}


// Elements. Text is only ever text: nothing here, and nothing on the page, turns a string into markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

// Set a text, an attribute only where it differs: the rest of the page stays as it is.
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
export function set(element, key, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(key);
  else if (element.getAttribute(key) !== String(value)) element.setAttribute(key, value === true ? "" : value);
}

export function button(label, act, attributes) {
  return el("button", { type: "button", onclick: act, ...attributes }, label);
}

// A table: names of columns (those that begin with # are numbers), rows of cells, which may be elements.
export function table(caption, columns, rows) {
  const numeric = columns.map((name) => name.startsWith("#"));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {}, el("caption", {}, caption),
      el("thead", {}, el("tr", {}, columns.map((name, i) =>
        el("th", { scope: "col", class: numeric[i] && "number" }, name.replace(/^#/, ""))))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, i) =>
        i ? el("td", { class: numeric[i] && "number" }, cell) : el("th", { scope: "row" }, cell)))))));
}

const SCALE = ["", "k", "M", "G", "T"];

export function short(value) {
  let step = 0;
  while (Math.abs(value) >= 999.5 && step < SCALE.length - 1) {
    value /= 1000;
    step += 1;
  }
  const digits = step === 0 && Number.isInteger(value) ? 0 : value >= 99.5 ? 0 : value >= 9.95 ? 1 : 2;
  return `${value.toFixed(digits)}${SCALE[step] && ` ${SCALE[step]}`}`;
}
export const perSecond = (value) => (value === null ? "–" : `${short(value < 10 ? Math.round(value * 10) / 10 : Math.round(value))}/s`);
export const bits = (value) => (value === null ? "–" : `${short(value)}bit/s`.replace(/(\d)bit/, "$1 bit"));
export const bytes = (value) => `${short(value)}B`.replace(/(\d)B/, "$1 B");
// Of a short time.
export function seconds(value) {
  const [factor, unit] = value >= 1 ? [1, "s"] : value >= 1e-3 ? [1e3, "ms"] : value >= 1e-6 ? [1e6, "µs"] : [1e9, "ns"];
  return `${Number((value * factor).toPrecision(3))} ${unit}`;
}
export const count = (value) => value.toLocaleString("en");
export const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
export const timeOf = (text) => Date.parse(text) / 1000;

// Of seconds: how long, in words that fit.
export function lasting(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

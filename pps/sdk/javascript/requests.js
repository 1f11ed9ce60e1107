// Agent requests: how their arguments are declared, and the checking of what is asked.
"use strict";
const { describe } = require("./mistakes.js");

/** Types of arguments: `int` alone, or `int(5)` with a default. */
const type = (name) => {
  const make = (value) => ({ type: name, default: value });
  return Object.assign(make, { type: name });
};
const int = type("int");
const float = type("float");
const text = type("str");
const bool = type("bool");

const known = new Map(); // name -> {args, run}

/** [{name, type, default?}] of {rule: 0, which: text}. TypeError for what cannot be. */
function declare(name, args, run) {
  const declared = Object.entries(args).map(([argument, given]) => {
    if (given && given.type) {
      return given.default === undefined
        ? { name: argument, type: given.type }
        : { name: argument, type: given.type, default: given.default };
    }
    const types = { number: Number.isInteger(given) ? "int" : "float", string: "str", boolean: "bool" };
    if (!types[typeof given]) {
      throw new TypeError(
        `request ${name}: argument ${argument}: expected int, float, text, bool, or a default value`,
      );
    }
    return { name: argument, type: types[typeof given], default: given };
  });
  known.set(name, { args: declared, run });
  return declared;
}

function convert(argument, value) {
  const wrong = () => {
    throw new TypeError(`argument ${argument.name}: found ${JSON.stringify(value)}, expected ${argument.type}`);
  };
  if (argument.type === "str") return typeof value === "string" ? value : JSON.stringify(value);
  if (argument.type === "bool") {
    const word = String(value).toLowerCase();
    return ["true", "1"].includes(word) || (["false", "0"].includes(word) ? false : wrong());
  }
  const number = typeof value === "string" && value.trim() === "" ? NaN : Number(value);
  if (typeof value === "boolean" || !Number.isFinite(number)) wrong();
  return argument.type === "int" && !Number.isSafeInteger(number) ? wrong() : number;
}

function bind(args, given) {
  const names = args.map((argument) => argument.name);
  const listed = Array.isArray(given) ? given : [];
  const named = given && !Array.isArray(given) && typeof given === "object" ? given : {};
  const strange = Object.keys(named).find((key) => !names.includes(key));
  if (strange !== undefined) throw new TypeError(`no argument ${strange}, expected (${names.join(", ")})`);
  if (listed.length > args.length) {
    throw new TypeError(`found ${listed.length} arguments, expected (${names.join(", ")})`);
  }
  return args.map((argument, i) => {
    const value = i < listed.length ? listed[i] : named[argument.name] ?? argument.default;
    if (value === undefined) throw new TypeError(`argument ${argument.name} is missing`);
    return convert(argument, value);
  });
}

/** What JSON does not know but authors return. */
const plain = (key, value) => {
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  return value;
};

/** [true, the answer as JSON] or [false, what was wrong]. */
function answer(name, given) {
  const request = known.get(name);
  if (!request) return [false, `there is no request ${name}`];
  let values;
  try {
    values = bind(request.args, JSON.parse(given));
  } catch (mistake) {
    return [false, `${name}: ${mistake.message}`];
  }
  try {
    return [true, JSON.stringify(request.run(...values), plain) ?? "null"];
  } catch (error) {
    return [false, `${name}: ${describe(error)}`];
  }
}

module.exports = { int, float, text, bool, declare, answer };

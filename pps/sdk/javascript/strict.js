// Objects that say so when they are asked for what they do not have, instead of `undefined`, which looks like a header
// that is not there.
"use strict";
const { didYouMean } = require("./mistakes.js");

/** What JavaScript and Node.js look for in any object. */
const ASKED = new Set(["then", "toJSON", "inspect", "nodeType", "asymmetricMatch"]);

/** console.log asks for whatever it knows, unless it finds this. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

/**
 * Objects of the class `Class` (which extends nothing) and of those that extend it throw a TypeError for names that are
 * nowhere; what(object) is what they are called then. It comes behind all prototypes, so that names that are there cost
 * nothing more. Fields must be declared in the class.
 */
function strict(Class, what) {
  const named = (object) => {
    const names = new Set();
    for (let at = object; ; at = Object.getPrototypeOf(at)) {
      for (const name of Object.getOwnPropertyNames(at)) if (!/^_|^constructor$/.test(name)) names.add(name);
      if (at === Class.prototype) break;
    }
    return [...names];
  };
  const refuse = (object, name) => {
    throw new TypeError(`${what(object)} has no '${name}'${didYouMean(name, named(object))}`);
  };
  Object.setPrototypeOf(Class.prototype, new Proxy(Object.prototype, {
    get(target, name, object) {
      if (name === INSPECT) return () => (object.toJSON ? object.toJSON() : String(object));
      if (typeof name === "symbol" || name in target || name.startsWith("_") || ASKED.has(name)) {
        return Reflect.get(target, name, object);
      }
      return refuse(object, name);
    },
    set(target, name, value, object) {
      if (typeof name === "symbol" || name in target) return Reflect.set(target, name, value, object);
      return refuse(object, name);
    },
  }));
}

module.exports = { strict };

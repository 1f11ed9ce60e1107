// The host of one JavaScript VNFC: loads the author's file, and handles what the addon calls.
//
//   node host.js --library coven_javascript.node --artifact FILE --name NAME --fds POOL,HOP,BELL,CONTROL
//
// FILE is what check.js wrote, or a component itself. No exception leaves the hooks below.
"use strict";
const fs = require("fs");
const Module = require("module");
const path = require("path");
const { addon, memory, map, option, VERDICTS, JUDGED } = require("./native.js");
const { Burst } = require("./burst.js");
const inside = require("./inside.js");
const mistakes = require("./mistakes.js");
const { Packet } = require("./packet.js");
const requests = require("./requests.js");
const { Verdict } = require("./verdict.js");

const SDK = path.join(__dirname, "vnfc.js");

let author = {};
let handle = null;
let handleBurst = null;
let burst = null;
let packet = new Packet();
let keptState = "";
let saidState = false;
const said = new Set();

// ---- life

/** "vnfc" is the SDK; the package's vendor/ is looked through after the usual places. */
function resolveVnfc() {
  const usual = Module._resolveFilename;
  Module._resolveFilename = function resolve(name, ...rest) {
    if (name === "vnfc") return SDK;
    try {
      return usual.call(this, name, ...rest);
    } catch (missing) {
      if (!/^[./]/.test(name)) {
        try {
          return usual.call(this, path.join(mistakes.names.root, "vendor", name), ...rest);
        } catch {
          throw missing;
        }
      }
      throw missing;
    }
  };
}

/** There is no event loop here: what would wait for one says so instead of never happening. */
function withoutEvents() {
  for (const [name, instead] of [["setTimeout", "after"], ["setInterval", "every"], ["setImmediate", "after"]]) {
    globalThis[name] = () => {
      throw new Error(`${name} does not work in a VNFC: use ${instead}(seconds, function) of vnfc`);
    };
  }
  Math.random = inside.random;
}

/** The line that a name is exported in, 0 where that cannot be said. */
function exportedAt(name) {
  if (name === undefined) return 0;
  const lines = fs.readFileSync(mistakes.names.source, "utf8").split("\n");
  const word = new RegExp(`(^|[^\\w$])${name.replace(/[$]/g, "\\$&")}([^\\w$]|$)`);
  return 1 + lines.findIndex((line) => word.test(line) && /exports/.test(line));
}

function entryPoints() {
  const file = mistakes.relative(mistakes.names.source);
  const names = Object.keys(author);
  const wanted = ["handle", "handleBurst"].filter((name) => author[name] !== undefined);
  if (wanted.length !== 1) {
    const near = names.find((name) => mistakes.didYouMean(name, ["handle", "handleBurst"]));
    let found = "neither handle nor handleBurst is exported";
    if (wanted.length) found = "both handle and handleBurst";
    else if (near !== undefined) found = `the export ${near}${mistakes.didYouMean(near, ["handle", "handleBurst"])}`;
    const line = exportedAt(wanted.length ? "handleBurst" : near);
    addon.error(file, line, null, found, "exports.handle = (packet) => ... or exports.handleBurst = (burst) => ...",
      "export one of them");
    return false;
  }
  const callable = [...wanted, ...["configure", "exit"].filter((name) => author[name] !== undefined)];
  const wrong = callable.filter((name) => typeof author[name] !== "function");
  for (const name of wrong) addon.error(file, 0, name, String(author[name]), "a function", null);
  [handle, handleBurst] = [author.handle ?? null, author.handleBurst ?? null];
  return wrong.length === 0;
}

function load(config, ports, outputs, seed, kept) {
  try {
    inside.replace(inside.config, JSON.parse(config));
    for (const [name, port] of Object.entries(JSON.parse(ports) || {})) {
      inside.ports[name] = { name, number: port.number, mac: port.mac ?? null, mtu: port.mtu ?? 1500 };
    }
    Verdict.names = JSON.parse(outputs) || ["next"];
    inside.seed(seed);
    if (kept) {
      keptState = kept;
      Object.assign(inside.state, JSON.parse(kept));
    }
    resolveVnfc();
    withoutEvents();
    author = require(mistakes.names.source);
    if (!entryPoints()) return -1;
  } catch (error) {
    if (error instanceof inside.Refused) return -1; // the host has noted why
    mistakes.tell(error, null, remedy(error));
    return -1;
  }
  return decide();
}

function remedy(error) {
  if (error && error.code === "MODULE_NOT_FOUND") {
    return "a component may use Node.js' own modules and the package's vendor/ and node_modules/ folders";
  }
  if (error && (error.code === "ERR_REQUIRE_ESM" || /import statement|export/.test(error.message))) {
    return 'write const { forward } = require("vnfc") and exports.handle = ...: components are CommonJS modules';
  }
  return "mend the line; `coven logs` has the stack";
}

/** Let the component look at its configuration. */
function decide() {
  if (author.configure === undefined) return 0;
  try {
    author.configure(inside.config);
    return 0;
  } catch (error) {
    mistakes.tell(error, "config", "change the configuration");
    return -1;
  }
}

function configure(config) {
  const old = { ...inside.config };
  inside.replace(inside.config, JSON.parse(config));
  const done = decide();
  if (done < 0) inside.replace(inside.config, old);
  return done;
}

function leave() {
  try {
    if (author.exit) author.exit();
  } catch (error) {
    mistakes.report(error);
  }
}

function timer(id) {
  const due = inside.timers.get(id);
  if (due === undefined) return;
  if (!due.repeat) inside.timers.delete(id);
  try {
    due.run();
  } catch (error) {
    mistakes.report(error);
  }
}

/** The state as JSON if it changed since it was saved last and fits, else undefined. */
function save(limit) {
  let problem;
  try {
    const now = JSON.stringify(inside.state);
    if (now === keptState || (now === "{}" && keptState === "")) return undefined;
    const size = Buffer.byteLength(now);
    if (size < limit) {
      saidState = false;
      keptState = now;
      return now;
    }
    problem = `state takes ${size} bytes, more than the ${limit} that survive a restart`;
  } catch (error) {
    problem = `state cannot be kept (${error.message})`;
  }
  if (!saidState) addon.log(`${problem}: what was saved before stays`);
  saidState = true;
  return undefined;
}

// ---- packets

/** What a handler returned is no verdict. */
function nonsense(value, name) {
  const none = value === undefined || value === null;
  const kind = none ? "none" : "other";
  if (!said.has(kind)) {
    said.add(kind);
    const file = mistakes.relative(mistakes.names.source);
    let hint = "expected forward(), drop(reason), back(), consume() or hold(packet)";
    if (none) hint = "some way through it ends without `return forward()` or another verdict";
    else if (typeof value === "function") hint = "call it: forward(), with the brackets";
    else if (typeof value.then === "function") hint = "it is async, and nothing can be awaited here";
    const dropped = none ? "no_verdict" : "bad_verdict";
    addon.log(`${file}: ${name} returned ${String(value)}: ${hint}; such packets are dropped as ${dropped} (told once)`);
  }
  return none ? 0 : Verdict.BAD;
}

function one(current, frame) {
  current._point(frame);
  Verdict.noting = current._watched();
  let verdict;
  try {
    verdict = handle(current);
    if (Verdict.noting && verdict instanceof Verdict && verdict.note !== null) addon.note(frame, verdict.told());
  } catch (error) {
    mistakes.report(error);
    current._settle();
    return Verdict.EXCEPTION;
  }
  if (current._fix !== 0) current._settle();
  return verdict instanceof Verdict ? verdict.value : nonsense(verdict, "handle");
}

function oneByOne(n) {
  const batch = memory.batch32;
  let next = addon.give();
  for (let i = 0; i < n; i++) {
    const current = packet;
    const verdict = one(current, batch[i]);
    batch[VERDICTS + i] = verdict;
    batch[JUDGED] = i + 1;
    if (verdict === Verdict.HOLD.value) {
      packet = new Packet(); // that one is the author's
      next = i + 1 + addon.give();
      current._heldOrGone();
    } else if (i + 1 >= next) {
      next = i + 1 + addon.give();
    }
  }
  packet._frame = -1;
  Verdict.noting = true; // of what is held
}

function together(n) {
  let all = null;
  burst ??= new Burst();
  burst._begin(n);
  try {
    const result = handleBurst(burst);
    if (result !== undefined) all = nonsense(result, "handleBurst");
  } catch (error) {
    mistakes.report(error);
    all = Verdict.EXCEPTION;
  }
  burst._end(all);
}

const onBurst = (n) => (handle === null ? together(n) : oneByOne(n));

// ---- beginning and end

function main() {
  let source = path.resolve(option("--artifact"));
  let root = path.dirname(source);
  if (source.endsWith(".json")) ({ source, root } = JSON.parse(fs.readFileSync(source, "utf8")));
  Object.assign(mistakes.names, { source, root });
  const { where } = mistakes;
  const hooks = { map, load, configure, request: requests.answer, burst: onBurst, timer, save, leave, where };
  process.exitCode = addon.run(option("--fds"), hooks);
  process.reallyExit(process.exitCode); // the VNF is over: nothing of the author's may delay it
}

main();

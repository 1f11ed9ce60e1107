// Checks a component without running it: node check.js ROOT OUTPUT SOURCE... writes OUTPUT, the note for
// host.js. Mistakes go to stderr, one a line: FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY, files from ROOT.
"use strict";
const fs = require("fs");
const path = require("path");
const vm = require("vm");

const [root, output, ...sources] = process.argv.slice(2).map((each) => path.resolve(each));
const MODULE = ["exports", "require", "module", "__filename", "__dirname"];

/** {line, column, text} of a source's first mistake, or null. */
function check(file) {
  const code = fs.readFileSync(file, "utf8").replace(/^#!.*/, "");
  try {
    vm.compileFunction(code, MODULE, { filename: file });
    return null;
  } catch (error) {
    const [place, , carets = ""] = String(error.stack).split("\n");
    const line = Number(/:(\d+)$/.exec(place)?.[1] ?? 0);
    return { line, column: carets.indexOf("^") + 1, text: `${error.name}: ${error.message}` };
  }
}

let failed = false;
for (const file of sources) {
  const mistake = check(file);
  if (mistake === null) continue;
  failed = true;
  const name = path.relative(root, file);
  const module = /import statement|token 'export'|import\.meta/.test(mistake.text);
  const remedy = module ? 'write const { forward } = require("vnfc") and exports.handle = ...' : "";
  const expected = module ? "a CommonJS module" : "JavaScript that parses";
  console.error(`${name}:${mistake.line}:${mistake.column}: ${mistake.text} | ${expected} | ${remedy}`);
}
if (!failed) fs.writeFileSync(output, JSON.stringify({ source: sources[0], root }));
process.exitCode = failed ? 1 : 0;

// What an author is told of an exception: where it is, what was found.
"use strict";
const fs = require("fs");
const path = require("path");
const { addon } = require("./native.js");

const PLACES = 64; // whose stack is shown once in full
const seen = new Map();
const names = { root: "/", source: "" };

Error.stackTraceLimit = 20;

/** The path as the author knows it: from the package's folder. */
const relative = (file) => (file.startsWith(names.root + path.sep) ? path.relative(names.root, file) : file);

/** Frames of the author's: {file, line, text}, innermost first. */
function frames(error) {
  const found = [];
  for (const text of String((error && error.stack) || "").split("\n")) {
    const at = /(?:\(|at )(?:file:\/\/)?(\/[^():]+):(\d+):(\d+)\)?$/.exec(text);
    if (at && !at[1].startsWith(__dirname + path.sep)) found.push({ file: at[1], line: Number(at[2]), column: at[3], text });
  }
  return found;
}

const place = (error) => frames(error)[0] || syntaxPlace(error);

/** A SyntaxError of a file that was loaded has its place in the first line of its stack. */
function syntaxPlace(error) {
  const at = /^(?:file:\/\/)?(\/[^:\n]+):(\d+)\n/.exec(String((error && error.stack) || ""));
  return at ? { file: at[1], line: Number(at[2]) } : null;
}

const describe = (error) =>
  error instanceof Error ? `${error.name}: ${error.message.split("\nRequire stack")[0]}` : `thrown: ${String(error)}`;

function log(error) {
  addon.log(describe(error));
  for (const frame of frames(error)) addon.log(frame.text.replace(names.root + path.sep, ""));
}

/** The keeper asked: where the component is, to stderr. */
function where() {
  const lines = frames(new Error()).map(({ file, line, text }) => {
    const name = /^\s+at (?:async )?([^(]+) \(/.exec(text);
    return `    at ${relative(file)}:${line} in ${name ? name[1] : "the module"}\n`;
  });
  fs.writeSync(2, `Stack (most recent call first):\n${lines.join("")}`);
}

/** An exception that cost a packet: its stack the first time, a line for the 10th, 100th... */
function report(error) {
  const at = place(error);
  const key = `${describe(error).split(":")[0]} ${at && `${at.file}:${at.line}:${at.column}`}`;
  if (seen.has(key) || seen.size < PLACES) {
    const count = (seen.get(key) || 0) + 1;
    seen.set(key, count);
    if (count === 1) log(error);
    else if (/^10+$/.test(String(count))) {
      addon.log(`${at ? `${relative(at.file)}:${at.line}: ` : ""}${describe(error)} (${count} times so far)`);
    }
  }
  addon.exception();
}

/** An exception while the component was loaded or configured: to the user. */
function tell(error, field, remedy) {
  const at = place(error);
  const refusal = field !== null && (error instanceof RangeError || (error && error.name === "Error"));
  if (!refusal) log(error);
  const found = refusal ? error.message : describe(error);
  addon.error(relative(at ? at.file : names.source), at ? at.line : 0, field, found, null, remedy);
}

/** Where a declaration is written. */
function here() {
  const at = place(new Error("here"));
  return at ? [relative(at.file), at.line] : [relative(names.source), 0];
}

/** Letters to change, neighbours that changed places counting as one (optimal string alignment). */
function distance(a, b) {
  let [before, row] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) next[j] = Math.min(next[j], before[j - 2] + 1);
    }
    [before, row] = [row, next];
  }
  return row[b.length];
}

/** ": did you mean 'x'?" or "". */
function didYouMean(name, known) {
  const near = known.map((each) => [distance(String(name), each), each]).sort((a, b) => a[0] - b[0])[0];
  return near && near[0] <= Math.max(1, name.length / 3) ? `: did you mean '${near[1]}'?` : "";
}

module.exports = { names, relative, describe, report, tell, where, here, didYouMean };

// The addon (pps/javascript/host.c), and the memory that it shares: offsets are in pps/managed/managed.h.
"use strict";

const option = (name) => process.argv[process.argv.indexOf(name) + 1];

/** The addon's functions. */
const addon = require(option("--library"));

/** Views of the shared memory; filled by map() before the component is loaded. */
const memory = {
  data: null, // Buffer: the bytes of all frames
  packets8: null, // struct vnfc_packet[], by frame: 64 bytes each
  packets16: null,
  packets32: null,
  packets64: null,
  records: null, // shared records: 64 bytes each, context at 32
  nsh: null, // NSH areas: 256 bytes each
  batch32: null, // frames[256], verdicts[256], clocks, judged
  batch64: null,
  dataAt: 0, // low half of the address of `data`
};

const BURST = 256;
const VERDICTS = BURST;
const NOW64 = BURST;
const JUDGED = 2 * BURST + 4;

const mapped = [];
/** Call with the memory once it is there: what runs for each packet keeps the views in variables of its own. */
const whenMapped = (look) => mapped.push(look);

function map(data, packets, records, nsh, batch, dataAt) {
  memory.data = Buffer.from(data);
  memory.packets8 = new Uint8Array(packets);
  memory.packets16 = new Uint16Array(packets);
  memory.packets32 = new Uint32Array(packets);
  memory.packets64 = new BigUint64Array(packets);
  memory.records = new Uint8Array(records);
  memory.nsh = Buffer.from(nsh);
  memory.batch32 = new Uint32Array(batch);
  memory.batch64 = new BigUint64Array(batch);
  memory.dataAt = dataAt;
  for (const look of mapped) look(memory);
  return 0;
}

module.exports = { addon, memory, map, whenMapped, option, BURST, VERDICTS, NOW64, JUDGED };

// Every figure of a status document, as tables: for who wants numbers, and for who cannot see the drawing.

import { count, table } from "../dom.js";

const SUMS = ["received", "originated", "cloned", "forwarded", "consumed"];
const added = (counts) => Object.values(counts).reduce((all, each) => all + each, 0);

export function totals(status) {
  const whole = [...SUMS.map((name) => [name, count(status[name])]), ["dropped", count(added(status.dropped))],
    ["in flight", count(status.in_flight)], ["unaccounted", count(status.unaccounted)]];
  return [
    table("The whole VNF", ["what became of them", "#packets"], whole),
    table("Ports", ["port", "interface", "link", "#in", "#out", "#bytes in", "#bytes out", "#dropped"],
      Object.entries(status.ports).map(([name, port]) => [name, port.interface ?? "–", port.link ?? "–", count(port.received),
        count(port.sent), count(port.bytes_in), count(port.bytes_out), count(added(port.dropped))])),
    table("VNFCs", ["VNFC", "state", "#received", "#forwarded", "#consumed", "#dropped", "#in flight", "#restarts"],
      Object.entries(status.vnfcs).map(([name, vnfc]) => [name, vnfc.state, count(vnfc.received), count(vnfc.forwarded),
        count(vnfc.consumed), count(added(vnfc.dropped)), count(vnfc.in_flight), count(vnfc.restarts)])),
    table("Drops", ["drop", "#packets", "why"], Object.entries(status.dropped).map(([name, packets]) =>
      [name, count(packets), status.explanations[name] ?? ""])),
  ];
}

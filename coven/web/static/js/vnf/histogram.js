// How long packets were in a VNFC: a bar for each power of two.

import { count, el, seconds, svg } from "../dom.js";

const [WIDTH, HEIGHT, LABEL] = [300, 90, 16];

export function histogram({ cells }) {
  const most = Math.max(...cells.map((each) => each.count));
  const step = WIDTH / cells.length;
  const bars = cells.map((each, i) => {
    const height = Math.max(1, (HEIGHT * each.count) / most);
    return svg("rect", { x: i * step + 1, y: HEIGHT - height, width: Math.max(1, step - 2), height, class: "bar" });
  });
  const ends = cells.length > 1 ? [0, cells.length - 1] : [0];
  const labels = ends.map((i) => svg("text", {
    x: i ? WIDTH : 0, y: HEIGHT + LABEL - 3, "text-anchor": i ? "end" : "start",
  }, `< ${seconds(cells[i].below)}`));
  const said = cells.map((each) => `${count(each.count)} below ${seconds(each.below)}`).join(", ");
  return el("figure", { class: "times" }, svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT + LABEL}`, role: "img", "aria-label": `How long packets were in it: ${said}`,
  }, bars, labels));
}

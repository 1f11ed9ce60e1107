// Where places of a chain stand: ports at the ends, VNFCs in columns between them in the order of the first direction. A
// wire that passes columns goes through a lane of its own in each, so that it crosses no place. Upright, columns are rows.

export const PLACE = { vnfc: [168, 92], port: [126, 72] };
const EDGE = 30;
const ALONG = { wide: 106, tall: 146 }; // between two columns
const LANE = { wide: 46, tall: 84 }; // that a passing wire takes, with what is written at it
const ABOVE = { wide: 20, tall: 26 }; // between a place and what stands before it in its column
const BELOW = { wide: 70, tall: 26 }; // and behind it: drops stand there
const BESIDE = { wide: 0, tall: 44 }; // for what is written at the last lane
const SWEEPS = 12;
const STRAIGHT = 6; // how much more a direct wire of the first direction counts than others
const FIRM = 20; // and how much more a place stays where it wants to be than a passing wire

// {places: Map name -> {name, kind, x, y, w, h}, bends: Map wire's key -> [{x, y}], width, height, upright}: x, y of the
// middle. `drawn`: the wires that are drawn, each {key, ingress, from, to}. `tall`: pixels that names need besides.
export function layout(chain, drawn, upright, tall = 0) {
  const ports = chain.ports.map((port) => port.name);
  const ranks = ranked(chain, drawn, ports);
  const last = Math.max(0, ...ranks.values()) + 1;
  const items = new Map(); // name -> what stands in a column
  const columns = Array.from({ length: last + 1 }, () => []);
  const [vw, vh] = [PLACE.vnfc[0], PLACE.vnfc[1] + tall];
  const put = (name, kind, rank) => {
    const [w, h] = kind === "port" ? PLACE.port : [vw, vh];
    const item = { name, kind, rank, w, h, links: [], size: upright ? w : h, firm: FIRM };
    items.set(name, item);
    columns[rank].push(item);
  };
  put(ports[0], "port", 0);
  for (const { name } of chain.vnfcs) put(name, "vnfc", ranks.get(name) ?? 1);
  for (const name of ports.slice(1)) put(name, "port", last);
  const bends = new Map();
  for (const wire of drawn) bends.set(wire.key, passing(wire, items, columns, upright, ports.indexOf(wire.ingress) === 0));
  for (let i = 0; i < SWEEPS; i += 1) arrange(i % 2 ? columns.slice().reverse() : columns, i < SWEEPS / 2, upright);
  return placed(items, columns, bends, upright, [vw, vh]);
}

// The lanes of a wire in the columns that it passes, linked to each other and to its ends.
function passing(wire, items, columns, upright, first) {
  const [from, to] = [items.get(wire.from), items.get(wire.to)];
  const step = Math.sign(to.rank - from.rank);
  const lanes = [];
  for (let rank = from.rank + step; step && rank !== to.rank; rank += step) {
    const lane = { kind: "lane", rank, links: [], size: LANE[upright ? "tall" : "wide"], firm: 1, outer: !first };
    columns[rank].push(lane);
    lanes.push(lane);
  }
  const way = [from, ...lanes, to];
  const weight = !lanes.length && first ? STRAIGHT : 1;
  way.slice(1).forEach((item, i) => {
    item.links.push([way[i], weight]);
    way[i].links.push([item, weight]);
  });
  return lanes;
}

// Each column once: ordered by where that leads which its items are linked to (at first), and moved there as far as they
// leave each other room.
function arrange(columns, order, upright) {
  for (const column of columns) {
    column.forEach((item, i) => { item.at ??= i * 100; });
    for (const item of column) {
      const linked = item.links.filter(([other]) => other.at !== undefined && other.rank !== item.rank);
      const weights = linked.reduce((all, [, weight]) => all + weight, 0);
      item.wants = weights ? linked.reduce((all, [other, weight]) => all + weight * other.at, 0) / weights : item.at;
    }
    // the ways back lie behind all else
    if (order) column.sort((a, b) => Boolean(a.outer) - Boolean(b.outer) || a.wants - b.wants || a.at - b.at);
    apart(column, upright);
  }
}

const room = (before, behind, upright) => {
  const mode = upright ? "tall" : "wide";
  const gap = (before.kind === "lane" ? 0 : BELOW[mode]) + (behind.kind === "lane" ? 0 : ABOVE[mode]);
  return (before.size + behind.size) / 2 + gap;
};

// Where they want to be as nearly as that goes (least squares), in their order and with room between them: neighbours that
// would be too close become a block.
function apart(column, upright) {
  const blocks = [];
  let offset = 0;
  column.forEach((item, i) => {
    if (i) offset += room(column[i - 1], item, upright);
    item.offset = offset;
    blocks.push({ items: [item], at: item.wants - offset, firm: item.firm });
    while (blocks.length > 1 && blocks[blocks.length - 2].at > blocks[blocks.length - 1].at) {
      const behind = blocks.pop();
      const before = blocks[blocks.length - 1];
      before.at = (before.at * before.firm + behind.at * behind.firm) / (before.firm + behind.firm);
      before.firm += behind.firm;
      before.items.push(...behind.items);
    }
  });
  for (const block of blocks) for (const item of block.items) item.at = block.at + item.offset;
}

function placed(items, columns, bends, upright, [vw, vh]) {
  const mode = upright ? "tall" : "wide";
  const long = (upright ? vh : vw) + ALONG[mode]; // from one column to the next
  const across = columns.flat().map((item) => [item.at - item.size / 2, item.at + item.size / 2 + (item.kind === "lane" ? BESIDE[mode] : BELOW[mode])]);
  const least = Math.min(...across.map(([low]) => low));
  const most = Math.max(...across.map(([, high]) => high));
  const point = (item) => {
    const [a, b] = [item.rank * long + (upright ? vh : vw) / 2 + EDGE, item.at - least + EDGE];
    return upright ? { x: b, y: a } : { x: a, y: b };
  };
  const places = new Map([...items.values()].map((item) => [item.name,
    { name: item.name, kind: item.kind, rank: item.rank, w: item.w, h: item.h, ...point(item) }]));
  const found = new Map([...bends].map(([key, lanes]) => [key, lanes.map(point)]));
  const size = [(columns.length - 1) * long + (upright ? vh : vw) + 2 * EDGE, most - least + 2 * EDGE];
  const [width, height] = upright ? [size[1], size[0] + BELOW.wide] : size;
  return { places, bends: found, upright, width, height, half: (upright ? vh : vw) / 2 };
}

// The column of each VNFC: behind all that lead to it. Those of other directions alone stand as these pass them.
function ranked(chain, drawn, ports) {
  const ranks = new Map();
  const longest = (ingress, name, rank, found) => {
    for (const wire of drawn) {
      if (wire.ingress !== ingress || wire.from !== name || ports.includes(wire.to)) continue;
      if ((found.get(wire.to) ?? 0) >= rank + 1) continue;
      found.set(wire.to, rank + 1);
      longest(ingress, wire.to, rank + 1, found);
    }
    return found;
  };
  for (const [name, rank] of longest(ports[0], ports[0], 0, new Map())) ranks.set(name, rank);
  const most = Math.max(0, ...ranks.values());
  for (const port of ports.slice(1)) {
    const found = longest(port, port, 0, new Map());
    const far = Math.max(most, ...found.values());
    for (const [name, rank] of found) if (!ranks.has(name)) ranks.set(name, Math.max(1, far - rank + 1));
  }
  return ranks;
}

// The ways of all wires: Map key -> {path, label: [x, y]}. At each side of a place wires stand in the order of where they
// come from or lead to.
export function routes(drawn, wires, ports) {
  const { places, bends, upright, half } = drawn;
  const flat = (point) => (upright ? [point.y, point.x] : [point.x, point.y]); // along, across
  const sides = new Map(); // place and side -> ends of wires there
  const ends = wires.map((wire) => {
    const [from, to] = [places.get(wire.from), places.get(wire.to)];
    const ahead = to.rank >= from.rank ? 1 : -1;
    const over = bends.get(wire.key);
    const lane = ports.indexOf(wire.ingress);
    const end = (place, side, other) => {
      const made = { toward: flat(other)[1], lane, at: 0 };
      const key = `${place.name} ${side}`;
      sides.set(key, [...(sides.get(key) ?? []), made]);
      return made;
    };
    const same = to.rank === from.rank;
    return { wire, from, to, ahead, same, over, a: end(from, ahead, over[0] ?? to), b: end(to, same ? ahead : -ahead, over.at(-1) ?? from) };
  });
  for (const [key, side] of sides) {
    const place = places.get(key.slice(0, key.lastIndexOf(" ")));
    const extent = (upright ? place.w : place.h) - 24;
    const step = Math.min(30, extent / side.length);
    side.sort((one, other) => one.toward - other.toward || one.lane - other.lane);
    side.forEach((each, i) => { each.at = (i - (side.length - 1) / 2) * step; });
  }
  const outs = (name) => wires.filter((wire) => wire.from === name).length;
  const ins = (name) => wires.filter((wire) => wire.to === name).length;
  return new Map(ends.map(({ wire, from, to, ahead, same, over, a, b }) => {
    const deep = (place) => (upright ? place.h : place.w) / 2;
    const begin = [flat(from)[0] + ahead * deep(from), flat(from)[1] + a.at];
    const end = [flat(to)[0] - (same ? -ahead : ahead) * deep(to), flat(to)[1] + b.at];
    const points = [begin, ...over.flatMap((bend) => [-1, 1].map((part) => [flat(bend)[0] + part * ahead * half, flat(bend)[1]])), end];
    const said = ([along, across]) => (upright ? `${across} ${along}` : `${along} ${across}`);
    let path = `M${said(begin)}`;
    points.slice(1).forEach((point, i) => {
      const before = points[i];
      if (i % 2) {
        path += `L${said(point)}`;
        return;
      }
      const reach = same ? 90 : Math.abs(point[0] - before[0]) / 2;
      path += `C${said([before[0] + ahead * reach, before[1]])} ${said([point[0] - (same ? -ahead : ahead) * reach, point[1]])} ${said(point)}`;
    });
    // upright, drops stand at the upper end of what lies between two places
    const fan = upright ? (ahead > 0 ? 0.8 : 0.2) : outs(wire.from) > ins(wire.to) ? 0.62 : outs(wire.from) < ins(wire.to) ? 0.38 : 0.5;
    const bent = over[Math.floor(over.length / 2)];
    const label = bent ? flat(bent) : same ? [begin[0] + ahead * 67, (begin[1] + end[1]) / 2] : curve(begin, end, ahead, fan);
    return [wire.key, { path, label: upright ? [label[1], label[0]] : label, bent: Boolean(bent) }];
  }));
}

// A point of the curve between two places, at part `t` of it.
function curve(a, b, ahead, t) {
  const reach = Math.abs(b[0] - a[0]) / 2;
  const [c, d] = [[a[0] + ahead * reach, a[1]], [b[0] - ahead * reach, b[1]]];
  const [p, q, r, s] = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t ** 2 * (1 - t), t ** 3];
  return [0, 1].map((i) => p * a[i] + q * c[i] + r * d[i] + s * b[i]);
}

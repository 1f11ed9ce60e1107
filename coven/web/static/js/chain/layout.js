// Where places of a chain stand: ports at the ends, VNFCs in columns between them in the order of the first direction.
// On a narrow screen the same stands upright.

export const PLACE = { vnfc: [168, 92], port: [112, 72] };
const GAP = { wide: [118, 74], tall: [130, 92] }; // along, across
const EDGE = 26;
const OVER = 46; // pixels that a wire which skips a column stands out
const WORDS = { wide: 18, tall: 76 }; // and for what is written beside it

// {places: Map name -> {name, kind, x, y, w, h}, width, height, upright}: x, y of the middle.
export function layout(chain, all, upright) {
  const ports = chain.ports.map((port) => port.name);
  const ranks = ranked(chain, all, ports);
  const last = Math.max(0, ...ranks.values()) + 1;
  const columns = [];
  const put = (name, rank) => (columns[rank] ??= []).push(name);
  put(ports[0], 0);
  for (const { name } of chain.vnfcs) put(name, ranks.get(name) ?? 1);
  for (const name of ports.slice(1)) put(name, last);
  const [along, across] = upright ? GAP.tall : GAP.wide;
  const places = new Map();
  const [vw, vh] = PLACE.vnfc;
  const step = upright ? [vw + across, vh + along] : [vw + along, vh + across];
  const rows = Math.max(...columns.map((column) => column?.length ?? 0));
  columns.forEach((column, rank) => column?.forEach((name, row) => {
    const kind = ports.includes(name) ? "port" : "vnfc";
    const middle = row + (rows - column.length) / 2;
    const [a, b] = upright ? [middle * step[0], rank * step[1]] : [rank * step[0], middle * step[1]];
    const [w, h] = PLACE[kind];
    places.set(name, { name, kind, rank, w, h, x: a + vw / 2 + EDGE, y: b + vh / 2 + EDGE });
  }));
  const size = upright ? [rows, columns.length] : [columns.length, rows];
  const drawn = {
    places, upright,
    width: (size[0] - 1) * step[0] + vw + 2 * EDGE,
    height: (size[1] - 1) * step[1] + vh + 2 * EDGE + 44,
  };
  if (all.some((wire) => skips(drawn, wire))) widen(drawn, OVER + WORDS[upright ? "tall" : "wide"]);
  return drawn;
}

// Room for wires that go over what stands between, on both sides.
function widen(drawn, by) {
  drawn[drawn.upright ? "width" : "height"] += 2 * by;
  for (const place of drawn.places.values()) place[drawn.upright ? "x" : "y"] += by;
}

function skips(drawn, wire) {
  const [from, to] = [drawn.places.get(wire.from), drawn.places.get(wire.to)];
  const across = drawn.upright ? from.x - to.x : from.y - to.y;
  return Math.abs(to.rank - from.rank) > 1 && Math.abs(across) < 5;
}

// The column of each VNFC: behind all that lead to it. Those of other directions alone stand as these pass them.
function ranked(chain, all, ports) {
  const ranks = new Map();
  const longest = (ingress, name, rank, found) => {
    for (const wire of all) {
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

// The way of a wire: an SVG path, and where its label stands.
export function route(drawn, wire, lane, nth) {
  const from = drawn.places.get(wire.from);
  const to = drawn.places.get(wire.to);
  const shift = (lane ? 1 : -1) * (16 + 12 * nth);
  const [f, t] = drawn.upright ? [turned(from), turned(to)] : [from, to];
  const ahead = t.rank >= f.rank ? 1 : -1;
  const clamp = (place) => Math.max(-place.h / 2 + 10, Math.min(place.h / 2 - 10, shift));
  const a = [f.x + (ahead * f.w) / 2, f.y + clamp(f)];
  const b = [t.x - (ahead * t.w) / 2, t.y + clamp(t)];
  const reach = Math.max(40, Math.abs(b[0] - a[0]) / 2);
  // over what stands between
  const over = skips(drawn, wire) ? Math.sign(shift) * (drawn.places.get(wire.from).h / 2 + OVER + 10) : 0;
  const c = [a[0] + ahead * reach, a[1] + over];
  const d = [b[0] - ahead * reach, b[1] + over];
  // upright, drops stand at the upper end of what lies between two places
  const part = drawn.upright && !over ? (ahead > 0 ? 0.62 : 0.38) : 0.5;
  const [p, q, r, s] = [(1 - part) ** 3, 3 * part * (1 - part) ** 2, 3 * part ** 2 * (1 - part), part ** 3];
  const middle = [0, 1].map((i) => p * a[i] + q * c[i] + r * d[i] + s * b[i]);
  const at = ([x, y]) => (drawn.upright ? `${y} ${x}` : `${x} ${y}`);
  const label = drawn.upright ? [middle[1], middle[0]] : middle;
  return { path: `M${at(a)}C${at(c)} ${at(d)} ${at(b)}`, label };
}

const turned = (place) => ({ ...place, x: place.y, y: place.x, w: place.h, h: place.w });

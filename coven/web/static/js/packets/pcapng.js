// pcapng, as the agent writes it (draft-ietf-opsawg-pcapng): the packets of a capture, each with its place and what is said.

const [SECTION, INTERFACE, PACKET] = [0x0a0d0d0a, 1, 6];
const [COMMENT, NAME, PACKET_ID] = [1, 2, 5];

// A number of the agent's: 64 bits, of which the page needs those that a double holds.
const large = (view, at) => view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;

function* options(view, at, end) {
  while (at + 4 <= end) {
    const [code, length] = [view.getUint16(at, true), view.getUint16(at + 2, true)];
    if (code === 0) return;
    yield [code, at + 4, length];
    at += 4 + ((length + 3) & ~3);
  }
}

const text = (view, at, length) => new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, length));

// [{number, place, data, length, comments}]
export function packets(buffer) {
  const view = new DataView(buffer);
  const places = [];
  const found = [];
  for (let at = 0; at + 12 <= view.byteLength;) {
    const [kind, size] = [view.getUint32(at, true), view.getUint32(at + 4, true)];
    if (size < 12 || at + size > view.byteLength) break;
    const end = at + size - 4;
    if (kind === SECTION) {
      places.length = 0;
    } else if (kind === INTERFACE) {
      let name = "?";
      for (const [code, from, length] of options(view, at + 16, end)) if (code === NAME) name = text(view, from, length);
      places.push(name);
    } else if (kind === PACKET) {
      const captured = view.getUint32(at + 20, true);
      const packet = {
        number: 0, place: places[view.getUint32(at + 8, true)] ?? "?", length: view.getUint32(at + 24, true), comments: [],
        data: new Uint8Array(buffer.slice(at + 28, at + 28 + captured)),
      };
      for (const [code, from, length] of options(view, at + 28 + ((captured + 3) & ~3), end)) {
        if (code === COMMENT) packet.comments.push(text(view, from, length));
        if (code === PACKET_ID) packet.number = large(view, from);
      }
      found.push(packet);
    }
    at += size;
  }
  return found;
}

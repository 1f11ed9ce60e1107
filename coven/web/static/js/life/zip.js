// A text of a zip that somebody chose to upload, for showing mistakes at their lines. APPNOTE.TXT 4.3.

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LARGEST = 1 << 20; // bytes of a text

// The lines of the entry called `name`, wherever in the archive it lies; null: there is none that can be read.
export async function linesOf(file, name) {
  try {
    const data = new DataView(await file.arrayBuffer());
    let end = data.byteLength - 22;
    while (end >= 0 && data.getUint32(end, true) !== END) end -= 1;
    if (end < 0) return null;
    let at = data.getUint32(end + 16, true);
    for (let left = data.getUint16(end + 10, true); left && data.getUint32(at, true) === ENTRY; left -= 1) {
      const lengths = [28, 30, 32].map((offset) => data.getUint16(at + offset, true));
      const entry = text(new Uint8Array(data.buffer, at + 46, lengths[0]));
      if (entry === name || entry.endsWith(`/${name}`)) return (await content(data, at)).split(/\r?\n/);
      at += 46 + lengths[0] + lengths[1] + lengths[2];
    }
  } catch { /* it is no zip that can be read here: the agent says what is wrong with it */ }
  return null;
}

const text = (bytes) => new TextDecoder().decode(bytes);

async function content(data, entry) {
  const [method, size, plain, local] = [data.getUint16(entry + 10, true), data.getUint32(entry + 20, true),
    data.getUint32(entry + 24, true), data.getUint32(entry + 42, true)];
  if (plain > LARGEST) throw new Error("too large");
  const begin = local + 30 + data.getUint16(local + 26, true) + data.getUint16(local + 28, true);
  const packed = new Uint8Array(data.buffer, begin, size);
  if (method === 0) return text(packed);
  const inflated = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return text(await new Response(inflated).arrayBuffer());
}

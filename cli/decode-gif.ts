import { Pth2tfjsError } from '../src/base/errors.js';
import type { RawImage } from '../src/image/preprocess.js';

/**
 * The first frame of a GIF, as Pillow's `Image.open(f).convert("RGB")` gives it: what is transparent has its
 * palette's colour, and around a frame that is smaller than the canvas lies the transparent colour, or the
 * first. libvips makes both black. Sources: CompuServe, GIF89a; Pillow, GifImagePlugin.py.
 * @param maxPixels larger images are refused before memory is taken
 * @throws Pth2tfjsError `image` for a file that is damaged, cut off or too large
 */
export function decodeGif(bytes: Uint8Array, maxPixels: number): RawImage {
  const frame = findFrame(new Reader(bytes));
  const { width, height, columns, rows } = frame;
  if (width * height > maxPixels || columns * rows === 0) {
    const what = columns * rows === 0 ? 'no pixels' : `more than ${maxPixels} pixels`;
    throw new Pth2tfjsError('image', `the image holds ${what}`, { hint: 'make another one of it' });
  }
  const indices = new Uint8Array(width * height).fill(frame.transparent ?? 0);
  drawFrame(frame, indices);
  checkIndices(indices, frame.palette);
  return { data: applyPalette(indices, frame.palette), width, height };
}

/** Where a GIF's first image lies, and what it is seen against. */
interface Frame {
  /** Of the canvas; it grows where a frame reaches beyond it. */
  readonly width: number;
  readonly height: number;
  readonly x: number;
  readonly y: number;
  readonly columns: number;
  readonly rows: number;
  readonly interlaced: boolean;
  readonly transparent: number | undefined;
  /** RGB; undefined where an index is a grey. */
  readonly palette: Uint8Array | undefined;
  /** Bits of an index. */
  readonly bits: number;
  readonly data: Reader;
}

const EXTENSION = 0x21;
const IMAGE = 0x2c;
const TRAILER = 0x3b;
const GRAPHIC_CONTROL = 0xf9;

function findFrame(reader: Reader): Frame {
  reader.take(6);
  const [width, height, flags] = [reader.word(), reader.word(), reader.byte()];
  reader.take(2);
  const globalPalette = readPalette(reader, flags);
  let transparent: number | undefined;
  for (let tag = reader.byte(); tag !== TRAILER; tag = reader.byte()) {
    if (tag === EXTENSION) transparent = readExtension(reader) ?? transparent;
    if (tag !== IMAGE) continue;
    const [x, y, columns, rows] = [reader.word(), reader.word(), reader.word(), reader.word()];
    const local = reader.byte();
    // Pillow takes the global one also where the local one is that of the greys.
    const palette = readPalette(reader, local) ?? globalPalette;
    return {
      width: Math.max(width, x + columns),
      height: Math.max(height, y + rows),
      ...{ x, y, columns, rows, palette, transparent },
      interlaced: (local & 0x40) !== 0,
      bits: reader.byte(),
      data: reader,
    };
  }
  throw damaged('there is no image in it');
}

/** A table of colours, if the flags announce one, and if it is not that of the greys. */
function readPalette(reader: Reader, flags: number): Uint8Array | undefined {
  if (!(flags & 0x80)) return undefined;
  const palette = reader.take(3 << ((flags & 7) + 1));
  const grey = palette.every((value, i) => value === Math.floor(i / 3));
  return grey ? undefined : palette;
}

/** Reads past an extension; gives the index that one of them declares transparent. */
function readExtension(reader: Reader): number | undefined {
  const label = reader.byte();
  const blocks = reader.blocks();
  const [flags = 0, , , index] = blocks.next().value ?? [];
  for (const _ of blocks);
  return label === GRAPHIC_CONTROL && flags & 1 ? index : undefined;
}

/** Puts the frame's indices into those of the canvas. */
function drawFrame(frame: Frame, canvas: Uint8Array): void {
  const { x, y, columns, rows, width, interlaced } = frame;
  const indices = decompress(frame, columns * rows);
  const order = interlaced ? interlacedRows(rows) : Array.from({ length: rows }, (_, row) => row);
  for (const [i, row] of order.entries()) {
    const line = indices.subarray(i * columns, (i + 1) * columns);
    canvas.set(line, (y + row) * width + x);
  }
}

/** The rows in the order of four passes. */
function interlacedRows(rows: number): number[] {
  const passes = [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const;
  return passes.flatMap(([start, step]) => {
    const count = Math.max(0, Math.ceil((rows - start) / step));
    return Array.from({ length: count }, (_, i) => start + i * step);
  });
}

/** Codes have at most 12 bits. */
const CODES = 4096;

/** LZW with codes of growing length; what follows the last pixel does not matter. */
function decompress({ bits, data }: Frame, length: number): Uint8Array {
  if (bits < 1 || bits > 8) throw damaged(`its codes start with ${bits} bits`);
  const out = new Uint8Array(length);
  const [clear, end] = [2 ** bits, 2 ** bits + 1];
  // Each code stands for the string of another, and one index after it.
  const [prefix, last, first, lengths] = [
    new Uint16Array(CODES),
    new Uint8Array(CODES),
    new Uint8Array(CODES),
    new Uint16Array(CODES).fill(1),
  ];
  for (let code = 0; code < clear; code++) last[code] = first[code] = code;
  const codes = new CodeReader(data);
  let [next, size, previous, at] = [end + 1, bits + 1, -1, 0];
  while (at < length) {
    const code = codes.read(size);
    if (code === clear) {
      [next, size, previous] = [end + 1, bits + 1, -1];
      continue;
    }
    // Pillow reads on after an early end, and finds nothing.
    if (code === end) throw damaged('it ends before its last pixel');
    if (code > next || (previous < 0 && code > clear))
      throw damaged('it has a code without meaning');
    if (previous >= 0 && next < CODES) {
      prefix[next] = previous;
      first[next] = first[previous] as number;
      lengths[next] = (lengths[previous] as number) + 1;
      // A code may stand for the very string that it completes.
      last[next] = first[code === next ? previous : code] as number;
      next++;
      if (next === 2 ** size && size < 12) size++;
    }
    if (code >= next) throw damaged('it has a code without meaning');
    let from = code;
    for (let i = at + (lengths[code] as number) - 1; i >= at; i--) {
      if (i < length) out[i] = last[from] as number;
      from = prefix[from] as number;
    }
    at += lengths[code] as number;
    previous = code;
  }
  return out;
}

/** Numbers of so many bits, the lowest first, in a chain of blocks. */
class CodeReader {
  private readonly blocks: Generator<Uint8Array>;
  private block: Uint8Array = new Uint8Array(0);
  private at = 0;
  private held = 0;
  private count = 0;

  constructor(data: Reader) {
    this.blocks = data.blocks();
  }

  read(bits: number): number {
    while (this.count < bits) {
      this.held |= this.byte() << this.count;
      this.count += 8;
    }
    const code = this.held & (2 ** bits - 1);
    this.held >>>= bits;
    this.count -= bits;
    return code;
  }

  private byte(): number {
    if (this.at === this.block.length) {
      const { value, done } = this.blocks.next();
      if (done === true) throw damaged('it ends before its last pixel');
      this.block = value;
      this.at = 0;
    }
    return this.block[this.at++] as number;
  }
}

/** Pillow once made greys of them, and now makes them black. */
function checkIndices(indices: Uint8Array, palette: Uint8Array | undefined): void {
  const colours = (palette?.length ?? 768) / 3;
  const beyond = indices.find((index) => index >= colours);
  if (beyond === undefined) return;
  throw damaged(`it uses the colour ${beyond}, and its palette has ${colours}`);
}

function applyPalette(indices: Uint8Array, palette: Uint8Array | undefined): Uint8Array {
  const colours = Uint8Array.from({ length: 768 }, (_, i) => palette?.[i] ?? Math.floor(i / 3));
  const data = new Uint8Array(indices.length * 3);
  for (let i = 0; i < indices.length; i++) {
    const from = (indices[i] as number) * 3;
    data[i * 3] = colours[from] as number;
    data[i * 3 + 1] = colours[from + 1] as number;
    data[i * 3 + 2] = colours[from + 2] as number;
  }
  return data;
}

class Reader {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  take(length: number): Uint8Array {
    const taken = this.bytes.subarray(this.at, this.at + length);
    if (taken.length < length) throw damaged('it is cut off');
    this.at += length;
    return taken;
  }

  byte(): number {
    return this.take(1)[0] as number;
  }

  word(): number {
    return this.byte() + 256 * this.byte();
  }

  /** Blocks of at most 255 bytes, up to an empty one. */
  *blocks(): Generator<Uint8Array> {
    for (let length = this.byte(); length > 0; length = this.byte()) yield this.take(length);
  }
}

function damaged(why: string): Pth2tfjsError {
  return new Pth2tfjsError('image', `the GIF cannot be decoded: ${why}`, {
    hint: 'copy or download it again',
  });
}

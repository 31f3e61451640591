import { Pth2tfjsError } from '../../base/errors.js';
import { checkUnpackedSize } from '../../base/limits.js';

/**
 * The directory of a zip archive, read and checked before any entry is. jszip has its own, but it
 * takes PyTorch's zip64 end records for prepended data (torch writes them beside a complete plain
 * end record), and trusts sizes, offsets and names. Source: PKWARE's APPNOTE.TXT 6.3.10, section 4.3.
 */

const END_RECORD = 0x06054b50;
const END_RECORD_BYTES = 22;
const ZIP64_LOCATOR = 0x07064b50;
const ZIP64_LOCATOR_BYTES = 20;
const ZIP64_END_RECORD = 0x06064b50;
const ZIP64_END_BYTES = 56;
const CENTRAL_HEADER = 0x02014b50;
const CENTRAL_HEADER_BYTES = 46;
const LOCAL_HEADER = 0x04034b50;
const LOCAL_HEADER_BYTES = 30;
const MAX_COMMENT_BYTES = 0xffff;

export interface ZipEntry {
  readonly name: string;
  /** 0 stored, 8 deflated. */
  readonly method: 0 | 8;
  readonly crc32: number;
  /** Size after decompression, as claimed. */
  readonly size: number;
  /** The entry's bytes in the archive: the data itself when stored. A view, not a copy. */
  readonly data: Uint8Array;
}

/** Deflate expands at most 1032 times (zlib's technical notes). */
const MAX_DEFLATE_RATIO = 1032;

/**
 * Lists the entries of an archive, in the order of its central directory.
 * @throws Pth2tfjsError `truncated` without an end record, `limit`, `unsupported` (encryption, other
 *   compressions), or `corrupt` when records contradict each other, overlap or repeat a name.
 */
export function readZipDirectory(bytes: Uint8Array): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { offset, count } = findCentralDirectory(view);
  const entries: (ZipEntry & { readonly start: number })[] = [];
  let at = offset;
  for (let i = 0; i < count; i++) {
    need(view, at, CENTRAL_HEADER_BYTES, CENTRAL_HEADER, `central record ${i} of ${count}`);
    entries.push(readEntry(bytes, view, at, offset));
    at +=
      CENTRAL_HEADER_BYTES +
      view.getUint16(at + 28, true) +
      view.getUint16(at + 30, true) +
      view.getUint16(at + 32, true);
  }
  const unpacked = entries.reduce((sum, entry) => sum + entry.size, 0);
  checkUnpackedSize(unpacked, bytes.length, 'the archive');
  checkApart(entries);
  return entries;
}

function corrupt(message: string, offset: number): Pth2tfjsError {
  return new Pth2tfjsError('corrupt', `${message} (zip, byte ${offset})`, { offset });
}

/** Checks that a record lies inside the archive and starts with its signature. */
function need(view: DataView, at: number, length: number, signature: number, what: string): void {
  if (!(at >= 0 && at + length <= view.byteLength) || view.getUint32(at, true) !== signature) {
    throw corrupt(`${what} is not where it should be`, at);
  }
}

function findCentralDirectory(view: DataView): { offset: number; count: number } {
  const end = findEndRecord(view);
  const locator = end - ZIP64_LOCATOR_BYTES;
  const zip64 = locator >= 0 && view.getUint32(locator, true) === ZIP64_LOCATOR;
  if (!zip64) {
    const count = view.getUint16(end + 10, true);
    return checkDirectory(
      view.getUint32(end + 16, true),
      view.getUint32(end + 12, true),
      count,
      end,
    );
  }
  const record = uint64(view, locator + 8);
  refuseJoined(view, locator - ZIP64_END_BYTES - record);
  need(view, record, ZIP64_END_BYTES, ZIP64_END_RECORD, 'the zip64 end record');
  return checkDirectory(
    uint64(view, record + 48),
    uint64(view, record + 40),
    uint64(view, record + 32),
    record,
  );
}

/** Archives one after the other: what stands before the last ends like an archive itself. */
function refuseJoined(view: DataView, before: number): void {
  const end = before - END_RECORD_BYTES;
  if (!(end >= 0 && before < view.byteLength) || view.getUint32(end, true) !== END_RECORD) return;
  throw new Pth2tfjsError(
    'unsupported-format',
    'not one checkpoint but several archives one after the other, as torch.distributed.checkpoint writes (.distcp)',
    {
      offset: before,
      hint: "in Python, for the folder that it lies in: from torch.distributed.checkpoint.format_utils import dcp_to_torch_save; dcp_to_torch_save('FOLDER', 'out.pth')",
    },
  );
}

function findEndRecord(view: DataView): number {
  const last = view.byteLength - END_RECORD_BYTES;
  for (let at = last; at >= Math.max(0, last - MAX_COMMENT_BYTES); at--) {
    if (view.getUint32(at, true) !== END_RECORD) continue;
    if (view.getUint16(at + 20, true) === last - at) return at;
    throw corrupt('the comment of the zip archive is not as long as its end record says', at);
  }
  throw new Pth2tfjsError(
    'truncated',
    `the zip archive has no end record: its ${view.byteLength} bytes are not all of it`,
    { offset: view.byteLength, hint: 'download the file again' },
  );
}

function checkDirectory(
  offset: number,
  size: number,
  count: number,
  end: number,
): { offset: number; count: number } {
  if (offset + size > end || count * CENTRAL_HEADER_BYTES > size) {
    throw corrupt(
      `the central directory claims ${count} entries in ${size} bytes from byte ${offset}`,
      end,
    );
  }
  return { offset, count };
}

/** Larger numbers than a double holds are beyond any file, and fail the range checks that follow. */
function uint64(view: DataView, at: number): number {
  return Number(view.getBigUint64(at, true));
}

function readEntry(
  bytes: Uint8Array,
  view: DataView,
  at: number,
  directory: number,
): ZipEntry & { start: number } {
  const nameLength = view.getUint16(at + 28, true);
  const nameBytes = bytes.subarray(
    at + CENTRAL_HEADER_BYTES,
    at + CENTRAL_HEADER_BYTES + nameLength,
  );
  const name = new TextDecoder('utf-8', { ignoreBOM: true }).decode(nameBytes);
  const method = view.getUint16(at + 10, true);
  if (view.getUint16(at + 8, true) & 1) {
    throw new Pth2tfjsError('unsupported', `the archive's entry '${name}' is encrypted`, {
      offset: at,
    });
  }
  if (method !== 0 && method !== 8) {
    throw new Pth2tfjsError(
      'unsupported',
      `the archive's entry '${name}' uses compression ${method}`,
      { offset: at },
    );
  }
  const { size, packed, header } = readSizes(view, at, nameLength);
  if (method === 0 ? size !== packed : size > packed * MAX_DEFLATE_RATIO) {
    throw corrupt(`the entry '${name}' claims ${size} bytes out of ${packed}`, at);
  }
  need(view, header, LOCAL_HEADER_BYTES, LOCAL_HEADER, `the entry '${name}'`);
  const start =
    header +
    LOCAL_HEADER_BYTES +
    view.getUint16(header + 26, true) +
    view.getUint16(header + 28, true);
  const localName = bytes.subarray(
    header + LOCAL_HEADER_BYTES,
    header + LOCAL_HEADER_BYTES + nameLength,
  );
  if (start + packed > directory || !sameBytes(nameBytes, localName)) {
    throw corrupt(`the entry '${name}' does not lie where the directory says`, header);
  }
  const data = bytes.subarray(start, start + packed);
  return { name, method, crc32: view.getUint32(at + 16, true), size, data, start: header };
}

/** Sizes and header offset of a central record; 0xFFFFFFFF stands for a zip64 extra field's value. */
function readSizes(
  view: DataView,
  at: number,
  nameLength: number,
): { size: number; packed: number; header: number } {
  const fields = [
    view.getUint32(at + 24, true),
    view.getUint32(at + 20, true),
    view.getUint32(at + 42, true),
  ];
  let extra = at + CENTRAL_HEADER_BYTES + nameLength;
  const end = Math.min(extra + view.getUint16(at + 30, true), view.byteLength);
  while (extra + 4 <= end) {
    const [id, length] = [view.getUint16(extra, true), view.getUint16(extra + 2, true)];
    let value = extra + 4;
    if (id === 1) {
      for (const [i, field] of fields.entries()) {
        if (field !== 0xffffffff || value + 8 > Math.min(end, extra + 4 + length)) continue;
        fields[i] = uint64(view, value);
        value += 8;
      }
    }
    extra += 4 + length;
  }
  const [size, packed, header] = fields as [number, number, number];
  return { size, packed, header };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** No two entries may share a name or a byte: whoever reads another one than torch sees other weights. */
function checkApart(entries: readonly (ZipEntry & { readonly start: number })[]): void {
  const names = new Set<string>();
  for (const { name, start } of entries) {
    const folded = name.toLowerCase();
    if (names.has(folded)) throw corrupt(`the archive holds '${name}' twice`, start);
    names.add(folded);
  }
  const sorted = entries.toSorted((a, b) => a.start - b.start);
  for (const [i, { name, start, data }] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && start + LOCAL_HEADER_BYTES + data.length > next.start) {
      throw corrupt(`the entries '${name}' and '${next.name}' overlap`, next.start);
    }
  }
}

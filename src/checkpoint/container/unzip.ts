import JSZip from 'jszip';
import { concatenate } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import type { ZipEntry } from './zip-directory.js';

/**
 * Unpacks entries with jszip, from a small archive made of just these. jszip would go over every
 * byte of the whole file more than once, and cannot read torch's end records anyway.
 */
export async function unzip(entries: readonly ZipEntry[]): Promise<Map<ZipEntry, Uint8Array>> {
  const archive = await JSZip.loadAsync(repack(entries)).catch((error: unknown) => {
    throw new Pth2tfjsError('corrupt', `the archive cannot be unpacked: ${String(error)}`, {
      cause: error,
    });
  });
  const unpacked = new Map<ZipEntry, Uint8Array>();
  for (const [i, entry] of entries.entries()) {
    unpacked.set(entry, await unpackEntry(archive, String(i), entry));
  }
  return unpacked;
}

/** jszip documents `internalStream`, but its types leave it out. */
type StreamableEntry = JSZip.JSZipObject & {
  internalStream(type: 'uint8array'): JSZip.JSZipStreamHelper<Uint8Array>;
};

/** Reads one entry into exactly the memory that it claims; stops as soon as more comes out. */
function unpackEntry(archive: JSZip, key: string, { name, size }: ZipEntry): Promise<Uint8Array> {
  const out = new Uint8Array(size);
  let at = 0;
  return new Promise((resolve, reject) => {
    const damaged = (why: string) => {
      reject(new Pth2tfjsError('corrupt', `the entry '${name}' of the archive ${why}`));
    };
    const stream = (archive.file(key) as StreamableEntry).internalStream('uint8array');
    stream
      .on('data', (chunk) => {
        if (at + chunk.length > size) {
          stream.pause();
          damaged(`unpacks to more than the ${size} bytes it claims`);
        } else {
          out.set(chunk, at);
        }
        at += chunk.length;
      })
      .on('error', (error) => damaged(`cannot be unpacked: ${error.message}`))
      .on('end', () => {
        if (at < size) damaged(`unpacks to ${at} of the ${size} bytes it claims`);
        else resolve(out);
      })
      .resume();
  });
}

/** Writes a zip archive of the entries as they are, compressed or not, named 0, 1, 2, … */
function repack(entries: readonly ZipEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let offset = 0;
  for (const [i, entry] of entries.entries()) {
    const name = new TextEncoder().encode(String(i));
    const local = [record([0x04034b50, 4], [20, 2], ...common(entry, name)), name, entry.data];
    directory.push(
      record(
        [0x02014b50, 4],
        [20, 2],
        [20, 2],
        ...common(entry, name),
        [0, 2],
        [0, 2],
        [0, 2],
        [0, 4],
        [offset, 4],
      ),
      name,
    );
    parts.push(...local);
    offset += total(local);
  }
  const count: Field = [entries.length, 2];
  const end = record(
    [0x06054b50, 4],
    [0, 2],
    [0, 2],
    count,
    count,
    [total(directory), 4],
    [offset, 4],
    [0, 2],
  );
  return concatenate([...parts, ...directory, end]);
}

type Field = readonly [value: number, bytes: number];

/** The fields that local and central headers share: flags, method, time, date, CRC, sizes, lengths. */
function common({ method, crc32, data, size }: ZipEntry, name: Uint8Array): Field[] {
  return [
    [0, 2],
    [method, 2],
    [0, 2],
    [0, 2],
    [crc32, 4],
    [data.length, 4],
    [size, 4],
    [name.length, 2],
    [0, 2],
  ];
}

function record(...fields: Field[]): Uint8Array {
  return Uint8Array.from(
    fields.flatMap(([value, bytes]) =>
      Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff),
    ),
  );
}

function total(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

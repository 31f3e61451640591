import JSZip from 'jszip';
import { concatenate } from '../bytes.js';
import { Pth2tfjsError } from '../errors.js';
import type { Checkpoint } from './container.js';
import type { Crc32 } from './crc32.js';
import type { TensorStorage } from './tensor.js';
import { unpickle } from './unpickle.js';
import { readZipDirectory, type ZipEntry } from './zip-directory.js';

/**
 * The zip container that torch.save has written since torch 1.6: one top folder with `data.pkl`,
 * a record `data/KEY` a storage, `version`, and in newer files `byteorder` and more.
 * Source: torch/serialization.py (_save, _load) and caffe2/serialize/inline_container.h.
 */

/**
 * Reads a zip archive. Every entry's CRC-32 is checked, also of those that nothing refers to.
 * @throws Pth2tfjsError as {@link readZipDirectory} and the unpickler do, `corrupt` for a failed
 *   checksum, and `unsupported-format` for TorchScript and for zips that torch.save did not write.
 */
export async function readZip(bytes: Uint8Array, crc32: Crc32): Promise<Checkpoint> {
  const entries = readZipDirectory(bytes);
  const top = topFolder(entries);
  const contents = await extract(entries, `${top}data/`, crc32);
  const text = (name: string) => new TextDecoder().decode(contents.get(top + name)).trim();
  const byteOrder = readByteOrder(contents.has(`${top}byteorder`) ? text('byteorder') : 'little');
  const { value, storages, protocol } = unpickle(contents.get(`${top}data.pkl`) as Uint8Array);
  for (const storage of storages) attach(storage, contents, `${top}data/`, byteOrder === 'big');
  return {
    container: {
      format: 'zip',
      gzip: false,
      version: contents.has(`${top}version`) ? text('version') : 'unknown',
      pickleProtocol: protocol,
      byteOrder,
      byteLength: bytes.length,
    },
    value,
  };
}

/** The folder that holds `data.pkl`, with its slash. */
function topFolder(entries: readonly ZipEntry[]): string {
  const names = entries.map(({ name }) => name);
  const tops = names
    .filter((name) => /^[^/]+\/data\.pkl$/.test(name))
    .map((name) => name.slice(0, -8));
  const [top] = tops;
  if (top === undefined) throw notTorch(names);
  if (tops.length > 1) {
    throw new Pth2tfjsError(
      'corrupt',
      `the archive holds data.pkl in ${tops.length} folders: ${tops.join(', ')}`,
    );
  }
  if (names.some((name) => name === `${top}constants.pkl` || name.startsWith(`${top}code/`))) {
    throw new Pth2tfjsError(
      'unsupported-format',
      'not a state dict: a TorchScript archive (torch.jit.save)',
      {
        hint: "in Python: torch.save(torch.jit.load('in.pt', map_location='cpu').state_dict(), 'out.pth')",
      },
    );
  }
  return top;
}

function notTorch(names: readonly string[]): Pth2tfjsError {
  const what =
    names.length === 0
      ? 'an empty zip archive'
      : names.every((name) => name.endsWith('.npy'))
        ? 'a NumPy .npz archive'
        : `a zip archive without data.pkl; it holds ${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  return new Pth2tfjsError('unsupported-format', `not a PyTorch checkpoint: ${what}`, {
    hint: 'pass a file that torch.save wrote',
  });
}

/** All entries' contents by name: the storages in place where they are stored, the rest through jszip. */
async function extract(
  entries: readonly ZipEntry[],
  storages: string,
  crc32: Crc32,
): Promise<Map<string, Uint8Array>> {
  const inPlace = ({ name, method }: ZipEntry) => method === 0 && name.startsWith(storages);
  const unpacked = await unpack(entries.filter((entry) => !inPlace(entry)));
  const contents = new Map<string, Uint8Array>();
  for (const entry of entries) {
    const data = unpacked.get(entry) ?? entry.data;
    if (crc32(data) !== entry.crc32) {
      throw new Pth2tfjsError(
        'corrupt',
        `the checksum of '${entry.name}' in the archive is wrong`,
        {
          hint: 'the file is damaged; download it again',
        },
      );
    }
    contents.set(entry.name, data);
  }
  return contents;
}

/**
 * Unpacks entries with jszip, from a small archive made of just these. jszip would go over every
 * byte of the whole file more than once, and cannot read torch's end records anyway.
 */
async function unpack(entries: readonly ZipEntry[]): Promise<Map<ZipEntry, Uint8Array>> {
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

function readByteOrder(text: string): 'little' | 'big' {
  if (text !== 'little' && text !== 'big') {
    throw new Pth2tfjsError(
      'corrupt',
      `the archive's byteorder is '${text.slice(0, 20)}', neither little nor big`,
    );
  }
  return text;
}

function attach(
  storage: TensorStorage,
  contents: ReadonlyMap<string, Uint8Array>,
  folder: string,
  bigEndian: boolean,
): void {
  const data = contents.get(folder + storage.key);
  if (data === undefined) {
    throw new Pth2tfjsError(
      'corrupt',
      `the storage '${storage.key}' of a tensor is not in the archive`,
    );
  }
  storage.attach(data, bigEndian);
}

import { Pth2tfjsError } from '../errors.js';
import type { Checkpoint } from './container.js';
import type { Crc32 } from './crc32.js';
import { MAX_PICKLE_BYTES } from './pickle-cursor.js';
import type { TensorStorage } from './tensor.js';
import { unpickle } from './unpickle.js';
import { unzip } from './unzip.js';
import { readZipDirectory, type ZipEntry } from './zip-directory.js';

/**
 * The zip container that torch.save has written since torch 1.6: one top folder with `data.pkl`,
 * a record `data/KEY` a storage, `version`, and in newer files `byteorder` and more.
 * Source: torch/serialization.py (_save, _load) and caffe2/serialize/inline_container.h.
 */

/** Bound on records such as `version`; extra files that `torch.save` never writes stay small, too. */
const MAX_RECORD_BYTES = 2 ** 20;

/**
 * Reads a zip archive. Every entry's CRC-32 is checked, also of those that nothing refers to.
 * @throws Pth2tfjsError as {@link readZipDirectory} and the unpickler do, `corrupt` for a failed
 *   checksum, and `unsupported-format` for TorchScript and for zips that torch.save did not write.
 */
export async function readZip(bytes: Uint8Array, crc32: Crc32): Promise<Checkpoint> {
  const entries = readZipDirectory(bytes);
  const top = topFolder(entries);
  checkSizes(entries, top);
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
    metadata: new Map(),
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
  const unpacked = await unzip(entries.filter((entry) => !inPlace(entry)));
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

/** Most records are a word or a number; only the pickle and the storages may be large. */
function checkSizes(entries: readonly ZipEntry[], top: string): void {
  for (const { name, size } of entries) {
    const bound = name === `${top}data.pkl` ? MAX_PICKLE_BYTES : MAX_RECORD_BYTES;
    if (size > bound && !name.startsWith(`${top}data/`)) {
      throw new Pth2tfjsError(
        'limit',
        `the archive's '${name}' claims ${size} bytes; the bound is ${bound}`,
        {
          hint: 'save weights as tensors, not as NumPy arrays or lists, which end up in the pickle',
        },
      );
    }
  }
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

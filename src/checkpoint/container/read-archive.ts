import { Pth2tfjsError } from '../../base/errors.js';
import { MAX_PICKLE_BYTES } from '../pickle/pickle-cursor.js';
import { unpickle } from '../pickle/unpickle.js';
import type { TensorStorage } from '../tensor/tensor.js';
import type { Checkpoint } from './container.js';
import { type Checksums, type Crc32, crc32 } from './crc32.js';
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
export async function readZip(
  bytes: Uint8Array,
  options: ChecksumOptions = {},
): Promise<Checkpoint> {
  const entries = readZipDirectory(bytes);
  const top = topFolder(entries);
  checkSizes(entries, top);
  const contents = await extract(entries);
  const checking = checkContents(entries, contents, options);
  try {
    return readContents(bytes, entries, contents, top);
  } finally {
    // What else is wrong with damaged data comes of the damage.
    await checking;
  }
}

interface ChecksumOptions {
  readonly crc32?: Crc32 | undefined;
  readonly checksums?: Checksums | undefined;
}

type Contents = ReadonlyMap<string, Uint8Array>;

function readContents(
  bytes: Uint8Array,
  entries: readonly ZipEntry[],
  contents: Contents,
  top: string,
): Checkpoint {
  const text = (name: string) => new TextDecoder().decode(contents.get(top + name)).trim();
  const byteOrder = readByteOrder(contents.has(`${top}byteorder`) ? text('byteorder') : 'little');
  const pickle = contents.get(`${top}data.pkl`) as Uint8Array;
  const { value, storages, protocol, opaque, end } = unpickle(pickle);
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
    opaque,
    warnings: [
      ...(hasChecksums(entries) ? [] : [NO_CHECKSUMS]),
      ...leftoverWarnings(entries, top, pickle.length - end),
    ],
  };
}

const NO_CHECKSUMS =
  'the archive carries no checksums (torch.serialization.set_crc32_options(False)), so damage to it would not be noticed';

/** torch writes zeros for all of them when it is told to compute none. */
function hasChecksums(entries: readonly ZipEntry[]): boolean {
  return entries.some(({ crc32 }) => crc32 !== 0);
}

/** What PyTorch never writes, and does not read either. */
function leftoverWarnings(entries: readonly ZipEntry[], top: string, behind: number): string[] {
  const foreign = entries.filter(({ name }) => !name.startsWith(top)).map(({ name }) => name);
  const more = foreign.length > 3 ? `, and ${foreign.length - 3} more` : '';
  return [
    ...(behind > 0
      ? [`${behind} bytes follow the pickle in '${top}data.pkl', and were not read`]
      : []),
    ...(foreign.length > 0
      ? [
          `the archive holds records outside of its folder '${top}', which were not read: ${foreign.slice(0, 3).join(', ')}${more}`,
        ]
      : []),
  ];
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
  const [what, hint] = describeArchive(names);
  return new Pth2tfjsError('unsupported-format', `not a PyTorch checkpoint: ${what}`, { hint });
}

/** What a zip archive is that torch.save did not write, by the names in it. */
function describeArchive(names: readonly string[]): readonly [what: string, hint: string] {
  const some = (pattern: RegExp) => names.some((name) => pattern.test(name));
  const pass = 'pass a file that torch.save wrote';
  if (names.length === 0) return ['an empty zip archive', pass];
  if (names.every((name) => name.endsWith('.npy'))) return ['a NumPy .npz archive', pass];
  if (names.includes('data.pkl')) {
    return [
      'its data.pkl is not in a folder, where torch.save puts it and torch.load wants it: the archive was unpacked and packed again',
      'pack it with a folder: python3 -m zipfile -e FILE archive/ && python3 -m zipfile -c out.pth archive/',
    ];
  }
  if (some(/(^|\/)(archive_format|serialized_exported_program\.json)$/)) {
    return [
      'a program that torch.export saved (.pt2)',
      "in Python: torch.save(torch.export.load('in.pt2').state_dict, 'out.pth')",
    ];
  }
  if (some(/^MAR-INF\//))
    return ['a TorchServe archive (.mar)', 'unpack it, and pass the checkpoint in it'];
  if (some(/^(config\.json|model\.weights\.h5)$/)) return ['a Keras model (.keras)', pass];
  const inner = names.find((name) => /\.(pth|pt|ckpt|bin|safetensors)(\.(gz|tar))?$/.test(name));
  if (inner !== undefined) {
    return [`a zip archive around ${inner}`, 'unpack it first: python3 -m zipfile -e FILE .'];
  }
  const shown = `${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}`;
  return [`a zip archive without data.pkl; it holds ${shown}`, pass];
}

/** All entries' contents by name: in place where they are stored, the rest through jszip. */
async function extract(entries: readonly ZipEntry[]): Promise<Contents> {
  const unpacked = await inflate(entries.filter(({ method }) => method !== 0));
  return new Map(entries.map((entry) => [entry.name, unpacked.get(entry) ?? entry.data]));
}

/** @throws Pth2tfjsError `corrupt` where a checksum is wrong */
async function checkContents(
  entries: readonly ZipEntry[],
  contents: Contents,
  options: ChecksumOptions,
): Promise<void> {
  if (!hasChecksums(entries)) return;
  const { crc32: one = crc32, checksums = async (parts) => parts.map((part) => one(part)) } =
    options;
  const found = await checksums([...contents.values()]);
  const bad = entries.find((entry, i) => found[i] !== entry.crc32);
  if (bad === undefined) return;
  throw new Pth2tfjsError('corrupt', `the checksum of '${bad.name}' in the archive is wrong`, {
    hint: 'the file is damaged; download it again',
  });
}

/** PyTorch compresses nothing, so what can do this is loaded where somebody else did. */
async function inflate(entries: readonly ZipEntry[]): Promise<Map<ZipEntry, Uint8Array>> {
  if (entries.length === 0) return new Map();
  const { unzip } = await import('./unzip.js');
  return unzip(entries);
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
          hint: "save the state dict alone, in Python: torch.save(model.state_dict(), 'out.pth')",
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

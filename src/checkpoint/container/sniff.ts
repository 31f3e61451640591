import { toHex } from '../../base/bytes.js';
import { Pth2tfjsError } from '../../base/errors.js';
import { option } from '../../base/option.js';
import { describePlainPickle } from '../pickle/plain-pickle.js';
import { describeTar } from './tar.js';

/** The containers that this package reads; a gzip file holds one of the others. */
export type ContainerFormat = 'zip' | 'legacy' | 'safetensors' | 'gzip';

const PASS = 'pass a PyTorch checkpoint';

/** What a file is, and what to do with it. */
type Description = readonly [what: string, hint: string];
type Recognise = (head: Head) => Description | false;

/** Text formats and archives that end up under the name of a checkpoint. */
const FOREIGN: readonly Recognise[] = [
  (h) => h.at(257, 'ustar') && describeTar(h.data),
  (h) => h.bytes(0x89, 0x48, 0x44, 0x46) && ['an HDF5 file, as Keras writes', PASS],
  (h) => h.at(1, 'NUMPY') && ['a NumPy array file', PASS],
  (h) =>
    h.text(/^version https:\/\/git-lfs/) && [
      'a Git LFS pointer, not the file itself',
      'fetch the file itself, with Git LFS',
    ],
  (h) =>
    h.text(/^\s*<(!doctype|html|\?xml|head|body)/i) && [
      'an HTML page, as a failed download leaves',
      'download the file again and look at the page for the reason',
    ],
  (h) => h.text(/^\s*[{[]/) && describeJson(h),
  (h) => isOnnx(h) && ['an ONNX model', 'pass the PyTorch checkpoint it was exported from'],
  (h) => h.bytes(0x89, 0x50, 0x4e, 0x47) && ['a PNG image', PASS],
  (h) => h.bytes(0xff, 0xd8, 0xff) && ['a JPEG image', PASS],
  (h) => h.at(0, 'BZh') && ['a bzip2 file', 'unpack it first: bunzip2 -k FILE'],
  (h) => h.bytes(0xfd, 0x37, 0x7a, 0x58) && ['an xz file', 'unpack it first: unxz -k FILE'],
  (h) => h.bytes(0x28, 0xb5, 0x2f, 0xfd) && ['a zstd file', 'unpack it first: unzstd FILE'],
  (h) =>
    h.bytes(0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c) && ['a 7z archive', 'unpack it first, with 7-Zip'],
  (h) => h.at(0, 'Rar!') && ['a RAR archive', 'unpack it first'],
  (h) =>
    h.zeros() && [
      'a run of zero bytes, as an unfinished download leaves',
      'download the file again',
    ],
  (h) => describePlainPickle(h.data) ?? false,
];

/** JSON that belongs to a model, and is not it. */
function describeJson(head: Head): Description {
  if (head.text(/"(modelTopology|weightsManifest)"/)) {
    return [
      'a JSON text, the model.json of a TensorFlow.js model',
      'pass the checkpoint that it was made of',
    ];
  }
  if (head.text(/"(architectures|model_type|id2label|transformers_version)"/)) {
    return ["a JSON text, as Hugging Face's config.json", 'pass the weights beside it'];
  }
  if (head.text(/^\s*\{\s*"0"\s*:\s*(\[\s*)?"/)) {
    return [
      'a JSON text, a list of class names',
      `${PASS}; names of classes go with ${option('labels')}`,
    ];
  }
  return ['a JSON text', PASS];
}

/** The 80-bit number that opens a legacy stream: little-endian in LONG1, decimal in LONG. */
const LEGACY_MAGIC = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const LEGACY_MAGIC_TEXT = '119547037146038801333356';

/**
 * Tells which container the bytes are.
 * @throws Pth2tfjsError `empty`, or `unsupported-format` naming what the bytes are instead.
 */
export function sniffContainer(bytes: Uint8Array): ContainerFormat {
  if (bytes.length === 0)
    throw new Pth2tfjsError('empty', 'the file is empty', { hint: 'download it again' });
  const head = new Head(bytes);
  if (head.bytes(0x1f, 0x8b)) return 'gzip';
  if (head.at(0, 'PK')) return 'zip';
  if (head.holdsLegacyMagic()) return 'legacy';
  if (isSafetensors(head)) return 'safetensors';
  if (head.startsLikeOne()) {
    throw new Pth2tfjsError('truncated', `the file ends after ${bytes.length} bytes`, {
      hint: 'download it again',
    });
  }
  const [what, hint] = findForeign(head) ?? [
    `neither a zip, a legacy stream nor a safetensors file; it starts with ${head.hex()}`,
    'pass a file that torch.save or safetensors wrote',
  ];
  throw new Pth2tfjsError('unsupported-format', `not a PyTorch checkpoint: ${what}`, {
    offset: 0,
    hint,
  });
}

/**
 * What other kind of file the bytes are, none of weights alone.
 * @returns what it is, and what to do with it; undefined for bytes that are of no kind known here
 */
export function describeForeign(bytes: Uint8Array): Description | undefined {
  const head = new Head(bytes);
  if (bytes.length === 0) return ['an empty file', 'download the file again'];
  if (head.bytes(0x1f, 0x8b)) return ['a gzip file', 'put the file unpacked in its place'];
  if (head.at(0, 'PK\x03\x04')) return ['a zip file', 'put the file unpacked in its place'];
  return findForeign(head);
}

function findForeign(head: Head): Description | undefined {
  for (const recognise of FOREIGN) {
    const found = recognise(head);
    if (found !== false) return found;
  }
  return undefined;
}

/** The first bytes of a file. */
class Head {
  private readonly latin1: string;

  constructor(readonly data: Uint8Array) {
    this.latin1 = String.fromCharCode(...data.subarray(0, 512));
  }

  get length(): number {
    return this.data.length;
  }

  get(index: number): number {
    return this.data[index] ?? -1;
  }

  bytes(...expected: number[]): boolean {
    return expected.every((byte, i) => this.data[i] === byte);
  }

  at(offset: number, text: string): boolean {
    return this.latin1.startsWith(text, offset);
  }

  text(pattern: RegExp): boolean {
    return pattern.test(this.latin1.replace(/^\u00ef\u00bb\u00bf/, ''));
  }

  zeros(): boolean {
    return this.data.subarray(0, 512).every((byte) => byte === 0);
  }

  hex(): string {
    return toHex(this.data.subarray(0, 8), ' ');
  }

  /** True for the first few bytes of a checkpoint, and nothing more. */
  startsLikeOne(): boolean {
    const starts = [
      [0x50, 0x4b],
      [0x1f, 0x8b],
      [0x80, 0x02, 0x8a, 0x0a, ...LEGACY_MAGIC],
    ];
    return starts.some(
      (start) => this.length < start.length && this.data.every((byte, i) => byte === start[i]),
    );
  }

  /** A protocol and a frame opcode may come before the number. */
  holdsLegacyMagic(): boolean {
    const start = this.latin1.slice(0, 40);
    return (
      start.includes(String.fromCharCode(...LEGACY_MAGIC)) || start.includes(LEGACY_MAGIC_TEXT)
    );
  }
}

/** A 64-bit length of less than 4 GiB, then a JSON object. Text has no zeros. */
function isSafetensors(head: Head): boolean {
  return head.at(4, '\0\0\0\0{');
}

/** ModelProto: field 1 (ir_version) as a varint, then a length-delimited field. */
function isOnnx(head: Head): boolean {
  return (
    head.bytes(0x08) &&
    head.get(1) > 0 &&
    head.get(1) < 64 &&
    [0x12, 0x1a, 0x22, 0x3a].includes(head.get(2))
  );
}

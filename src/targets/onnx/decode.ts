import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { isPth2tfjsError, Pth2tfjsError } from '../../base/errors.js';
import { numel } from '../../numbers/shape.js';
import { ELEMENT_TYPES, type OnnxTensor } from './encode.js';
import type { Attribute, ElementType } from './graph.js';

/**
 * ONNX models read back, anyone's. The numbers of the fields are those of onnx/onnx.proto3. What a runtime would
 * have to look for elsewhere is refused: graphs inside of nodes, operators of other domains, and weights in other files.
 */

export interface ReadNode {
  readonly op: string;
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Those of a kind that is written here; others as their bytes. */
  readonly attributes: Readonly<Record<string, Attribute | Uint8Array>>;
}

/** An input or output of the graph. */
export interface ReadValue {
  readonly name: string;
  /** Undefined for one that is not written here. */
  readonly type: ElementType | undefined;
  /** A size that is free has a name, or none. */
  readonly shape: readonly (number | string)[];
}

export interface ReadModel {
  readonly nodes: readonly ReadNode[];
  /** Without those that are tensors of the model. */
  readonly inputs: readonly ReadValue[];
  readonly outputs: readonly ReadValue[];
  /** By name; the bytes are views of the file. No type where it is unknown, or the values are not stored as bytes. */
  readonly tensors: ReadonlyMap<string, ReadTensor>;
  readonly opset: number;
  readonly producer: string;
  readonly metadata: ReadonlyMap<string, string>;
}

export type ReadTensor = Omit<OnnxTensor, 'type'> & { readonly type: ElementType | undefined };

/** The network has 2,000 fields; those that a file of 1 GiB has room for would take all memory. */
const MAX_FIELDS = 2 ** 20;
/** Sides and paddings. */
const MAX_PACKED_BYTES = 2 ** 16;

/**
 * @throws Pth2tfjsError `model` for what is no ONNX model; `unsupported` for one that needs other files, or
 *   operators that are not ONNX's own; `limit` for one of more than a million fields
 */
export function decodeModel(bytes: Uint8Array): ReadModel {
  try {
    return new Decoder().model(bytes);
  } catch (error) {
    if (isPth2tfjsError(error)) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const text = `the file is no ONNX model, or only a part of one (${reason})`;
    throw new Pth2tfjsError('model', text, {
      hint: 'copy the file again from where it was written, or convert the checkpoint again',
      cause: error,
    });
  }
}

/**
 * Whether bytes that may be a checkpoint are an ONNX model instead. It starts with its version, a small number,
 * and goes on with a field of text or an operator set; of the containers only safetensors could start so, by chance.
 */
export function isOnnx(bytes: Uint8Array): boolean {
  const [field, version = 0, next = 0] = bytes;
  const isSafetensors = bytes[7] === 0 && bytes[8] === OPENING_BRACE;
  if (isSafetensors) return false;
  return field === tag(1, WireType.Varint) && version > 0 && version < 64 && AFTER_IR.has(next);
}

const OPENING_BRACE = 0x7b;

const tag = (field: number, type: WireType) => (field << 3) | type;

/** Producer, its version, domain, graph and operator sets, of which files have one or the other next. */
const AFTER_IR = new Set([2, 3, 4, 7, 8].map((field) => tag(field, WireType.LengthDelimited)));

/** Told each field's number, and how to read it. */
type OnField = (field: number, reader: BinaryReader, type: WireType) => void;

class Decoder {
  private fields = 0;

  private each(bytes: Uint8Array, onField: OnField): void {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      this.fields++;
      if (this.fields > MAX_FIELDS) throw tooMany();
      const [field, type] = reader.tag();
      const before = reader.pos;
      onField(field, reader, type);
      if (reader.pos === before) reader.skip(type, field);
    }
  }

  model(bytes: Uint8Array): ReadModel {
    const graphs: Uint8Array[] = [];
    const metadata = new Map<string, string>();
    let [producer, opset] = ['', 0];
    this.each(bytes, (field, reader, type) => {
      if (field === 2) producer = reader.string();
      if (field === 7) graphs.push(nested(reader, type));
      if (field === 8) opset = Math.max(opset, this.opset(nested(reader, type)));
      if (field === 14) metadata.set(...this.entry(nested(reader, type)));
    });
    if (graphs.length === 0 || opset === 0) throw new Error('it has no graph, or no operator set');
    return { ...this.graph(graphs), opset, producer, metadata };
  }

  /** ONNX's own version; other domains count only where a node is of them. */
  private opset(bytes: Uint8Array): number {
    let [domain, version] = ['', 0];
    this.each(bytes, (field, reader) => {
      if (field === 1) domain = reader.string();
      if (field === 2) version = Number(reader.int64());
    });
    return isOnnxDomain(domain) ? version : 0;
  }

  private entry(bytes: Uint8Array): [string, string] {
    let [key, value] = ['', ''];
    this.each(bytes, (field, reader) => {
      if (field === 1) key = reader.string();
      if (field === 2) value = reader.string();
    });
    return [key, value];
  }

  /** A message that stands in several pieces counts as one. */
  private graph(pieces: readonly Uint8Array[]) {
    const nodes: ReadNode[] = [];
    const tensors = new Map<string, ReadTensor>();
    const inputs: ReadValue[] = [];
    const outputs: ReadValue[] = [];
    for (const piece of pieces) {
      this.each(piece, (field, reader, type) => {
        if (field === 1) nodes.push(this.node(nested(reader, type)));
        if (field === 11) inputs.push(this.value(nested(reader, type)));
        if (field === 12) outputs.push(this.value(nested(reader, type)));
        if (field === 15) throw unsupported('sparse tensors');
        if (field !== 5) return;
        const tensor = this.tensor(nested(reader, type));
        tensors.set(tensor.name, tensor);
      });
    }
    return { nodes, tensors, inputs: inputs.filter(({ name }) => !tensors.has(name)), outputs };
  }

  private node(bytes: Uint8Array): ReadNode {
    const [inputs, outputs]: [string[], string[]] = [[], []];
    const attributes: Record<string, Attribute | Uint8Array> = {};
    let [name, op, domain] = ['', '', ''];
    this.each(bytes, (field, reader, type) => {
      if (field === 1) inputs.push(reader.string());
      if (field === 2) outputs.push(reader.string());
      if (field === 3) name = reader.string();
      if (field === 4) op = reader.string();
      if (field === 7) domain = reader.string();
      if (field !== 5) return;
      const [key, value] = this.attribute(nested(reader, type));
      attributes[key] = value;
    });
    if (!isOnnxDomain(domain)) throw unsupported(`the operator ${op} of the domain '${domain}'`);
    return { op, name, inputs, outputs, attributes };
  }

  private attribute(bytes: Uint8Array): [string, Attribute | Uint8Array] {
    let [name, kind, float, integer] = ['', 0, 0, 0];
    const integers: number[] = [];
    this.each(bytes, (field, reader, type) => {
      if (field === 1) name = reader.string();
      if (field === 2) float = reader.float();
      if (field === 3) integer = Number(reader.int64());
      if (field === 5) this.tensor(nested(reader, type));
      if (field === 6 || field === 11) throw unsupported('a graph inside of a node');
      if (field === 8) integers.push(...readIntegers(reader, type));
      if (field === 20) kind = reader.int32();
    });
    if (GRAPHS.includes(kind)) throw unsupported('a graph inside of a node');
    const [FLOAT, INT, INTS] = [1, 2, 7];
    if (kind === FLOAT) return [name, { float }];
    if (kind === INT) return [name, integer];
    return [name, kind === INTS ? integers : bytes];
  }

  private tensor(bytes: Uint8Array): ReadTensor {
    const shape: number[] = [];
    let [name, type, raw] = ['', 0, new Uint8Array()];
    this.each(bytes, (field, reader, wire) => {
      if (field === 1) shape.push(...readIntegers(reader, wire));
      if (field === 2) type = reader.int32();
      // Floats that are packed lie there as raw ones do.
      if (field === 4 || field === 9) raw = nested(reader, wire) as typeof raw;
      if (field === 8) name = reader.string();
      if (field === 14 && reader.int32() === EXTERNAL) throw externalData(name);
    });
    const known = TYPES.get(type);
    const expected = known === undefined ? 0 : numel(shape) * SIZES[known];
    if (known === undefined || (raw.length === 0 && expected > 0)) {
      return { name, shape, type: undefined, bytes: raw };
    }
    if (raw.length === expected) return { name, shape, type: known, bytes: raw };
    throw new Error(`${name} has ${raw.length} bytes where its shape wants ${expected}`);
  }

  private value(bytes: Uint8Array): ReadValue {
    let name = '';
    let type: ElementType | undefined;
    let shape: readonly (number | string)[] = [];
    this.each(bytes, (field, reader, wire) => {
      if (field === 1) name = reader.string();
      if (field !== 2) return;
      this.each(nested(reader, wire), (kind, inner, innerWire) => {
        if (kind !== 1) return;
        this.each(nested(inner, innerWire), (part, tensor, tensorWire) => {
          if (part === 1) type = TYPES.get(tensor.int32());
          if (part === 2) shape = this.shape(nested(tensor, tensorWire));
        });
      });
    });
    return { name, type, shape };
  }

  private shape(bytes: Uint8Array): (number | string)[] {
    const shape: (number | string)[] = [];
    this.each(bytes, (field, reader, type) => {
      if (field !== 1) return;
      let size: number | string = '';
      this.each(nested(reader, type), (kind, dimension) => {
        if (kind === 1) size = Number(dimension.int64());
        if (kind === 2) size = dimension.string();
      });
      shape.push(size);
    });
    return shape;
  }
}

function nested(reader: BinaryReader, type: WireType): Uint8Array {
  if (type === WireType.LengthDelimited) return reader.bytes();
  throw new Error(`a field of wire type ${type} where a message should be`);
}

/** One, or many packed into one field, as newer writers of protobuf do. */
function readIntegers(reader: BinaryReader, type: WireType): number[] {
  if (type !== WireType.LengthDelimited) return [Number(reader.int64())];
  const packed = new BinaryReader(nested(reader, type));
  if (packed.len > MAX_PACKED_BYTES) throw tooMany();
  const integers: number[] = [];
  while (packed.pos < packed.len) integers.push(Number(packed.int64()));
  return integers;
}

const isOnnxDomain = (domain: string) => domain === '' || domain === 'ai.onnx';

/** AttributeProto.AttributeType of what is a graph, or a list of them. */
const GRAPHS = [5, 10];

/** Bytes of an element. */
const SIZES: Readonly<Record<ElementType, number>> = { float32: 4, uint8: 1, float16: 2 };

const TYPES = new Map(
  Object.entries(ELEMENT_TYPES).map(([type, code]) => [code, type as ElementType]),
);

/** TensorProto.DataLocation. */
const EXTERNAL = 1;

function unsupported(what: string): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', `the ONNX model has ${what}, which is not run here`, {
    hint: 'export it again from PyTorch without, or convert the checkpoint',
  });
}

function externalData(name: string): Pth2tfjsError {
  const text = `the ONNX model keeps ${name || 'a tensor'} in another file, which is not read`;
  return new Pth2tfjsError('unsupported', text, {
    hint: 'export it as one file: torch.onnx.export(..., external_data=False)',
  });
}

function tooMany(): Pth2tfjsError {
  return new Pth2tfjsError('limit', 'the ONNX model has more fields than any network needs', {
    hint: 'check that this is the right file',
  });
}

import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { concatenate } from '../../base/bytes.js';
import type { Attribute, ElementType, OnnxGraph, OnnxNode, OnnxValue } from './graph.js';

/**
 * ONNX models as protobuf. The numbers of the fields are those of onnx/onnx.proto3; a field is not written where
 * its value is proto3's default, but for those that ONNX wants to see.
 */

/**
 * The operators' version. Newer ones bring nothing that is used here and shut older runtimes out: onnxruntime 1.15, of
 * 2023, takes these files, and so does 1.32.
 */
export const OPSET = 17;
/** The version of the format itself that came with it. */
const IR_VERSION = 8;

/** A tensor as its bytes lie in the file, little-endian. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly type: ElementType;
  readonly bytes: Uint8Array;
}

export interface OnnxModel {
  readonly graph: Pick<OnnxGraph, 'nodes' | 'input' | 'output'>;
  /** The graph's own name. */
  readonly name: string;
  readonly tensors: readonly OnnxTensor[];
  readonly producer: { readonly name: string; readonly version: string };
  /** Texts by their keys. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** The same model gives the same bytes. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const { producer, metadata } = model;
  const message = new Message()
    .integer(1, IR_VERSION)
    .text(2, producer.name)
    .text(3, producer.version)
    .message(7, graph(model))
    .message(8, new Message().text(1, '').integer(2, OPSET));
  for (const [key, value] of Object.entries(metadata)) {
    message.message(14, new Message().text(1, key).text(2, value));
  }
  return concatenate(message.parts);
}

function graph({ name, graph: { nodes, input, output }, tensors }: OnnxModel): Message {
  const message = new Message();
  for (const node of nodes) message.message(1, encodeNode(node));
  message.text(2, name);
  for (const tensor of tensors) message.message(5, encodeTensor(tensor));
  return message.message(11, encodeValue(input)).message(12, encodeValue(output));
}

function encodeNode({ op, name, inputs, output, attributes }: OnnxNode): Message {
  const message = new Message();
  for (const input of inputs) message.text(1, input);
  message.text(2, output).text(3, name).text(4, op);
  for (const [key, value] of Object.entries(attributes)) {
    message.message(5, encodeAttribute(key, value));
  }
  return message;
}

/** AttributeProto.AttributeType. */
const [FLOAT, INT, INTS] = [1, 2, 7];

function encodeAttribute(name: string, value: Attribute): Message {
  const message = new Message().text(1, name);
  if (typeof value === 'number') return message.integer(3, value).integer(20, INT);
  if ('float' in value) return message.float(2, value.float).integer(20, FLOAT);
  for (const each of value) message.integer(8, each);
  return message.integer(20, INTS);
}

/** TensorProto.DataType. */
export const ELEMENT_TYPES: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  float16: 10,
};

function encodeTensor({ name, shape, type, bytes }: OnnxTensor): Message {
  const message = new Message();
  for (const size of shape) message.integer(1, size);
  return message.integer(2, ELEMENT_TYPES[type]).text(8, name).bytes(9, bytes);
}

function encodeValue({ name, type, shape }: OnnxValue): Message {
  const dimensions = new Message();
  for (const size of shape) {
    const free = typeof size === 'string';
    dimensions.message(1, free ? new Message().text(2, size) : new Message().integer(1, size));
  }
  const tensor = new Message().integer(1, ELEMENT_TYPES[type]).message(2, dimensions);
  return new Message().text(1, name).message(2, new Message().message(1, tensor));
}

/** A message in parts, so that weights are copied only once, into the file. */
class Message {
  private readonly written: Uint8Array[] = [];
  private writer = new BinaryWriter();
  private size = 0;

  integer(field: number, value: number): this {
    this.writer.tag(field, WireType.Varint).int64(value);
    return this;
  }

  float(field: number, value: number): this {
    this.writer.tag(field, WireType.Bit32).float(value);
    return this;
  }

  text(field: number, value: string): this {
    this.writer.tag(field, WireType.LengthDelimited).string(value);
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    return this.nested(field, [value], value.length);
  }

  message(field: number, { parts, length }: Message): this {
    return this.nested(field, parts, length);
  }

  get parts(): readonly Uint8Array[] {
    this.flush();
    return this.written;
  }

  get length(): number {
    this.flush();
    return this.size;
  }

  private nested(field: number, parts: readonly Uint8Array[], length: number): this {
    this.writer.tag(field, WireType.LengthDelimited).uint32(length);
    this.flush();
    for (const part of parts) this.append(part);
    return this;
  }

  private flush(): void {
    this.append(this.writer.finish());
    this.writer = new BinaryWriter();
  }

  private append(part: Uint8Array): void {
    if (part.length === 0) return;
    this.written.push(part);
    this.size += part.length;
  }
}

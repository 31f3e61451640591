import type { InputKind } from '../targets/formats.js';
import { decodeModel, type ReadModel, type ReadValue } from '../targets/onnx/decode.js';
import { damaged } from './damaged.js';
import { parseProvenance } from './parse-provenance.js';
import type { Provenance } from './provenance.js';
import type { Quantization } from './quantization.js';
import type { StoredModel } from './stored-model.js';

/** A model as it is stored, for TensorFlow.js or for ONNX Runtime. */
export type AnyModel = StoredModel | StoredOnnx;

/** What an ONNX model takes and gives. */
export interface OnnxSignature {
  readonly input: string;
  readonly kind: InputKind;
  /** Side of the square image. */
  readonly imageSize: number;
  /** How many images it takes at once; null where any number will do. */
  readonly batch: number | null;
  readonly output: string;
  readonly numClasses: number;
}

/** An ONNX model, parsed and checked; anyone's, if it takes one square image and gives one row of logits. */
export class StoredOnnx {
  readonly format = 'onnx';
  readonly model: ReadModel;
  readonly signature: OnnxSignature;
  private remembered: Provenance | null | undefined;

  readonly file: Uint8Array;

  /**
   * @param file the model, in one file
   * @throws Pth2tfjsError as {@link decodeModel} does; `model` for a network of other inputs or outputs
   */
  constructor({ buffer, byteOffset, byteLength }: Uint8Array) {
    // Node's Buffer is none that `slice` copies.
    this.file = new Uint8Array(buffer, byteOffset, byteLength);
    this.model = decodeModel(this.file);
    this.signature = signatureOf(this.model);
  }

  get bytes(): number {
    return this.file.length;
  }

  /** How the kernels are stored, where that is not float32. */
  get quantization(): Quantization | undefined {
    const isHalf = [...this.model.tensors.values()].some(({ type }) => type === 'float16');
    return isHalf ? 'float16' : undefined;
  }

  /**
   * What a model that `convert` wrote remembers of its source; null for others.
   * @throws Pth2tfjsError `model` where it makes no sense
   */
  get provenance(): Provenance | null {
    if (this.remembered === undefined) this.remembered = provenanceOf(this.model);
    return this.remembered;
  }
}

function provenanceOf({ metadata }: ReadModel): Provenance | null {
  const text = metadata.get('pth2tfjs');
  if (text === undefined) return null;
  const labels = metadata.get('labels');
  const source = parseJSON('pth2tfjs', text);
  return parseProvenance(
    labels === undefined ? source : { ...Object(source), labels: parseJSON('labels', labels) },
    'metadata_props',
  );
}

function parseJSON(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw damaged(`has metadata_props.${key}, which is no JSON: ${String(error)}`, error);
  }
}

function signatureOf({ inputs, outputs }: ReadModel): OnnxSignature {
  const [input, ...more] = inputs;
  const [output] = outputs;
  const image = input === undefined || more.length > 0 ? undefined : imageOf(input);
  const [, numClasses, ...rest] = output?.shape ?? [];
  const isRow = output?.type === 'float32' && Number(numClasses) > 0 && rest.length === 0;
  if (input === undefined || image === undefined || output === undefined || !isRow) {
    const [takes, gives] = [inputs, outputs].map((values) => values.map(describe).join(', '));
    throw damaged(
      `takes ${takes || 'nothing'} and gives ${gives || 'nothing'}; it should take one square image, as float32 [N, 3, S, S] or uint8 [N, S, S, 3], and give one float32 row of logits [N, classes]`,
    );
  }
  return { input: input.name, ...image, output: output.name, numClasses: Number(numClasses) };
}

function imageOf({ type, shape }: ReadValue) {
  const [batch, ...image] = shape;
  const kind = type === 'uint8' ? 'pixels' : 'normalized';
  const [height, width, channels] = kind === 'pixels' ? image : [...image.slice(1), image[0]];
  const known = type === 'uint8' || type === 'float32';
  const isImage = image.length === 3 && channels === 3 && height === width && Number(height) > 0;
  if (!known || !isImage) return undefined;
  return {
    kind,
    imageSize: Number(height),
    batch: typeof batch === 'number' && batch > 0 ? batch : null,
  } as const;
}

function describe({ name, type, shape }: ReadValue): string {
  return `${name} (${type ?? 'another type'} [${shape.map((size) => size || '?').join(', ')}])`;
}

import { Pth2tfjsError } from './base/errors.js';
import { option } from './base/option.js';
import { checkImageSize } from './describe-model.js';
import type { SourceOptions } from './read-network.js';
import { type Quantization, quantizationsFor } from './stored-model/quantization.js';
import type { InputKind, ModelFormat } from './targets/formats.js';
import type { Golden } from './verify/golden.js';

export interface ConvertOptions extends SourceOptions {
  /**
   * torchvision's `transform_input`, which no state dict records. Default: on for the official
   * weights, which are known by their SHA-256; what a safetensors file says in its metadata; what
   * `golden` says; else off.
   */
  readonly transformInput?: boolean | undefined;
  /** Side of the square input in pixels, at least 15. Default that of `golden`, else 224. */
  readonly imageSize?: number | undefined;
  /** What PyTorch gave; counts only where it says that it was made of the same checkpoint. */
  readonly golden?: Pick<Golden, 'shape' | 'provenance'> | undefined;
  /**
   * `layers` for `tf.loadLayersModel`, the default; `graph` for `tf.loadGraphModel`: a frozen graph,
   * convolutions with bias and ReLU in one; `onnx` for ONNX Runtime and its like: one file, `model.onnx`.
   */
  readonly format?: ModelFormat | undefined;
  /** What the model takes: normalised images, the default, or pixels: with `graph` int32, with `onnx` uint8. */
  readonly input?: InputKind | undefined;
  /** Names of the classes in the order of the logits, to be kept in the model. */
  readonly labels?: readonly string[] | undefined;
  /** Store the kernels in less than float32; loaders take them back to float32. */
  readonly quantization?: Quantization | undefined;
  /**
   * Keep the model trainable: BatchNorm unfolded, dropout, and the auxiliary heads where the checkpoint
   * has them, as outputs after the logits. Goes with the format `layers`, unquantized.
   */
  readonly trainable?: boolean | undefined;
  /** Those to keep where no `labels` are given and these are torchvision's official weights. */
  readonly officialLabels?: readonly string[] | undefined;
}

/** What a model is to be, which does not depend on the checkpoint. */
type ModelShape = Pick<
  ConvertOptions,
  'format' | 'input' | 'imageSize' | 'quantization' | 'trainable'
>;

/**
 * The rules of what goes together, for whoever wants to know before anything is read.
 * @throws Pth2tfjsError `usage`
 */
export function checkConvertOptions({
  format = 'layers',
  input = 'normalized',
  imageSize,
  quantization,
  trainable = false,
}: ModelShape): void {
  if (imageSize !== undefined) checkImageSize(imageSize);
  if (input === 'pixels' && format === 'layers') {
    const [graph, onnx] = [option('format', 'graph'), option('format', 'onnx')];
    throw new Pth2tfjsError('usage', `${option('input', input)} goes with ${graph} or ${onnx}`);
  }
  if (quantization !== undefined && !quantizationsFor(format).includes(quantization)) {
    const [given, float16] = [option('quantization', quantization), 'float16'];
    throw new Pth2tfjsError(
      'usage',
      `${given} goes with TensorFlow.js's formats; ONNX models are stored as float32 or ${float16}`,
    );
  }
  if (trainable && (format !== 'layers' || quantization !== undefined)) {
    const [layers, none] = [option('format', 'layers'), option('quantization')];
    throw new Pth2tfjsError(
      'usage',
      `${option('trainable', true)} goes with ${layers}, and without ${none}`,
    );
  }
}

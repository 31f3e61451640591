import type { BackendInfo, BackendName, Precision } from '../../src/runtimes/backend.js';
import { compareLogits } from '../../src/verify/compare.js';
import type { Diagnosis } from '../../src/verify/diagnosis.js';
import type { LayerComparison, LayerReport } from '../../src/verify/layers.js';
import { type ToleranceOptions, toleranceFor } from '../../src/verify/tolerance.js';
import type { BackendResult, Verification } from '../../src/verify/verification.js';

/** Text that a file may hold as a name, and that must mean nothing wherever it is shown. */
export const HOSTILE =
  '<script>alert(1)</script>]]>&amp;|"\'`%0A::error::x\n\r\x1b[2J\x00\u202e\ufffe\ud800 $\u007b{ x }}';

export interface Case {
  readonly images?: number;
  readonly numClasses?: number;
  /** What PyTorch gave; made up when absent. */
  readonly logits?: readonly number[];
  /** For each backend, what is added to the logit of an image and class. */
  readonly errors?: Partial<Record<BackendName, (image: number, index: number) => number>>;
  readonly tolerance?: ToleranceOptions;
  readonly layers?: Partial<Record<BackendName, LayerReport>>;
  readonly diagnosis?: Diagnosis | null;
  /** Stands in every place that takes a name from a file. */
  readonly name?: string;
}

/** A small error of changing sign. */
export function noise(scale: number): (image: number, index: number) => number {
  return (image, index) => scale * Math.sin(1 + 12.9898 * index + 78.233 * image);
}

/** A verification as `verifyModel` returns it, its numbers made here. */
export function verification(made: Case = {}): Verification {
  const { images = 4, numClasses = 10, errors = { wasm: noise(1e-5) }, name } = made;
  const logits = new Float32Array(images * numClasses);
  for (let i = 0; i < logits.length; i++) {
    const madeUp = 6 * Math.sin(i * 2.7 + Math.floor(i / numClasses)) + (i % 7) / 3;
    logits[i] = made.logits?.[i] ?? madeUp;
  }
  const results = Object.entries(errors).map(([backend, error]) =>
    resultOf(backend as BackendName, logits, numClasses, error, made),
  );
  return {
    model: name ?? 'out/',
    golden: name ?? 'golden.pth',
    tool: 'pth2tfjs 0.1.0',
    runtime: 'Node 20.20.2, linux x64',
    provenance: { model: null, golden: goldenProvenance(name) },
    expected: { numClasses, logits },
    results,
    diagnosis: made.diagnosis ?? null,
    passed: results.every(({ comparison }) => comparison.passed),
  };
}

function goldenProvenance(name: string | undefined): Verification['provenance']['golden'] {
  return {
    torch: name ?? '2.13.0',
    torchvision: name ?? '0.28.0',
    checkpoint: name ?? 'googlenet.pth',
    checkpointSha256: name ?? '1378be20'.repeat(8),
    transformInput: true,
    training: false,
  };
}

function resultOf(
  backend: BackendName,
  expected: Float32Array,
  numClasses: number,
  error: (image: number, index: number) => number,
  { tolerance = {}, layers, name }: Case,
): BackendResult {
  const info = backendInfo(backend, name);
  const logits = expected.map(
    (value, i) => value + error(Math.floor(i / numClasses), i % numClasses),
  );
  return {
    backend: info,
    comparison: compareLogits(
      expected,
      logits,
      numClasses,
      toleranceFor(info.precision, tolerance),
    ),
    basis: { from: 'given' },
    layers: layers?.[backend] ?? null,
    logits,
    millisecondsPerImage: backend === 'wasm' ? 114.6 : 8.25,
  };
}

const DEVICES: Readonly<
  Record<BackendName, readonly [string, BackendInfo['hardware'], Precision]>
> = {
  cuda: ['NVIDIA H100 80GB HBM3', 'gpu', 'tf32'],
  webgpu: ['SwiftShader Device (LLVM 10.0.0)', 'software-gpu', 'float32'],
  tensorflow: ['libtensorflow', 'cpu', 'float32'],
  wasm: ['WebAssembly, SIMD, 1 thread', 'cpu', 'float32'],
  cpu: ['JavaScript', 'cpu', 'float32'],
  float64: ['plain TypeScript, 1 thread', 'cpu', 'float64'],
  onnx: ['processor, CPUExecutionProvider', 'cpu', 'float32'],
  'onnx-webgpu': ['unknown adapter, WebGpuExecutionProvider', 'unknown', 'float32'],
  'onnx-cuda': ['NVIDIA H100 80GB HBM3, CUDAExecutionProvider', 'gpu', 'tf32'],
};

function backendInfo(backend: BackendName, name?: string): BackendInfo {
  const [device, hardware, precision] = DEVICES[backend];
  return {
    name: backend,
    device: name ?? device,
    driver: hardware === 'cpu' ? null : (name ?? 'driver 550.54'),
    hardware,
    precision,
    versions: { [name ?? `@tensorflow/tfjs-backend-${backend}`]: name ?? '4.22.0' },
  };
}

/** Layers with these errors, by name; the statistics are the error's own. */
export function layerReport(
  errors: Readonly<Record<string, number>>,
  firstJump: string | null = null,
  unmatched: readonly string[] = [],
): LayerReport {
  const layers = Object.entries(errors).map(
    ([layer, relativeError]): LayerComparison => ({
      layer,
      shape: [4, 64, 56, 56],
      relativeError,
      maxAbsoluteError: 3 * relativeError,
      expected: { min: 0, max: 7.25, mean: 0.5625, std: 1.125 },
      actual: { min: 0, max: 7.5, mean: 0.6875, std: 1.375 },
      actualShape: Number.isFinite(relativeError) ? null : [4, 64, 57, 57],
    }),
  );
  return { layers, firstJump, unmatched };
}

export const CAUSE: Diagnosis = {
  cause: {
    id: 'transform-input',
    summary: 'transform_input was on in PyTorch',
    cure: 'Convert again with --transform-input.',
    where: null,
    errorBefore: 3.2,
    errorAfter: 1.4e-5,
  },
  attempts: [{ id: 'transform-input', description: 'transform_input switched on', error: 1.4e-5 }],
  hints: [],
};

export const NO_CAUSE: Diagnosis = {
  cause: null,
  attempts: [
    { id: 'bgr', description: "the input's channels swapped (BGR)", error: 0.731 },
    { id: 'eps', description: 'BatchNorm with an epsilon of 1e-5', error: NaN },
  ],
  hints: ['Pass --checkpoint with the .pth file that the model was made of.'],
};

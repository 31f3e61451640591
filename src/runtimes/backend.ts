import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import { MODEL_FORMATS, type ModelFormat, TFJS_FORMATS } from '../targets/formats.js';
import type { LoadedModel } from './loaded-model.js';
import type { OnnxRuntime } from './onnx/runtime.js';

/** The backends of TensorFlow.js. */
export const TFJS_BACKENDS = ['cuda', 'webgpu', 'tensorflow', 'wasm', 'cpu'] as const;
export type TfjsBackend = (typeof TFJS_BACKENDS)[number];

/** The execution providers of ONNX Runtime. */
export const ONNX_BACKENDS = ['onnx', 'onnx-webgpu', 'onnx-cuda'] as const;
export type OnnxBackend = (typeof ONNX_BACKENDS)[number];

export const BACKEND_NAMES = [...TFJS_BACKENDS, ...ONNX_BACKENDS, 'float64'] as const;
export type BackendName = (typeof BACKEND_NAMES)[number];

/** The formats of models that a backend runs, the one to convert a checkpoint to first. */
export function formatsOf(name: BackendName): readonly [ModelFormat, ...ModelFormat[]] {
  if (name === 'float64') return MODEL_FORMATS;
  return ONNX_BACKENDS.some((each) => each === name) ? ['onnx'] : TFJS_FORMATS;
}

/** The backends that run a model of this format. */
export function backendsFor(format: ModelFormat): readonly BackendName[] {
  return BACKEND_NAMES.filter((name) => formatsOf(name).includes(format));
}

/** @throws Pth2tfjsError `usage` for a name of none */
export function checkBackends(names: readonly string[]): readonly BackendName[] {
  const unknown = names.find((name) => !BACKEND_NAMES.some((known) => known === name));
  if (unknown === undefined) return names as readonly BackendName[];
  const known = BACKEND_NAMES.join(', ');
  throw new Pth2tfjsError(
    'usage',
    `${option('backends')}: there is no backend '${unknown}'; there are ${known}`,
  );
}

/** The arithmetic of convolutions. TF32 rounds their inputs to 10 bits of mantissa. */
export type Precision = 'float64' | 'float32' | 'tf32' | 'float16';

/** What kind of machine does the work: a GPU, a program that plays one, or the processor. */
export type Hardware = 'gpu' | 'software-gpu' | 'cpu' | 'unknown';

/** What the work runs on, as the backend itself tells. */
export interface BackendInfo {
  readonly name: BackendName;
  /** Adapter or device: `NVIDIA H100 PCIe`, `WebAssembly, SIMD, 1 thread`. */
  readonly device: string;
  /** Driver and its version; null where there is none. */
  readonly driver: string | null;
  readonly hardware: Hardware;
  readonly precision: Precision;
  /** Versions of the libraries that compute, by package. */
  readonly versions: Readonly<Record<string, string>>;
}

/** What a backend's own file provides. */
export interface BackendAdapter {
  /** Optional packages it needs, as `npm install` takes them; none for those that come along. */
  readonly packages: readonly string[];
  /** Loads the backend's packages, asks what it runs on, and makes one of TensorFlow.js the current one. */
  start(options: StartOptions): Promise<StartedBackend>;
}

export interface StartedBackend {
  readonly info: Omit<BackendInfo, 'name'>;
  /** Takes models of the formats that the backend runs. */
  load(model: AnyModel): Promise<LoadedModel>;
  /** Gives back what the backend holds, so that the process can exit. */
  stop(): Promise<void> | void;
}

export interface StartOptions {
  /** Lets CUDA compute in TF32, where the card has it. */
  readonly tf32: boolean;
  readonly onnxruntime: OnnxRuntime | undefined;
  /** Imports an optional package. */
  readonly importPackage: ImportPackage;
  readonly packageVersion: PackageVersion;
  readonly nvidiaGPUs: NvidiaGPUs;
}

/** How an optional package is imported, such as `webgpu`; rejects when it is absent. */
export type ImportPackage = (name: string) => Promise<unknown>;

/** Tells an installed package's version; null where that cannot be known. */
export type PackageVersion = (name: string) => Promise<string | null>;

/** Tells the NVIDIA cards of the machine and their driver; null where there are none or it is unknown. */
export type NvidiaGPUs = () => Promise<{
  readonly names: readonly string[];
  readonly driver: string | null;
} | null>;

export interface BackendOptions {
  /** Let `cuda` and `onnx-cuda` compute in TF32; default off. */
  readonly tf32?: boolean | undefined;
  /** ONNX Runtime as the app imports it; default: `onnxruntime-node`, in browsers `onnxruntime-web`. */
  readonly onnxruntime?: OnnxRuntime | undefined;
  /** Default: `import(name)`, from where this package lies. */
  readonly importPackage?: ImportPackage | undefined;
  /** For the report; default: unknown, since a library cannot read files. */
  readonly packageVersion?: PackageVersion | undefined;
  /** For the report; default: unknown. TensorFlow does not tell what card it computes on. */
  readonly nvidiaGPUs?: NvidiaGPUs | undefined;
}

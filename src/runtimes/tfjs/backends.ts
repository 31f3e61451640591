import { Pth2tfjsError } from '../../base/errors.js';
import { option } from '../../base/option.js';
import { CPU } from './backends/cpu.js';
import { CUDA, TENSORFLOW } from './backends/tensorflow.js';
import { WASM } from './backends/wasm.js';
import { WEBGPU } from './backends/webgpu.js';

/** Backends of TensorFlow.js by the names that `--backend` takes; each loads when it is first asked for. */
const BACKENDS = {
  cuda: CUDA,
  webgpu: WEBGPU,
  tensorflow: TENSORFLOW,
  wasm: WASM,
  cpu: CPU,
} as const;

export type BackendName = keyof typeof BACKENDS;

export const BACKEND_NAMES = Object.keys(BACKENDS) as readonly BackendName[];

/** The arithmetic of convolutions. TF32 rounds their inputs to 10 bits of mantissa. */
export type Precision = 'float32' | 'tf32' | 'float16';

/** What kind of machine does the work: a GPU, a program that plays one, or the processor. */
export type Hardware = 'gpu' | 'software-gpu' | 'cpu';

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
  /** Loads the backend's packages, makes it TensorFlow.js's current one, and asks what it runs on. */
  start(options: StartOptions): Promise<StartedBackend>;
}

export interface StartedBackend {
  readonly info: Omit<BackendInfo, 'name'>;
  /** Gives back what the backend holds, so that the process can exit. */
  stop(): Promise<void> | void;
}

export interface StartOptions {
  /** Lets `cuda` compute in TF32, where the card has it. */
  readonly tf32: boolean;
  /** Imports an optional package. */
  readonly importPackage: ImportPackage;
  readonly packageVersion: PackageVersion;
  readonly nvidiaGPUs: NvidiaGPUs;
}

/** @throws Pth2tfjsError `usage` for a name of none */
export function checkBackends(names: readonly string[]): readonly BackendName[] {
  const unknown = names.find((name) => !Object.hasOwn(BACKENDS, name));
  if (unknown === undefined) return names as readonly BackendName[];
  const known = BACKEND_NAMES.join(', ');
  throw new Pth2tfjsError(
    'usage',
    `${option('backends')}: there is no backend '${unknown}'; there are ${known}`,
  );
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
  /** Let `cuda` compute in TF32; default off. */
  readonly tf32?: boolean | undefined;
  /** Default: `import(name)`, from where this package lies. */
  readonly importPackage?: ImportPackage | undefined;
  /** For the report; default: unknown, since a library cannot read files. */
  readonly packageVersion?: PackageVersion | undefined;
  /** For the report; default: unknown. TensorFlow does not tell what card it computes on. */
  readonly nvidiaGPUs?: NvidiaGPUs | undefined;
}

/** A backend that is TensorFlow.js's current one, for the whole program, until it is stopped. */
export interface ReadyBackend {
  readonly info: BackendInfo;
  stop(): Promise<void>;
}

/** Hidden from bundlers, which would otherwise want every optional package. */
const importOptional: ImportPackage = (name) =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/**
 * Makes a backend the current one of TensorFlow.js, for the whole program.
 * @throws Pth2tfjsError `backend` when it is absent, with the command that installs it, or does not
 *   start. It never falls back on another one.
 */
export async function prepareBackend(
  name: BackendName,
  options: BackendOptions = {},
): Promise<ReadyBackend> {
  const unknown = async () => null;
  const {
    tf32 = false,
    importPackage = importOptional,
    packageVersion = unknown,
    nvidiaGPUs = unknown,
  } = options;
  const adapter: BackendAdapter = BACKENDS[name];
  try {
    const { info, stop } = await adapter.start({
      tf32,
      importPackage,
      packageVersion,
      nvidiaGPUs,
    });
    return { info: { name, ...info }, stop: async () => stop() };
  } catch (error) {
    throw startError(name, adapter.packages, error);
  }
}

function startError(name: BackendName, packages: readonly string[], error: unknown): Pth2tfjsError {
  const missing = packages.find((each) => isMissing(error, each));
  const [message, hint] =
    missing === undefined
      ? [`cannot be used: ${error instanceof Error ? error.message : String(error)}`, undefined]
      : [
          `needs the package ${missing}, which is not installed`,
          `npm install ${packages.join(' ')}`,
        ];
  return new Pth2tfjsError('backend', `the backend ${name} ${message}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Whether an import failed because this very package is absent, and not something inside it. */
function isMissing(error: unknown, spec: string): boolean {
  const name = spec.replace(/(?<=.)@.*$/, '');
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return /MODULE_NOT_FOUND$/.test(String(code)) && String(message).includes(`'${name}'`);
}

import { Pth2tfjsError } from '../base/errors.js';
import { option } from '../base/option.js';
import type { AnyModel } from '../stored-model/stored-onnx.js';
import {
  type BackendAdapter,
  type BackendInfo,
  type BackendName,
  type BackendOptions,
  backendsFor,
  formatsOf,
  type ImportPackage,
} from './backend.js';
import type { LoadedModel } from './loaded-model.js';

/** A backend that runs models; one of TensorFlow.js is the current one, for the whole program, until it is stopped. */
export interface ReadyBackend {
  readonly info: BackendInfo;
  /** @throws Pth2tfjsError `backend` for a format that it does not run; `model` for a model that it does not take */
  load(model: AnyModel): Promise<LoadedModel>;
  stop(): Promise<void>;
}

/** Hidden from bundlers, which would otherwise want every optional package. */
const importOptional: ImportPackage = (name) =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ name);

/**
 * Starts a backend. One of TensorFlow.js becomes the current one, for the whole program.
 * @throws Pth2tfjsError `backend` when it is absent, with the command that installs it, or does not
 *   start. It never falls back on another one.
 */
export async function startBackend(
  name: BackendName,
  adapter: BackendAdapter,
  options: BackendOptions = {},
): Promise<ReadyBackend> {
  const unknown = async () => null;
  const {
    tf32 = false,
    onnxruntime,
    importPackage = importOptional,
    packageVersion = unknown,
    nvidiaGPUs = unknown,
  } = options;
  try {
    const { info, load, stop } = await adapter.start({
      tf32,
      onnxruntime,
      importPackage,
      packageVersion,
      nvidiaGPUs,
    });
    return {
      info: { name, ...info },
      load: async (model) => {
        checkRuns(name, model);
        return load(model);
      },
      stop: async () => stop(),
    };
  } catch (error) {
    throw startError(name, adapter.packages, error);
  }
}

/**
 * Refuses a backend that does not run a model of this format.
 * @throws Pth2tfjsError `backend` naming those that do, and the format that this one runs
 */
export function checkRuns(name: BackendName, { format }: Pick<AnyModel, 'format'>): void {
  const formats = formatsOf(name);
  if (formats.includes(format)) return;
  const [what, other] =
    format === 'onnx' ? ['ONNX models', 'layers'] : [`${format} models`, 'onnx'];
  throw new Pth2tfjsError('backend', `the backend ${name} does not run ${what}`, {
    hint: `choose ${option('backends', backendsFor(format).join(' or '))}, or convert the checkpoint with ${option('format', other)}`,
  });
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

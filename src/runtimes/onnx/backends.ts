import { encodeModel } from '../../targets/onnx/encode.js';
import { describeAdapter, findAdapter } from '../adapter.js';
import type {
  BackendAdapter,
  BackendInfo,
  ImportPackage,
  OnnxBackend,
  StartedBackend,
  StartOptions,
} from '../backend.js';
import { forbidTF32, isNode, isTF32Forbidden } from '../node-host.js';
import { loadOnnx } from './load.js';
import type { OnnxRuntime } from './runtime.js';

/**
 * ONNX Runtime, each backend one of its execution providers. None falls back on the processor: a graph of which its
 * provider does not take every node is refused.
 */

/** The processor: native in Node, WebAssembly in browsers. */
const ONNX: BackendAdapter = {
  packages: [packageName()],
  start: async (options) => {
    const runtime = await importRuntime(options);
    const provider = isWeb(runtime) ? 'wasm' : 'cpu';
    return started(runtime, provider, options, {
      device: isWeb(runtime) ? `WebAssembly, ${PROVIDERS.wasm}` : PROVIDERS.cpu,
      driver: null,
      hardware: 'cpu',
      precision: 'float32',
    });
  },
};

/** Any GPU with Vulkan, Metal or Direct3D 12. */
const ONNX_WEBGPU: BackendAdapter = {
  packages: [packageName()],
  start: async (options) => {
    const runtime = await importRuntime(options);
    const adapter = await findAdapter(options.importPackage);
    const { device, ...known } = describeAdapter(adapter);
    return started(runtime, 'webgpu', options, {
      ...known,
      device: `${device}, ${PROVIDERS.webgpu}`,
      precision: 'float32',
    });
  },
};

/** An NVIDIA GPU. */
const ONNX_CUDA: BackendAdapter = {
  packages: [packageName()],
  start: async (options) => {
    // NVIDIA's libraries are loaded with the provider, not with the package.
    if (!options.tf32) forbidTF32(!cudaLoaded);
    const runtime = await importRuntime(options);
    const found = await options.nvidiaGPUs();
    const name = found?.names[0] ?? 'CUDA device';
    const forbidden = isTF32Forbidden();
    const backend = await started(runtime, 'cuda', options, {
      device: `${name}, TF32 ${forbidden ? 'off' : 'allowed'}, ${PROVIDERS.cuda}`,
      driver: found?.driver ?? null,
      hardware: 'gpu',
      precision: forbidden ? 'float32' : 'tf32',
    });
    cudaLoaded = true;
    return backend;
  },
};

export const ONNX_ADAPTERS: Readonly<Record<OnnxBackend, BackendAdapter>> = {
  onnx: ONNX,
  'onnx-webgpu': ONNX_WEBGPU,
  'onnx-cuda': ONNX_CUDA,
};

/** Whether this process holds NVIDIA's libraries, which read their environment once. */
let cudaLoaded = false;

/** What ONNX Runtime calls them in its reports. */
const PROVIDERS = {
  cpu: 'CPUExecutionProvider',
  wasm: 'CPUExecutionProvider',
  webgpu: 'WebGpuExecutionProvider',
  cuda: 'CUDAExecutionProvider',
} as const;

type Provider = keyof typeof PROVIDERS;

function packageName(): string {
  return isNode() ? 'onnxruntime-node' : 'onnxruntime-web';
}

const isWeb = ({ env }: OnnxRuntime) => env.versions.web !== undefined;

async function importRuntime({
  onnxruntime,
  importPackage,
}: Pick<StartOptions, 'onnxruntime'> & {
  readonly importPackage: ImportPackage;
}): Promise<OnnxRuntime> {
  const found = onnxruntime ?? (await importPackage(packageName()));
  const { default: inner } = found as { readonly default?: OnnxRuntime };
  const runtime = inner ?? (found as OnnxRuntime);
  // What goes wrong is thrown as well; on stderr it would stand beside a one-line error.
  runtime.env.logLevel = 'fatal';
  return runtime;
}

async function started(
  runtime: OnnxRuntime,
  provider: Provider,
  { packageVersion }: StartOptions,
  info: Omit<BackendInfo, 'name' | 'versions'>,
): Promise<StartedBackend> {
  const create = (model: Uint8Array) => createSession(runtime, provider, model);
  const session = await create(probe()).catch((error) => {
    throw new Error(HINTS[provider] ?? `it does not start (${reasonOf(error)})`, { cause: error });
  });
  await session.release();
  const name = isWeb(runtime) ? 'onnxruntime-web' : 'onnxruntime-node';
  const { web, node } = runtime.env.versions;
  const version = web ?? node ?? (await packageVersion(name));
  return {
    info: { ...info, versions: version === null ? {} : { [name]: version } },
    load: async (model) => {
      if (model.format === 'onnx') return loadOnnx(model, runtime, create);
      throw new Error(`a ${model.format} model reached ONNX Runtime`);
    },
    stop: () => undefined,
  };
}

const HINTS: Partial<Record<Provider, string>> = {
  cuda: "ONNX Runtime's CUDA provider does not load; it needs an NVIDIA GPU with its driver, CUDA 12, cuDNN 9, and on Linux x64 the libraries that npm install onnxruntime-node downloads",
  webgpu:
    'ONNX Runtime finds no GPU; install the driver of yours (on Linux its Vulkan driver, and libvulkan1)',
};

async function createSession(runtime: OnnxRuntime, provider: Provider, model: Uint8Array) {
  const strict = PROVIDERS[provider] !== PROVIDERS.cpu;
  try {
    return await runtime.InferenceSession.create(model, {
      executionProviders: [provider],
      logSeverityLevel: 4,
      ...(strict ? { extra: { session: { disable_cpu_ep_fallback: '1' } } } : {}),
    });
  } catch (error) {
    if (!/fallback to CPU EP has been explicitly disabled/.test(reasonOf(error))) throw error;
    throw new Error(
      `${PROVIDERS[provider]} takes only some of its nodes, and the rest would run on the processor; run it on the backend onnx`,
    );
  }
}

const reasonOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** The smallest graph: what starts with it is there. */
const probe = () =>
  encodeModel({
    graph: {
      nodes: [{ op: 'Relu', name: 'relu', inputs: ['x'], output: 'y', attributes: {} }],
      input: { name: 'x', type: 'float32', shape: [1] },
      output: { name: 'y', type: 'float32', shape: [1] },
    },
    name: 'probe',
    tensors: [],
    producer: { name: 'pth2tfjs', version: '' },
    metadata: {},
  });

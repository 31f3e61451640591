import { Pth2tfjsError } from '../../base/errors.js';
import { VERSION } from '../../base/version.js';
import type { Value } from '../../network/value.js';
import { toNCHW, toNHWC } from '../../numbers/layout.js';
import { readStoredNetwork } from '../../stored-model/stored-network.js';
import type { AnyModel } from '../../stored-model/stored-onnx.js';
import type { BackendAdapter } from '../backend.js';
import type { LoadedModel } from '../loaded-model.js';
import { interpret, type ValueVisitor } from './interpret.js';
import type { Floats } from './multiply.js';
import { parametersOf } from './parameters.js';

/**
 * The network's graph in plain TypeScript, in float64, with the weights as they are stored: what other backends
 * would give if nothing was rounded.
 */
export const FLOAT64: BackendAdapter = {
  packages: [],
  start: async () => ({
    info: {
      device: 'plain TypeScript, 1 thread',
      driver: null,
      hardware: 'cpu',
      precision: 'float64',
      versions: { pth2tfjs: VERSION },
    },
    load: async (model) => loadReference(model),
    stop: () => undefined,
  }),
};

/** @throws Pth2tfjsError `model` for one whose layers or nodes are not those that `convert` writes */
function loadReference(stored: AnyModel): LoadedModel {
  const network = readStoredNetwork(stored);
  if (network === null) {
    throw new Pth2tfjsError(
      'model',
      'the backend float64 runs models as convert writes them, and this one is not',
      { hint: 'choose another backend, or convert the checkpoint again' },
    );
  }
  const { graph, read, folded } = network;
  const parameters = parametersOf(read, 'float64', folded);
  const [, side = 0] = graph.input.shape;
  const [logits] = graph.outputs as readonly [Value];
  const [numClasses = 0] = logits.shape;
  const pixels = 3 * side ** 2;
  const layers = graph.values.filter(({ op }) => op.type !== 'input');

  /** Runs the images one after the other. */
  function run(batch: Float32Array, visit?: (image: number) => ValueVisitor): Float32Array {
    const images = batch.length / pixels;
    const nchw = toNCHW(batch, [images, side, side, 3]);
    const all = new Float32Array(images * numClasses);
    for (let image = 0; image < images; image++) {
      const input = nchw.subarray(image * pixels, (image + 1) * pixels);
      const numbers = interpret(graph, parameters, input, 'float64', visit?.(image));
      all.set(numbers, image * numClasses);
    }
    return all;
  }

  return {
    provenance: stored.provenance,
    inputShape: [null, side, side, 3],
    numClasses,
    // Pixels are normalised before the graph, as the network itself wants them.
    input: 'normalized',
    layers: layers.map(({ path }) => path),
    predict: async (batch) => run(batch),
    trace: async (batch, visit) => {
      const images = batch.length / pixels;
      const seen = new Map<string, Float32Array>();
      const all = run(batch, (image) => ({ path }, numbers) => {
        keep(seen, path, numbers, image, images);
      });
      for (const { path, shape } of layers) {
        const values = seen.get(path) as Float32Array;
        const [channels = 0, ...sides] = shape;
        const nchw = [images, channels, ...sides];
        const replaced = await visit(path, [images, ...sides, channels], async () =>
          toNHWC(values, nchw),
        );
        if (replaced !== undefined) throw frozen();
      }
      return all;
    },
    setWeights: () => {
      throw frozen();
    },
    dispose: () => undefined,
  };
}

function keep(
  seen: Map<string, Float32Array>,
  path: string,
  numbers: Floats,
  image: number,
  images: number,
): void {
  const all = seen.get(path) ?? new Float32Array(images * numbers.length);
  all.set(numbers, image * numbers.length);
  seen.set(path, all);
}

function frozen(): Pth2tfjsError {
  return new Pth2tfjsError('unsupported', 'the backend float64 runs a model as it is stored');
}

import { toFloat32 } from '../../dist/src/checkpoint/float32.js';
import { readCheckpoint } from '../../dist/src/checkpoint/index.js';
import { selectStateDict } from '../../dist/src/checkpoint/state-dict.js';
import { BATCH_NORM_EPS } from '../../dist/src/googlenet/architecture.js';
import { NETWORK_KEYS } from '../../dist/src/googlenet/mapping.js';
import { computeWeights, WITHOUT_BATCH_NORM } from '../../dist/src/googlenet/weights.js';
import { closeModel, openModel } from '../../dist/src/tfjs/editable-model.js';

/**
 * The converted model as it would be without folding: each convolution followed by the BatchNormalization
 * that the checkpoint has for it, and by ReLU.
 */
export async function unfuse(files, checkpoint) {
  const { value } = await readCheckpoint(checkpoint);
  const { stateDict } = selectStateDict(value, { networkKeys: NETWORK_KEYS });
  const model = openModel(files);
  const specs = [...model.weights].map(([name, { shape }]) => ({ name, shape }));
  const { data } = computeWeights(stateDict, specs, 3, WITHOUT_BATCH_NORM);
  const weights = new Map();
  let at = 0;
  for (const { name, shape } of specs) {
    const end = at + shape.reduce((product, size) => product * size, 1);
    weights.set(name, { shape, data: data.subarray(at, end) });
    at = end;
  }
  const layers = model.layers.flatMap((layer) => {
    if (layer.class_name !== 'Conv2D') return [layer];
    moveWeights(weights, layer.name, stateDict);
    return split(layer);
  });
  return closeModel({ ...model, layers, weights });
}

/** The last of the three keeps the name, by which the next layer knows it. */
function split({ name, config, inbound_nodes }) {
  const layer = (class_name, suffix, own, from) => ({
    class_name,
    name: name + suffix,
    config: { ...own, name: name + suffix, trainable: true },
    inbound_nodes: from,
  });
  const linear = { ...config, activation: 'linear', use_bias: false };
  const norm = { axis: -1, epsilon: BATCH_NORM_EPS, momentum: 0.9, center: true, scale: true };
  const after = (suffix) => [[[name + suffix, 0, 0, {}]]];
  return [
    layer('Conv2D', '.conv', linear, inbound_nodes),
    layer('BatchNormalization', '.bn', norm, after('.conv')),
    layer('Activation', '', { activation: 'relu' }, after('.bn')),
  ];
}

const BATCH_NORM = {
  gamma: 'weight',
  beta: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
};

function moveWeights(weights, name, stateDict) {
  weights.set(`${name}.conv/kernel`, weights.get(`${name}/kernel`));
  weights.delete(`${name}/kernel`);
  weights.delete(`${name}/bias`);
  for (const [ours, torchs] of Object.entries(BATCH_NORM)) {
    const data = toFloat32(stateDict.get(`${name}.bn.${torchs}`));
    weights.set(`${name}.bn/${ours}`, { shape: [data.length], data });
  }
}

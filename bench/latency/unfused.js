import { readCheckpoint } from '../../dist/src/checkpoint/read-checkpoint.js';
import { selectStateDict } from '../../dist/src/checkpoint/state-dict/find-state-dict.js';
import { trainingGraph } from '../../dist/src/describe-model.js';
import { prune } from '../../dist/src/network/fold.js';
import { fillTensors } from '../../dist/src/network/plan.js';
import { NETWORK_KEYS } from '../../dist/src/networks/match.js';
import { toArtifacts } from '../../dist/src/stored-model/artifacts.js';
import { openModel } from '../../dist/src/stored-model/editable-model.js';
import { openStoredModel } from '../../dist/src/stored-model/open.js';
import { readOptions } from '../../dist/src/stored-model/read-options.js';
import { describeKeras } from '../../dist/src/targets/keras/lower.js';

/**
 * The converted model as it would be without folding: each convolution followed by the BatchNormalization
 * that the checkpoint has for it, and by ReLU.
 */
export async function unfuse(files, checkpoint) {
  const { value } = await readCheckpoint(checkpoint);
  const { stateDict } = selectStateDict(value, { networkKeys: NETWORK_KEYS });
  const stored = openStoredModel(files);
  const options = readOptions(openModel(stored), true);
  const { topology, tensors } = describeKeras(prune(trainingGraph(options)), 'unfused');
  const { data } = fillTensors(tensors, stateDict);
  const { provenance } = stored;
  return toArtifacts({ format: 'layers-model', topology, weights: tensors, data, provenance });
}

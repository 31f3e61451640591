import type { LoadedModel } from '../../runtimes/loaded-model.js';
import { loadStored } from '../../runtimes/tfjs/load.js';
import type { Graph } from '../../stored-model/layers-of-graph.js';
import type { StoredModel } from '../../stored-model/stored-model.js';
import { imageNHWC } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { NAME } from '../structure.js';
import type { BackendResult } from '../verification.js';
import { asItIs } from './backend.js';
import { CONVERT_AGAIN, type Lineup, type Suspect } from './suspect.js';

/**
 * A graph as it is, on another backend (for ONNX, its layers in TensorFlow.js); and the layers that stand for it from here on, which only do
 * otherwise where its nodes are not the network's.
 */
export function asGraph(failing: BackendResult, graph: Graph): Lineup {
  return function* (lab) {
    const { model, odd } = graph;
    for (const suspect of asItIs(failing)(lab)) {
      if (model !== null) yield onWasm(suspect, model);
      else if (odd.length === 0) yield suspect;
    }
    const names = odd.length > 3 ? [...odd.slice(0, 3), 'others'] : odd;
    const which = names.length === 0 ? '' : `: ${names.join(', ')}`;
    yield {
      id: 'topology',
      description: `${NAME}'s own layers with the graph's weights`,
      summary: `the graph does otherwise than ${NAME}'s layers${which}`,
      cure: CONVERT_AGAIN,
      ...(odd.length === 1 ? { where: odd[0] as string } : {}),
      variation: {},
    };
  };
}

function onWasm({ variation: _, ...suspect }: Suspect, stored: StoredModel): Suspect {
  return {
    ...suspect,
    measure: async (lab) => {
      const model = await loadStored(stored);
      try {
        return { error: await worstError(lab, model) };
      } finally {
        model.dispose();
      }
    },
  };
}

async function worstError(lab: Laboratory, model: LoadedModel): Promise<number> {
  let worst = 0;
  for (let image = 0; image < lab.golden.shape[0] && worst <= lab.goal; image++) {
    const logits = await model.predict(imageNHWC(lab.golden, image));
    worst = Math.max(worst, lab.rowError(image, logits));
  }
  return worst;
}

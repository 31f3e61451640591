import type { StoredModel } from '../../stored-model/stored-model.js';
import { Laboratory } from '../laboratory.js';
import type { OtherWeights } from '../read-weights.js';
import type { Lineup } from './suspect.js';

/** The golden file's logits are those of the checkpoint that was passed, and the model is another's. */
export function otherCheckpoint(other: OtherWeights | null, model: StoredModel): Lineup {
  return function* (lab) {
    if (other === null) return;
    const { weights, passed, made } = other;
    yield {
      id: 'other-checkpoint',
      description: 'the weights of the checkpoint that was passed',
      summary: `the model was made of another checkpoint (SHA-256 ${short(made)}) than the one passed (${short(passed)}), whose logits the golden file holds`,
      cure: 'Convert the checkpoint that was passed, or make the golden file from the one that the model was made of.',
      measure: async ({ golden, goal }) => {
        const theirs = new Laboratory(model, golden, goal, null, weights).fromCheckpoint();
        return theirs === null
          ? { error: NaN, convicted: false }
          : { error: await lab.error({ model: theirs }) };
      },
    };
  };
}

const short = (digest: string) => `${digest.slice(0, 12)}…`;

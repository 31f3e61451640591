import { toNHWC } from '../../numbers/layout.js';
import type { LayerVisitor } from '../../runtimes/tfjs/load.js';
import type { Activation } from '../golden.js';
import type { Laboratory } from '../laboratory.js';
import { FIRST } from '../structure.js';
import { CONVERT_AGAIN, type Finding, type Lineup } from './suspect.js';

/**
 * The first layer that differs, with PyTorch's output put in its place: if all is well from there
 * on, that layer's own weights are the matter.
 */
export const oneLayer: Lineup = function* ({ golden, layers, model, checkpoint }) {
  const layer = layers?.firstJump ?? '';
  const recorded = golden.activations.get(layer);
  if (recorded === undefined || !model.weights.has(`${layer}/kernel`)) return;
  const proved = checkpoint !== null;
  yield {
    id: 'corrupt-tensor',
    where: layer,
    description: `PyTorch's output in place of ${layer}`,
    summary: `a tensor of ${layer} is corrupted`,
    cure: proved
      ? 'The model has what the checkpoint has: look at what PyTorch loaded, or at its code.'
      : CONVERT_AGAIN,
    measure: (lab) => spliced(lab, layer, recorded, proved),
  };
};

/** @param proved whether the model's own weights are known to be right */
async function spliced(
  lab: Laboratory,
  layer: string,
  recorded: Activation,
  proved: boolean,
): Promise<Finding> {
  const right = toNHWC(recorded.data, recorded.shape);
  const length = right.length / lab.golden.shape[0];
  const channels = recorded.shape[1] as number;
  const changes = new ChannelChanges(channels);
  const visit: LayerVisitor = async (name, [image = 0], read) => {
    if (name !== layer) return undefined;
    const replacement = right.slice(image * length, (image + 1) * length);
    changes.add(await read(), replacement);
    return replacement;
  };
  const error = await lab.error({ visit });
  const where = changes.tensorOf(layer);
  const odd = changes.changed();
  // Where all of the first layer differs, it may as well have been given another input.
  if (layer === FIRST && odd.length > channels / 2) return { error, convicted: false };
  const which =
    odd.length > 0 && odd.length < channels ? ` (${channelList(odd)} of ${channels})` : '';
  const what = proved ? "is not in PyTorch's network what it is in the checkpoint" : 'is corrupted';
  return {
    error,
    where,
    summary: `${where} ${what}${which}: everything after ${layer} agrees once its output is PyTorch's`,
  };
}

function channelList(odd: readonly number[]): string {
  const shown = odd.slice(0, 4).join(', ');
  return `output channel${odd.length === 1 ? '' : 's'} ${shown}${odd.length > 4 ? ` and ${odd.length - 4} more` : ''}`;
}

/**
 * How much each output channel changed where ReLU clipped neither side: a wrong bias changes all of
 * a channel by one number, a wrong kernel does not.
 */
class ChannelChanges {
  private readonly low: Float64Array;
  private readonly high: Float64Array;
  private readonly counts: Uint32Array;
  private largest = 0;

  constructor(private readonly channels: number) {
    this.low = new Float64Array(channels).fill(Infinity);
    this.high = new Float64Array(channels).fill(-Infinity);
    this.counts = new Uint32Array(channels);
  }

  add(actual: Float32Array, expected: Float32Array): void {
    for (const [i, found] of actual.entries()) {
      const wanted = expected[i] as number;
      const change = found - wanted;
      this.largest = Math.max(this.largest, Math.abs(change));
      if (found === 0 || wanted === 0) continue;
      const c = i % this.channels;
      this.counts[c] = (this.counts[c] as number) + 1;
      this.low[c] = Math.min(this.low[c] as number, change);
      this.high[c] = Math.max(this.high[c] as number, change);
    }
  }

  /** Channels that changed by more than rounding. */
  changed(): number[] {
    const noise = 1e-3 * this.largest;
    return Array.from(this.low.keys()).filter((c) => {
      const [low, high] = [this.low[c] as number, this.high[c] as number];
      return low <= high && Math.max(Math.abs(low), Math.abs(high)) > noise;
    });
  }

  /** The layer's tensor that brings such changes about; the layer where one value a channel is all. */
  tensorOf(layer: string): string {
    const odd = this.changed();
    if (!odd.some((c) => (this.counts[c] as number) > 1)) return layer;
    const constant = odd.every((c) => {
      const [low, high] = [this.low[c] as number, this.high[c] as number];
      return high - low <= 2e-2 * Math.max(Math.abs(low), Math.abs(high));
    });
    return `${layer}/${constant ? 'bias' : 'kernel'}`;
  }
}

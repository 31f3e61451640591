import type { StateDict } from '../checkpoint/tensor/tensor.js';
import { type Fit, fitStateDict, networkKeys, type Origin } from '../network/fit.js';
import { NETWORK, type Variant } from './index.js';
import { nameOtherNetwork } from './others.js';

/** How a state dict fits the network. */
export type Match = Fit & Variant;

/** The keys that every state dict of the network has, whichever its branch3 and its heads. */
export const NETWORK_KEYS = networkKeys(NETWORK);

/**
 * Fits a state dict to GoogLeNet, strictly both ways.
 * @param origin where the dict was found, and what else was in it
 * @throws MappingError with the three lists, or Pth2tfjsError `mapping`; nothing has been read from the
 *   tensors by then.
 */
export function matchStateDict(stateDict: StateDict, origin: Origin = {}): Match {
  return fitStateDict(NETWORK, nameOtherNetwork, stateDict, origin);
}

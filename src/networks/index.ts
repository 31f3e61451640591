/** The networks that can be converted. */
export {
  type Branch3Kernel,
  GOOGLENET as NETWORK,
  type GoogLeNetVariant as Variant,
} from './googlenet.js';

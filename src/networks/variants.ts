/**
 * What a network may be made as, besides its classes, by the network's id. Apart from the networks themselves, so
 * that a page which only runs a converted model need not load them.
 */
export const VARIANTS = {
  /** The kernel of branch3: torchvision's, or the paper's. */
  googlenet: { branch3Kernel: [3, 5] },
} as const;

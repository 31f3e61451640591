/**
 * The official weights, `googlenet-1378be20.pth`: torch hub puts the start of the SHA-256 into the
 * file name, and publishes no more of it; the size makes a chance match impossible in practice.
 * Source: GoogLeNet_Weights in torchvision/models/googlenet.py.
 */
const SHA256_PREFIX = '1378be20';
const BYTES = 52_147_035;

/** Whether a checkpoint is torchvision's own, which needs `transform_input`. */
export function isOfficial(sha256: string | undefined, byteLength: number): boolean {
  return byteLength === BYTES && sha256 !== undefined && sha256.startsWith(SHA256_PREFIX);
}

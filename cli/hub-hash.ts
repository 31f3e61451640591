/**
 * The SHA-256 prefix that torch.hub's naming convention puts into a file name:
 * `1378be20` for `googlenet-1378be20.pth` and also for `googlenet-1378be20.pth.gz`.
 * Fewer than eight digits prove too little and count as none. A safetensors file that keeps the name
 * of what it was made of has other bytes.
 */
export function hubHash(name: string): string | undefined {
  return /-([a-f0-9]{8,64})\.(?!safetensors)/.exec(name)?.[1];
}

/**
 * True for a {@link hubHash} of decimal digits only, as in `model-20240115.pth`. One real hash
 * prefix in forty looks like that too, so a mismatch deserves a warning but no error.
 */
export function looksLikeDate(hash: string): boolean {
  return /^[0-9]+$/.test(hash);
}

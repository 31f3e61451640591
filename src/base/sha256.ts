import { toHex } from './bytes.js';

/** Computes SHA-256 as lowercase hex; undefined where the platform cannot. */
export type Sha256 = (bytes: Uint8Array) => Promise<string | undefined>;

/** SHA-256 as lowercase hex; undefined where Web Crypto is absent, as on insecure web pages. */
export const sha256: Sha256 = async (bytes) => {
  const subtle = globalThis.crypto?.subtle;
  if (subtle === undefined) return undefined;
  const digest = await subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return toHex(new Uint8Array(digest));
};

import * as zlib from 'node:zlib';
import type { Crc32 } from '../src/checkpoint/container/crc32.js';

/** Node's native CRC-32, ten times as fast as the portable one; absent before Node 20.15. */
const native = (zlib as { crc32?: Crc32 }).crc32;

/** Read options that use it where it exists. */
export const CRC32_OPTION: { readonly crc32?: Crc32 } =
  native === undefined ? {} : { crc32: native };

/** Which tests `npm test` leaves to `npm run test:all`: those with this among their options. */
import { inject } from 'vitest';

/** It takes long, or costs a person more than it tells while working; others prove the capability. */
export const SLOW = { tags: ['slow'] };

/** It takes long on a GPU in software. */
export const SLOW_ON_GPU = inject('backend') === 'wasm' ? {} : SLOW;

/** It takes long, or is shown in Node already; there the quick tier has it. */
export const SLOW_IN_BROWSERS = typeof document === 'undefined' ? {} : SLOW;

/** Of several alike, the quick tier has these. */
export const slowUnless = (quick: boolean) => (quick ? {} : SLOW);

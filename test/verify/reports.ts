/** Verifications of all kinds, to be reported. */
import type { Verification } from '../../src/verify/verification.js';
import {
  CAUSE,
  HOSTILE,
  layerReport,
  NO_CAUSE,
  noise,
  verification,
} from '../helpers/report-fixtures.js';

/** ‖(2, 4, 4, 8)‖ = 10, and only image 1 is off: by 1 in its last logit, so ‖Δ‖/‖ref‖ = 0.1. */
const OFF_BY_ONE = {
  images: 3,
  numClasses: 4,
  logits: [2, 4, 4, 8, 2, 4, 4, 8, 2, 4, 4, 8],
  errors: {
    wasm: (image: number, index: number) => (image === 1 && index === 3 ? -1 : 0),
    webgpu: () => 0,
  },
} as const;

const LAYERS = layerReport(
  { conv1: 1e-7, maxpool1: 1e-6, 'inception3a.branch1': 1e-1, inception3a: 1, fc: NaN },
  'inception3a.branch1',
  ['conv1.bn'],
);

export const FAILING = verification({ ...OFF_BY_ONE, diagnosis: CAUSE, layers: { wasm: LAYERS } });
export const PUZZLING = verification({
  ...OFF_BY_ONE,
  diagnosis: NO_CAUSE,
  layers: { wasm: LAYERS },
});
export const BROKEN = verification({ errors: { wasm: () => NaN } });
export const HOSTILE_NAMES = verification({
  name: HOSTILE,
  errors: { wasm: noise(1) },
  layers: {
    wasm: layerReport({ [HOSTILE]: 1e-6, [`${HOSTILE}2`]: NaN }, `${HOSTILE}2`, [HOSTILE]),
  },
  diagnosis: {
    cause: null,
    attempts: [{ id: 'x', description: HOSTILE, error: 1 }],
    hints: [HOSTILE],
  },
});
export const LARGE = verification({
  images: 1000,
  numClasses: 1000,
  errors: {
    wasm: noise(1e-5),
    webgpu: noise(1e-2),
    cuda: noise(1e-3),
    tensorflow: noise(1e-5),
    cpu: noise(1e-5),
  },
});

export const ALL: readonly (readonly [string, Verification])[] = [
  ['passing', verification({ layers: { wasm: layerReport({ conv1: 0, fc: 1e-7 }) } })],
  ['failing, the cause known', FAILING],
  ['failing, the cause unknown', PUZZLING],
  ['no numbers at all', BROKEN],
  ['hostile names', HOSTILE_NAMES],
  ['no layer in common', verification({ layers: { wasm: layerReport({}, null, ['x']) } })],
  ['large', LARGE],
];

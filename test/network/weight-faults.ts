/** Damages the weights of the bundled checkpoint. */
import { crc32 } from 'node:zlib';
import { saveStateDict, toFloat32 } from '../../src/checkpoint/index.js';
import { denseTensor } from '../../src/checkpoint/tensor/dense-tensor.js';
import { bundledStateDict } from '../helpers/bundled.js';

export type Edit = (values: Float32Array, key: string) => void;

/** The bundled checkpoint with some tensors edited; without auxiliary heads, half of it, unless they are meant. */
export async function damaged(keys: RegExp, edit: Edit): Promise<Uint8Array> {
  const heads = keys.source.includes('aux');
  const kept = [...(await bundledStateDict())].filter(([key]) => heads || !key.startsWith('aux'));
  const stateDict = kept.map(([key, tensor]) => {
    if (!keys.test(key) || key.endsWith('num_batches_tracked')) return [key, tensor] as const;
    const values = toFloat32(tensor).slice();
    edit(values, key);
    return [key, denseTensor('float32', tensor.shape, values)] as const;
  });
  return saveStateDict(new Map(stateDict), { crc32 });
}

export const put =
  (index: number, value: number): Edit =>
  (values) => {
    values[index] = value;
  };
export const zero: Edit = (values) => values.fill(0);

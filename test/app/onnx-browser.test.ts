/** ONNX models in a browser: onnxruntime-web beside TensorFlow.js. */
import { describe, expect, inject, test } from 'vitest';
import { type LoadOptions, loadGoogLeNet } from '../../src/index.js';
import { registerBackends, urlOf } from '../helpers/app.js';
import { SLOW_ON_GPU } from '../helpers/tiers.js';

type OnnxRuntime = NonNullable<LoadOptions['onnxruntime']> & {
  readonly env: { readonly wasm: { numThreads: number } };
};

const backend = inject('backend');
const webgpu = backend === 'webgpu';
const DIST = 'test/onnxruntime/node_modules/onnxruntime-web/dist/';
const script = new URL(`/${DIST}ort.${webgpu ? 'webgpu' : 'wasm'}.min.mjs`, location.href).href;
const installed = (await fetch(script)).headers.get('content-type')?.includes('javascript');
if (!installed) {
  console.warn('SKIPPED: ONNX models in browsers, npm ci --prefix test/onnxruntime installs them');
}

describe.skipIf(!installed)('onnxruntime-web', () => {
  test("gives TensorFlow.js's answers", SLOW_ON_GPU, async () => {
    await registerBackends();
    const onnxruntime: OnnxRuntime = await import(/* @vite-ignore */ script);
    // A page needs special headers for more.
    onnxruntime.env.wasm.numThreads = 1;
    const onnxBackend = webgpu ? 'onnx-webgpu' : 'onnx';
    const [onnx, tfjs] = [
      await loadGoogLeNet(urlOf('onnx/model.onnx'), { onnxruntime, onnxBackend }),
      await loadGoogLeNet(urlOf('layers/model.json')),
    ];
    const data = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => (i * 7919) % 251);
    const image = { data, width: 64, height: 64 };
    const [actual, right] = [await onnx.logits(image), await tfjs.logits(image)];
    expect(actual.shape).toEqual(right.shape);
    let [difference, norm] = [0, 0];
    for (const [i, value] of right.data.entries()) {
      difference += (value - (actual.data[i] as number)) ** 2;
      norm += value ** 2;
    }
    // Two float32 runs in different orders; on this network they differ by up to 2e-5.
    expect(Math.sqrt(difference / norm)).toBeLessThan(5e-5);
    expect((await onnx.embed(image)).shape).toEqual([1, 1024]);
    expect(onnx.provenance?.format).toBe('onnx');
    for (const model of [onnx, tfjs]) model.dispose();
  });

  test('must be passed in', async () => {
    await expect(loadGoogLeNet(urlOf('onnx/model.onnx'))).rejects.toMatchObject({
      code: 'backend',
      message: expect.stringMatching(/onnxruntime-web/),
    });
  });
});

/** golden/capture.py as it is used otherwise, and what it refuses. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../helpers/digest.js';
import { type PythonRun, runPython, startPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';
import { at, CAPTURES, capture, folder, make, provenanceOf, python, tensorsOf } from './capture.js';

/** A failure as users should meet it: one line, exit code 2, and nothing written. */
function expectRefusal(run: PythonRun, text: RegExp): void {
  expect(run.stderr).toMatch(text);
  expect(run.stderr).toMatch(/^capture\.py: error: .*\n$/);
  expect(run).toMatchObject({ status: 2, stdout: '' });
  expect(readdirSync(folder).filter((name) => /refused|\.part$/.test(name))).toEqual([]);
}

describe.skipIf(python === undefined)('capture.py', () => {
  describe('as it is used otherwise', SLOW, () => {
    beforeAll(async () => {
      await make('parallel');
      await make('odd');
    });

    it('takes a batch that is prepared already, and one of two models', async () => {
      const run = await capture(
        at('two.pth'),
        '--input',
        at('parallel.truth.pth'),
        '--key',
        'model',
        '-o',
        at('two.golden.pth'),
      );
      expect(run).toMatchObject({ status: 0, stderr: '' });
      const { input, logits } = await tensorsOf('parallel.truth.pth');
      expect(await tensorsOf('two.golden.pth')).toEqual({ input, logits });
    });

    it('keeps the order of images that it runs in several batches', async () => {
      const golden = at('many.golden.pth');
      const run = await capture(
        at('parallel.pth'),
        '--random',
        '35',
        '--seed',
        '9',
        '--image-size',
        '32',
        '--layers',
        'fc',
        '-o',
        golden,
      );
      expect(run).toMatchObject({ status: 0, stderr: '' });
      const { input, logits, ...rest } = await tensorsOf('many.golden.pth');
      expect(input?.shape).toEqual([35, 3, 32, 32]);
      expect(rest['activations.fc']).toEqual(logits);
      const printed = await runPython(
        python as string,
        CAPTURES,
        '--distance',
        at('parallel.pth'),
        golden,
      );
      // Batches of other sizes may add in another order; a swapped image gives 0.1 and more.
      expect(Number(printed)).toBeLessThan(1e-4);
    });

    it('turns transform_input on for the official weights alone', async () => {
      const bytes = readFileSync(at('parallel.pth'));
      const play = `import sys; sys.path.insert(0, ${JSON.stringify(folder)}); import capture
capture.OFFICIAL_BYTES, capture.OFFICIAL_SHA256 = ${bytes.length}, "${sha256(bytes).slice(0, 8)}"
sys.exit(capture.main(sys.argv[1:]))`;
      const args = ['--random', '1', '--image-size', '32', '-o', at('official.golden.pth')];
      const run = await startPython(python as string, '-c', play, at('parallel.pth'), ...args);
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(/transform_input on \(official weights\)/);
      expect((await provenanceOf('official.golden.pth')).get('transform_input')).toBe(true);
    });

    it('takes transform_input from a whole pickled network', async () => {
      const args = ['--unsafe-load', '--random', '1', '--image-size', '32'];
      const run = await capture(at('whole.pth'), ...args, '-o', at('whole.golden.pth'));
      expect(run).toMatchObject({ status: 0, stderr: '' });
      expect(run.stdout).toMatch(/transform_input on \(as pickled\)/);
      expect((await provenanceOf('whole.golden.pth')).get('transform_input')).toBe(true);
    });

    it('refuses a model in training mode', async () => {
      const play = `import sys; sys.path.insert(0, ${JSON.stringify(folder)}); import capture, torch
model = capture.googlenet(weights=None, aux_logits=False, init_weights=False).eval()
model.inception3a.branch1.bn.train()
try:
    capture.capture(model, torch.zeros(1, 3, 32, 32))
except capture.CaptureError as error:
    print(error)`;
      const { stdout } = await startPython(python as string, '-c', play);
      expect(stdout).toMatch(/in training mode at inception3a\.branch1\.bn/);
    });

    it.each([
      ['no such checkpoint', ['none.pth', '--random', '1'], /none\.pth: No such file/],
      ['no checkpoint', ['wide.jpg', '--random', '1'], /wide\.jpg: torch\.load cannot read it/],
      ['another network', ['foreign.pth', '--random', '1'], /holds no state dict of a GoogLeNet/],
      ['missing keys', ['headless.pth', '--random', '1'], /2 missing \(fc\.weight, fc\.bias\)/],
      [
        'code in the checkpoint',
        ['object.pth', '--random', '1'],
        /more than tensors .*--unsafe-load/,
      ],
      ['two models', ['two.pth', '--random', '1'], /'model', 'ema'; choose one with --key/],
      [
        'an unknown key',
        ['two.pth', '--random', '1', '--key', 'x'],
        /under 'x'; there are: 'model', 'ema'/,
      ],
      [
        'an unreadable image',
        ['parallel.pth', '--images', 'no.png'],
        /no\.png: cannot be read as an image/,
      ],
      ['no such image', ['parallel.pth', '--images', 'none.png'], /none\.png: No such file/],
      [
        'an unknown layer',
        ['parallel.pth', '--random', '1', '--layers', 'conv4'],
        /no layer 'conv4'; is it conv\d/,
      ],
      ['values that are no number', ['nan.pth', '--random', '1', '--layers'], /conv2 holds values/],
      [
        'a pickled network that computes otherwise',
        ['epsilon.pth', '--unsafe-load', '--random', '1'],
        /conv1\.bn has eps=1e-05, where torchvision has 0\.001; call capture\(model, batch\)/,
      ],
      ['no input', ['parallel.pth'], /--images --input --random is required/],
      [
        'an input of another shape',
        ['parallel.pth', '--input', 'foreign.pth'],
        /no tensor, nor a dict/,
      ],
      [
        'TF32 on a CPU',
        ['parallel.pth', '--random', '1', '--tf32'],
        /--tf32 goes with --device cuda/,
      ],
    ])('refuses %s in one line', async (_, args, text) => {
      const files = /\.(pth|jpg|png)$/;
      const paths = args.map((arg) => (files.test(arg) ? at(arg) : arg));
      expectRefusal(await capture(...paths, '-o', at('refused.pth')), text);
    });

    it('leaves an existing output and its inputs alone when it fails', async () => {
      writeFileSync(at('kept.pth'), 'kept');
      const failed = await capture(at('headless.pth'), '--random', '1', '-o', at('kept.pth'));
      expectRefusal(failed, /2 missing/);
      expect(readFileSync(at('kept.pth'), 'utf8')).toBe('kept');
      const onto = await capture(at('foreign.pth'), '--random', '1', '-o', at('foreign.pth'));
      expectRefusal(onto, /is one of the inputs/);
      expect(existsSync(at('foreign.pth'))).toBe(true);
    });
  });
});

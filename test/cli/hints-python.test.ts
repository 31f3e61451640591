/** The Python that hints show does what they say. */
import { writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { saveStateDict } from '../../src/checkpoint/index.js';
import { CHECKPOINT } from '../helpers/bundled.js';
import { pth2tfjs } from '../helpers/cli.js';
import { findPython, startPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';
import { writeZip } from '../helpers/zip-writer.js';
import { at, tmp } from './hints.js';

const python = await findPython('hints that show Python');

describe.skipIf(python === undefined)('Python', () => {
  const run = async (script: string) => {
    const done = await startPython(python as string, '-c', script, CHECKPOINT, tmp);
    expect(done).toMatchObject({ status: 0 });
    return done.stdout;
  };
  const NETWORK = `
import os, sys, torch, torchvision
from torchvision.models import googlenet
os.chdir(sys.argv[2])
model = googlenet(weights=None, init_weights=False, transform_input=True)
model.load_state_dict(torch.load(sys.argv[1]))
x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
`;

  test('print(model.transform_input) tells', SLOW, async () => {
    const { stderr } = await pth2tfjs('convert', CHECKPOINT, at('print'));
    const [, python] = /\((print\(.*?\)) in Python tells\)/.exec(stderr) ?? [];
    expect(await run(`${NETWORK}${python}`)).toBe('True\n');
  });

  test('how a golden file is made', SLOW, async () => {
    writeFileSync(at('list.pth'), await saveStateDict(new Map()));
    const { stderr, status } = await pth2tfjs('verify', CHECKPOINT, '--golden', at('list.pth'));
    expect(status).toBe(2);
    const [, python] = /or in Python: (torch\.save\(.*"golden\.pth"\))$/m.exec(stderr) ?? [];
    await run(`${NETWORK}${python}`);
    const made = ['verify', CHECKPOINT, '--golden', at('golden.pth'), '--transform-input'];
    expect((await pth2tfjs(...made)).status).toBe(0);
  });

  test(
    'a file that is to be made again, or saved without what stands around it',
    SLOW,
    async () => {
      const text = new TextEncoder();
      // A pickle that would run something, a plain one, and an archive with a record beyond all bounds.
      const files: readonly (readonly [string, Uint8Array])[] = [
        [
          'runs.pth',
          writeZip([{ name: 'a/data.pkl', data: text.encode('cos\nsystem\n(Vls\ntR.') }]),
        ],
        ['plain.pkl', text.encode('cos\nsystem\n(Vls\ntR.')],
        ['harmless.pkl', text.encode('(lp0\n.')],
        [
          'large.pth',
          writeZip([
            { name: 'a/data.pkl', data: text.encode('N.') },
            { name: 'a/version', data: new Uint8Array(2 ** 20 + 1) },
          ]),
        ],
      ];
      const advice = new Set<string>();
      for (const [name, bytes] of files) {
        writeFileSync(at(name), bytes);
        const { status, stderr } = await pth2tfjs('inspect', at(name));
        const [, code] = /in Python: (torch\.save\(model.*)\n$/.exec(stderr) ?? [];
        expect([name, status, stderr, code]).toEqual([name, 2, stderr, expect.any(String)]);
        advice.add(code as string);
      }
      expect(advice.size).toBe(1);
      await run(`${NETWORK}${[...advice][0]}`);
      const { status, stdout } = await pth2tfjs('inspect', at('out.pth'));
      expect([status, stdout]).toEqual([
        0,
        expect.stringMatching(/^GoogLeNet: 6,624,904 parameters/m),
      ]);
    },
  );

  test('what an export is for', SLOW, async () => {
    await pth2tfjs('convert', CHECKPOINT, at('trainable'), '--trainable', '--transform-input');
    const { stdout } = await pth2tfjs('export', at('trainable'), at('exported.pth'));
    const [, call] = /^in torch {2}(.*)$/m.exec(stdout) ?? [];
    const load = 'net.load_state_dict(torch.load("exported.pth"), strict=True)';
    expect(await run(`${NETWORK}\nnet = ${call}\nprint(${load})`)).toMatch(/All keys matched/);
  });
});

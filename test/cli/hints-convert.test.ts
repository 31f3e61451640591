/** What the commands advise is tried on what they advise it for: a hint that does not work costs a person a day. */
import { writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  denseTensor,
  readCheckpoint,
  saveStateDict,
  type TensorView,
} from '../../src/checkpoint/index.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { pth2tfjs } from '../helpers/cli.js';
import { SLOW } from '../helpers/tiers.js';
import { type Advice, at, SIZED, small, take, transformed } from './hints.js';

/** The bundled checkpoint with some of its tensors replaced. */
async function spoiltCheckpoint(name: string, changes: Record<string, number>): Promise<string> {
  const { value } = await readCheckpoint(BUNDLED);
  const tensors = new Map(value as ReadonlyMap<string, TensorView>);
  for (const [key, fill] of Object.entries(changes)) {
    const { shape } = tensors.get(key) as TensorView;
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(fill);
    tensors.set(key, denseTensor('float32', shape, data));
  }
  writeFileSync(at(name), await saveStateDict(tensors));
  return at(name);
}

describe('convert', () => {
  const QUICK: Readonly<Record<string, Advice>> = {
    'an option that goes with another': {
      call: ['convert', CHECKPOINT, at('pixels'), '--input', 'pixels'],
      status: 2,
      says: /--input pixels goes with (--format) (graph)/,
      next: ([, option, value]) => [
        'convert',
        CHECKPOINT,
        at('pixels'),
        '--input',
        'pixels',
        option as string,
        value as string,
      ],
    },
    'a hash that is none': {
      call: ['convert', at('googlenet-0badc0de.pth'), at('hashed')],
      status: 2,
      says: /pass (--no-check-hash) if the name means something else/,
      next: ([, option]) => [
        'convert',
        at('googlenet-0badc0de.pth'),
        at('hashed'),
        option as string,
      ],
    },
  };
  beforeAll(() => writeFileSync(at('googlenet-0badc0de.pth'), BUNDLED));
  test.each(Object.entries(QUICK))('%s', async (_, advice) => take(advice));

  const THOROUGH: Readonly<Record<string, Advice>> = {
    help: {
      call: ['convert', CHECKPOINT],
      status: 2,
      says: /see pth2tfjs (convert) (--help)/,
      next: ([, ...args]) => args,
    },
    'a folder that is not empty': {
      given: [['convert', CHECKPOINT, at('full')]],
      call: ['convert', CHECKPOINT, at('full')],
      status: 2,
      says: /choose another folder or pass (--force)/,
      next: ([, option]) => ['convert', CHECKPOINT, at('full'), option as string],
    },
    'transform_input that was guessed': {
      call: ['convert', CHECKPOINT, at('guessed')],
      status: 0,
      says: /pass (--transform-input) if/,
      next: ([, option]) => ['convert', CHECKPOINT, at('on'), option as string],
    },
    'a kernel that float16 cannot hold': {
      make: () => spoiltCheckpoint('huge.pth', { 'fc.weight': 1e6 }),
      call: ['convert', at('huge.pth'), at('huge'), '--quantize', 'float16'],
      status: 2,
      says: /convert without --quantize/,
      next: () => ['convert', at('huge.pth'), at('huge')],
    },
    'the flag that a golden file contradicts': {
      call: [
        'convert',
        CHECKPOINT,
        at('flag'),
        '--golden',
        transformed,
        '--no-transform-input',
        '--no-diagnose',
      ],
      status: 1,
      says: /; (--transform-input) converts it as PyTorch had it/,
      next: ([, option]) => [
        'convert',
        CHECKPOINT,
        at('flag'),
        '--golden',
        transformed,
        option as string,
      ],
    },
    'the cause of wrong logits': {
      call: ['convert', CHECKPOINT, at('cause'), '--golden', small, '--transform-input'],
      status: 1,
      says: /Convert again with (--no-transform-input); leave --golden out/,
      next: ([, option]) => [
        'convert',
        CHECKPOINT,
        at('cause'),
        '--golden',
        small,
        option as string,
      ],
    },
    'wrong logits that are wanted': {
      call: [
        'convert',
        CHECKPOINT,
        at('wanted'),
        '--golden',
        small,
        '--transform-input',
        '--no-diagnose',
      ],
      status: 1,
      says: /leave --golden out to write it all the same/,
      next: () => ['convert', CHECKPOINT, at('wanted'), '--transform-input'],
    },
    'a golden file of another size': {
      call: ['convert', CHECKPOINT, at('sized'), '--golden', small, '--image-size', '224'],
      status: 2,
      says: /convert with (--image-size) (64)/,
      next: ([, option, size]) => [
        'convert',
        CHECKPOINT,
        at('sized'),
        '--golden',
        small,
        option as string,
        size as string,
      ],
    },
    'what a stored model needs': {
      call: ['convert', CHECKPOINT, at('stored'), '--golden', small, '--quantize', 'uint8'],
      status: 0,
      says: /verify passes with (--rtol) (\S+)/,
      next: ([, option, rtol]) => [
        'verify',
        at('stored'),
        '--golden',
        small,
        option as string,
        rtol as string,
      ],
    },
    'transform_input in safetensors': {
      call: ['convert', CHECKPOINT, at('net.safetensors')],
      status: 0,
      says: /--\[no-\]transform-input notes it in the file/,
      next: () => ['convert', CHECKPOINT, at('noted.safetensors'), '--transform-input'],
    },
  };
  test.each(Object.entries(THOROUGH))('%s', SLOW, async (_, advice) => take(advice));
});

describe('export', () => {
  const folded = ['export', at('folded'), at('back.pth'), '--force'];
  const advice = {
    given: [['convert', CHECKPOINT, at('folded'), '--force', ...SIZED]],
    call: folded,
    status: 2,
    says: /convert the checkpoint again with (--trainable), or ask for (--identity-bn)/,
  };

  test('a folded model: the one way', SLOW, async () => {
    await take({ ...advice, next: ([, , option]) => [...folded, option as string] });
  });

  test('and the other', SLOW, async () => {
    const next = ([, option]: readonly string[]) => [
      'convert',
      CHECKPOINT,
      at('net'),
      option as string,
    ];
    await take({ ...advice, next });
    expect((await pth2tfjs('export', at('net'), at('net.pth'))).status).toBe(0);
  });
});

/** What the commands advise is tried on what they advise it for: a hint that does not work costs a person a day. */
import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { readImage } from '../../cli/image-files.js';
import { STDIN } from '../../cli/stdin.js';
import {
  denseTensor,
  readCheckpoint,
  saveStateDict,
  type TensorView,
} from '../../src/checkpoint/index.js';
import { BUNDLED, CHECKPOINT } from '../helpers/bundled.js';
import { GOLDEN, MAIN, pth2tfjs, type Run, temporaryFolder } from '../helpers/cli.js';
import { findPython, startPython } from '../helpers/python.js';
import { SLOW } from '../helpers/tiers.js';
import { writeZip } from '../helpers/zip-writer.js';

const tmp = temporaryFolder();
const at = (name: string) => join(tmp, name);
const python = await findPython('hints that show Python');

/** Two images of 64 pixels, transform_input off; two of 224, on. */
const small = join(GOLDEN, 'googlenet.64.layers.golden.pth.gz');
const transformed = join(GOLDEN, 'googlenet.transform_input.golden.pth.gz');
const SIZED = ['--image-size', '64', '--no-transform-input'];

interface Advice {
  /** Makes what it is called on. */
  readonly make?: () => Promise<unknown>;
  /** What went before. */
  readonly given?: readonly (readonly string[])[];
  readonly call: readonly string[];
  readonly status: number;
  /** What it says, anywhere; its groups go to `next`. */
  readonly says: RegExp;
  /** The call that takes the advice: it must succeed. */
  readonly next: (found: readonly string[]) => readonly string[];
}

async function take({ make, given = [], call, status, says, next }: Advice): Promise<void> {
  await make?.();
  for (const args of given) expect(await pth2tfjs(...args)).toMatchObject({ status: 0 });
  const run = await pth2tfjs(...call);
  expect([run.status, run.stderr]).toEqual([status, expect.any(String)]);
  const found = says.exec(run.stdout + run.stderr);
  expect(run.stdout + run.stderr).toMatch(says);
  const { status: good, stderr } = await pth2tfjs(...next([...(found ?? [])]));
  expect([good, stderr]).toEqual([0, stderr]);
}

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

/** A golden file that says nothing of where it came from. */
async function plainGolden(name: string, size: number): Promise<string> {
  const half = (...shape: number[]) =>
    denseTensor('float32', shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5));
  const tensors = new Map([
    ['input', half(1, 3, size, size)],
    ['logits', half(1, 1000)],
  ]);
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

describe('verify', () => {
  const folder = ['convert', CHECKPOINT, at('model'), '--force', ...SIZED];
  const verify = ['verify', at('model'), '--golden', small];
  const CASES: Readonly<Record<string, Advice>> = {
    'a bound tighter than rounding': {
      given: [folder],
      call: [...verify, '--rtol', '1e-9'],
      status: 1,
      says: /pass at least (--rtol) (\S+?)\.\n/,
      next: ([, option, rtol]) => [...verify, option as string, rtol as string],
    },
    'the smallest bounds': {
      given: [folder],
      call: [...verify, '--rtol', '1e-9', '--no-diagnose'],
      status: 1,
      says: /smallest that would pass: --rtol \S+ or (--atol) (\S+)/,
      next: ([, option, atol]) => [...verify, option as string, atol as string],
    },
    'kernels stored in less': {
      given: [[...folder, '--quantize', 'uint16']],
      call: [...verify, '--rtol', '1e-4'],
      status: 1,
      says: /kernels are stored as uint16.*\. Convert without --quantize, or accept the error: (--rtol) (\S+?)\.\n/,
      next: ([, option, rtol]) => [...verify, option as string, rtol as string],
    },
    'the same, without --quantize': {
      given: [[...folder, '--quantize', 'uint8']],
      call: [...verify, '--checkpoint', CHECKPOINT],
      status: 1,
      says: /Likely cause: the model's kernels are stored as uint8 \(error .*\)\. Convert without --quantize/,
      next: () => ['convert', CHECKPOINT, at('again'), '--golden', small],
    },
    'a GPU that is not there': {
      given: [folder],
      call: [...verify, '--require-gpu'],
      status: 1,
      says: /or drop --require-gpu/,
      next: () => verify,
    },
  };
  test.each(Object.entries(CASES))('%s', SLOW, async (_, advice) => take(advice));

  test('a search that takes long says so in a pipe, and how to leave it out', SLOW, async () => {
    const golden = await plainGolden('made-up.pth', 64);
    await pth2tfjs(...folder);
    const call = ['verify', at('model'), '--golden', golden, '--json'];
    const run = await pth2tfjs(...call);
    expect(run.status).toBe(1);
    const told = run.stderr.split('\n').filter((line) => line.startsWith('looking for the cause'));
    // It tries more than a hundred things, which takes longer than the three seconds before the first.
    expect(told.length).toBeGreaterThan(0);
    for (const line of told) {
      expect(line).toMatch(/^looking for the cause \(--no-diagnose leaves it out\): ./);
    }
    const quick = await pth2tfjs(...call, '--no-diagnose');
    expect(JSON.parse(quick.stdout).diagnosis).toBe(null);
    expect(quick.stderr).not.toMatch(/looking for/);
    expect(JSON.parse(run.stdout).diagnosis.hints).toContainEqual(
      expect.stringMatching(/^Pass --checkpoint with the \.pth file that the model was made of/),
    );
    expect((await pth2tfjs(...verify, '--checkpoint', CHECKPOINT)).status).toBe(0);
  });
});

describe('inspect', () => {
  const hashed = ['inspect', at('googlenet-0badc0de.pth')];
  const CASES: Readonly<Record<string, Advice>> = {
    'a hash that is none': {
      call: hashed,
      status: 2,
      says: /pass (--no-check-hash) if the name means something else/,
      next: ([, option]) => [...hashed, option as string],
    },
    'a key that is none': {
      call: ['inspect', CHECKPOINT, '--key', 'model'],
      status: 2,
      says: /no state dict under 'model'; there are: '(\S+)' \(364 tensors\)/,
      next: ([, key]) => ['inspect', CHECKPOINT, '--key', key as string],
    },
    help: {
      call: ['inspect'],
      status: 2,
      says: /see pth2tfjs (inspect) (--help)/,
      next: ([, ...args]) => args,
    },
  };
  test.each(Object.entries(CASES))('%s', async (_, advice) => take(advice));

  const archived = (name: string, record: string, data: Uint8Array) => {
    writeFileSync(at(name), writeZip([{ name: record, data }]));
    return at(name);
  };
  const unpacks = (command: string) => spawnSync(command, ['--version']).error === undefined;

  test.skipIf(!unpacks('python3'))('an archive around a checkpoint', async () => {
    const small = readFileSync(join(GOLDEN, 'torch-1.13', 'dtype-bool.pth'));
    const { status, stderr } = await pth2tfjs('inspect', archived('FILE', 'best.pth', small));
    const [, command] = /around best\.pth; unpack it first: (python3 .*)\n$/.exec(stderr) ?? [];
    expect([status, command]).toEqual([2, expect.any(String)]);
    expect((await shell(command as string)).status).toBe(0);
    expect(await pth2tfjs('inspect', at('best.pth'))).toMatchObject({ status: 0, stderr: '' });
  });

  test.skipIf(!(unpacks('zip') && unpacks('unzip')))('an unzipped archive', async () => {
    const file = join(GOLDEN, 'torch-1.13', 'dtype-bool.pth');
    expect((await shell(`unzip -q ${file} -d unzipped`)).status).toBe(0);
    const [top = ''] = readdirSync(at('unzipped'));
    const { status, stderr } = await pth2tfjs('inspect', join(at('unzipped'), top));
    const [, command] = /pack the folder again with (zip -0 -r)\n$/.exec(stderr) ?? [];
    expect([status, command]).toEqual([2, expect.any(String)]);
    expect((await shell(`cd unzipped && ${command} ../packed.pth ${top}`)).status).toBe(0);
    const [again, before] = [
      await pth2tfjs('inspect', at('packed.pth')),
      await pth2tfjs('inspect', file),
    ];
    expect(again.status).toBe(0);
    const tensors = ({ stdout }: Run) => stdout.slice(stdout.indexOf('\n'));
    expect(tensors(again)).toBe(tensors(before));
  });
});

test('a file through a pipe', SLOW, async () => {
  const { isTTY } = process.stdin;
  process.stdin.isTTY = true;
  const hint = await readImage(STDIN).catch((error) => error.hint);
  process.stdin.isTTY = isTTY;
  const [, command] = /^pipe the file in, such as: (pth2tfjs inspect - < FILE)$/.exec(hint) ?? [];
  const script = `pth2tfjs() { "${process.execPath}" "${MAIN}" "$@"; }; ${command?.replace('FILE', CHECKPOINT)}`;
  expect(await shell(script)).toMatchObject({ status: 0, stderr: '' });
});

function shell(script: string): Promise<Run> {
  return new Promise((resolve) => {
    const child = execFile('bash', ['-c', script], { cwd: tmp }, (_, stdout, stderr) => {
      resolve({ status: child.exitCode, stdout, stderr });
    });
  });
}

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

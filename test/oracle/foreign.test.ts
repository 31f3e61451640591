/**
 * What PyTorch and its neighbours write beside plain checkpoints: read where all of it is there, and else named,
 * with a way on that works.
 */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isPth2tfjsError, type Pth2tfjsError } from '../../src/base/errors.js';
import { readCheckpoint } from '../../src/checkpoint/read-checkpoint.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { toFloat32 } from '../../src/checkpoint/tensor/float32.js';
import { GOLDEN, temporaryFolder } from '../helpers/cli.js';
import { dict, ELEMENTS, pickle, raw, tensor, text } from '../helpers/pickle-writer.js';
import { findNewestPython, findPython, runPython } from '../helpers/python.js';
import { writeZip } from '../helpers/zip-writer.js';

const SCRIPT = 'test/oracle/foreign.py';

/** File: key: dtype, shape and elements, as PyTorch has them. */
type Truth = Readonly<
  Record<string, Readonly<Record<string, readonly [string, number[], number[]]>>>
>;

const PYTHONS = [
  { which: 'the oldest PyTorch', python: await findPython('files of its neighbourhood') },
  { which: 'the newest PyTorch', python: await findNewestPython('files of its neighbourhood') },
];

const refusalOf = async (bytes: Uint8Array): Promise<Pth2tfjsError> =>
  readCheckpoint(bytes).then(
    () => expect.fail('it was read'),
    (error: unknown) => (isPth2tfjsError(error) ? error : Promise.reject(error)),
  );

describe.each(PYTHONS)('what $which writes', ({ which, python }) => {
  const folder = temporaryFolder();
  const newest = which === 'the newest PyTorch';
  let truth: Truth = {};
  const bytesOf = (name: string) => readFile(join(folder, name));

  beforeAll(async () => {
    if (python === undefined) return;
    truth = JSON.parse(await runPython(python, SCRIPT, 'make', folder));
  }, 120_000);

  it.runIf(python)('is read where all of it is there', async () => {
    expect(Object.keys(truth)).toHaveLength(3);
    for (const [name, tensors] of Object.entries(truth)) {
      const found = listTensors((await readCheckpoint(await bytesOf(name))).value);
      expect([name, [...found.keys()]]).toEqual([name, Object.keys(tensors)]);
      for (const [key, tensor] of found) {
        const [dtype, shape, values] = tensors[key] as Truth[string][string];
        expect([key, tensor.dtype, tensor.shape]).toEqual([key, dtype, shape]);
        if (dtype.startsWith('complex')) continue;
        expect([key, ...toFloat32(tensor)]).toEqual([key, ...values.map(Math.fround)]);
      }
    }
  });

  it.runIf(python)('plain pickles of every protocol are named', async () => {
    for (const file of (await readdir(folder)).filter((name) => name.endsWith('.pkl'))) {
      const { code, message, hint } = await refusalOf(await bytesOf(file));
      expect([file, code]).toEqual([file, 'unsupported-format']);
      expect([file, message]).toEqual([file, expect.stringContaining('a plain pickle')]);
      expect(hint).not.toMatch(/pickle\.load|torch\.load/);
    }
  });

  it.runIf(python)('TorchScript is named, and its hint works', async () => {
    const { message, hint } = await refusalOf(await bytesOf('script.pt'));
    expect(message).toContain('TorchScript');
    const code = hint?.replace('in Python: ', '').replace('in.pt', 'script.pt') as string;
    const keys = await runPython(python as string, SCRIPT, 'run', folder, code);
    expect(keys.trim().split('\n')).toEqual(['bias', 'weight']);
  });

  if (newest)
    it.runIf(python)('an exported program is named, and its hint works', async () => {
      const { message, hint } = await refusalOf(await bytesOf('program.pt2'));
      expect(message).toContain('torch.export');
      const code = hint?.replace('in Python: ', '').replace('in.pt2', 'program.pt2') as string;
      const keys = await runPython(python as string, SCRIPT, 'run', folder, code);
      expect(keys.trim().split('\n')).toEqual(['bias', 'weight']);
    });

  if (newest)
    it.runIf(python)('a distributed checkpoint is named, and its hint works', async () => {
      for (const name of await readdir(join(folder, 'sharded'))) {
        const { message, hint } = await refusalOf(await bytesOf(join('sharded', name)));
        expect([name, message]).toEqual([name, expect.stringMatching(/distributed[. ]checkpoint/)]);
        const code = /: (from .*)$/.exec(hint ?? '')?.[1]?.replace('FOLDER', 'sharded') as string;
        const keys = await runPython(python as string, SCRIPT, 'run', folder, code);
        expect(keys.trim().split('\n')).toEqual(['model.bias', 'model.weight']);
      }
    });

  if (newest)
    it.runIf(python)('an archive without checksums is read, and said to be one', async () => {
      const { warnings } = await readCheckpoint(await bytesOf('without-checksums.pth'));
      expect(warnings).toEqual([expect.stringContaining('carries no checksums')]);
    });

  if (!newest)
    it.runIf(python)('an archive that lost its folder gets it back by the hint', async () => {
      const name = 'tpu2.pth';
      const flat = join(folder, 'flat');
      await mkdir(flat, { recursive: true });
      const pack = `import os, zipfile
with zipfile.ZipFile(${JSON.stringify(name)}) as old, zipfile.ZipFile("flat/FILE", "w") as new:
    for entry in old.namelist():
        new.writestr(entry.split("/", 1)[1], old.read(entry))
torch.save({"a": 1}, "out.pth")`;
      await runPython(python as string, SCRIPT, 'run', folder, pack);
      const { message, hint } = await refusalOf(await bytesOf('flat/FILE'));
      expect(message).toContain('data.pkl is not in a folder');
      const commands = [...(hint ?? '').matchAll(/python3 -m zipfile [^&]+/g)].map(([text]) =>
        text.trim(),
      );
      expect(commands).toHaveLength(2);
      const run = commands.map(
        (command) => `os.system(${JSON.stringify(`cd flat && ${command}`)})`,
      );
      await runPython(
        python as string,
        SCRIPT,
        'run',
        folder,
        `import os; ${run.join('; ')}; torch.save({"a": 1}, "out.pth")`,
      );
      const { value } = await readCheckpoint(await bytesOf('flat/out.pth'));
      expect([...listTensors(value).keys()]).toEqual(Object.keys(truth[name] ?? {}));
    });
});

describe('other archives and texts are named', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

  /** A tar of empty members: names at the start of each block, their sizes as octal zeros. */
  const tar = (...names: string[]) =>
    bytes(
      names
        .map((name) =>
          `${name.padEnd(124, '\0')}00000000000\0${'\0'.repeat(121)}ustar`.padEnd(512, '\0'),
        )
        .join('') + '\0'.repeat(1024),
    );

  it.each<[string, Uint8Array, RegExp, RegExp]>([
    ['7z', bytes('7z\xbc\xaf\x27\x1c\0\x04'), /a 7z archive/, /unpack it first/],
    ['RAR', bytes('Rar!\x1a\x07\x01\0'), /a RAR archive/, /unpack it first/],
    [
      'a tar of a checkpoint',
      tar('run/best.pth', 'run/log'),
      /a tar archive that holds run\/best\.pth/,
      /tar -xf/,
    ],
    [
      "torch's tar",
      tar('sys_info', 'pickle', 'tensors', 'storages'),
      /as torch wrote before 0\.2/,
      /state_dict/,
    ],
    [
      'config.json',
      bytes('{"architectures": ["X"], "model_type": "x"}'),
      /config\.json/,
      /weights beside it/,
    ],
    ['classes', bytes('{"0": ["n01440764", "tench"]}'), /a list of class names/, /`labels`/],
    [
      'model.json',
      bytes('{"format": "layers-model", "modelTopology": {}}'),
      /model\.json/,
      /checkpoint/,
    ],
    [
      'a pickle that runs',
      bytes('cos\nsystem\n(Vls\ntR.'),
      /asks for os\.system/,
      /do not load it/,
    ],
    ['a text', bytes('In this folder.'), /neither a zip/, /torch\.save/],
  ])('%s', async (_, content, message, hint) => {
    const error = await refusalOf(content);
    expect(error).toMatchObject({ code: 'unsupported-format' });
    expect(error.message).toMatch(message);
    expect(error.hint).toMatch(hint);
  });
});

describe('the command that unpacks a compressed checkpoint does', () => {
  const folder = temporaryFolder();
  const packers = [
    ['bzip2', 'bunzip2 -k FILE', 'FILE.bz2'],
    ['xz', 'unxz -k FILE', 'FILE.xz'],
    ['zstd', 'unzstd FILE', 'FILE.zst'],
    ['gzip', 'gunzip FILE', 'FILE.gz'],
    ['tar', 'tar -xf FILE', 'FILE.tar'],
  ] as const;
  const has = (tool: string) => spawnSync(tool, ['--version']).error === undefined;

  for (const [tool] of packers) {
    if (!has(tool)) console.warn(`SKIPPED: hints of ${tool}, which is not installed`);
  }

  it.each(packers.filter(([tool]) => has(tool)))('%s: %s', async (tool, command, packed) => {
    const plain = join(GOLDEN, 'torch-1.13', 'dtype-bool.pth');
    const name = tool === 'tar' ? 'best.pth' : 'FILE';
    await copyFile(plain, join(folder, name));
    const run = (line: string) => spawnSync('sh', ['-c', line], { cwd: folder });
    if (tool === 'tar') run(`tar -cf ${packed} ${name} && rm ${name}`);
    else if (tool === 'gzip') run(`gzip FILE && gzip -c FILE.gz > again && mv again ${packed}`);
    else run(`${tool} FILE && rm -f FILE`);
    const file = await readFile(join(folder, packed));
    const { hint } = await refusalOf(file);
    expect(hint).toContain(command);
    run(command.replace('FILE', packed));
    const { value } = await readCheckpoint(await readFile(join(folder, name)).catch(() => file));
    expect(listTensors(value).size).toBe(1);
  });
});

describe('what PyTorch would not read either is warned of', () => {
  it('bytes behind the last storage of a legacy stream', async () => {
    const file = await readFile(join(GOLDEN, 'torch-1.13', 'dtype-bool.legacy.pth'));
    expect((await readCheckpoint(file)).warnings).toEqual([]);
    const { warnings } = await readCheckpoint(Buffer.concat([file, Buffer.from('more')]));
    expect(warnings).toEqual([
      `4 bytes follow the last storage, at byte ${file.length}, and were not read`,
    ]);
  });

  it('bytes behind the pickle, and records outside of the folder', async () => {
    const object = raw(pickle(dict(text('a'), tensor())), 'N.');
    const entries = [
      { name: 'a/data.pkl', data: object },
      { name: 'a/data/0', data: ELEMENTS },
      { name: 'b/more', data: raw('x') },
    ];
    expect((await readCheckpoint(writeZip(entries))).warnings).toEqual([
      "2 bytes follow the pickle in 'a/data.pkl', and were not read",
      "the archive holds records outside of its folder 'a/', which were not read: b/more",
    ]);
  });
});

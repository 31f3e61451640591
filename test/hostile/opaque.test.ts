/** Globals that have no meaning here, by every opcode that can make something of one; and those that are refused. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isPth2tfjsError } from '../../src/base/errors.js';
import { isDangerous, isPlausible } from '../../src/checkpoint/pickle/danger.js';
import { OpaqueGlobal, OpaqueObject, opaqueName } from '../../src/checkpoint/pickle/inert.js';
import { listOpaque } from '../../src/checkpoint/pickle/opaque-values.js';
import { type Unpickled, unpickle } from '../../src/checkpoint/pickle/unpickle.js';
import { listTensors } from '../../src/checkpoint/state-dict/find-state-dict.js';
import { TensorView } from '../../src/checkpoint/tensor/tensor.js';
import {
  call,
  dict,
  get,
  global,
  int,
  list,
  type Part,
  pickle,
  put,
  raw,
  storageId,
  tensor,
  text,
  tuple,
} from '../helpers/pickle-writer.js';
import { drawSeed } from '../helpers/seed.js';

fc.configureGlobal({ seed: drawSeed('opaque.test.ts') });

const X = global('mine', 'X');
const read = (...parts: Part[]): Unpickled => unpickle(pickle(...parts));
const opaqueFrom = (...parts: Part[]) => read(...parts).value as OpaqueObject;

/** What OBJ, INST and the like leave, in CPython's words: X(*args), then what came after. */
const facts = ({ global: name, args, items, entries, state, keywords }: OpaqueObject) => ({
  name,
  args,
  items,
  entries: [...entries],
  state,
  keywords,
});

describe('an opaque object is what the pickle says of it, and nothing else', () => {
  const empty = { name: 'mine.X', args: [], items: [], entries: [], state: undefined };
  test.each<[string, readonly Part[], object]>([
    ['REDUCE', [X, tuple(int(1), text('a')), 'R'], { args: [1, 'a'] }],
    ['NEWOBJ', [X, tuple(int(1)), 0x81], { args: [1] }],
    [
      'NEWOBJ_EX',
      [X, tuple(int(1)), dict(text('k'), int(2)), 0x92],
      { args: [1], keywords: new Map([['k', 2]]) },
    ],
    ['OBJ', ['(', X, int(1), int(2), 'o'], { args: [1, 2] }],
    ['OBJ without arguments', ['(', X, 'o'], {}],
    ['INST', ['(', int(1), int(2), 'imine\nX\n'], { args: [1, 2] }],
    ['BUILD', [X, ')R', dict(text('k'), int(2)), 'b'], { state: new Map([['k', 2]]) }],
    ['APPEND and APPENDS', [X, ')R', int(1), 'a', '(', int(2), int(3), 'e'], { items: [1, 2, 3] }],
    [
      'SETITEM and SETITEMS',
      [X, ')R', int(1), int(2), 's', '(', int(3), int(4), 'u'],
      {
        entries: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
    ['STACK_GLOBAL', [text('mine'), text('X'), 0x93, ')R'], {}],
  ])('%s', (_, parts, expected) => {
    expect(facts(opaqueFrom(...parts))).toEqual({ ...empty, keywords: undefined, ...expected });
  });

  test('what is called is named, through the functions that make objects', () => {
    const object = global('__builtin__', 'object');
    const named = (...parts: Part[]) => opaqueName(opaqueFrom(...parts));
    expect(named(call(global('copy_reg', '_reconstructor'), X, object, 'N'))).toBe('mine.X');
    expect(named(call(global('copyreg', '__newobj__'), X))).toBe('mine.X');
    const method = call(global('__builtin__', 'getattr'), X, text('make'));
    expect(named(method)).toBe('mine.X.make');
    expect(named(method, ')R')).toBe('mine.X.make');
    const partial = call(
      global('functools', 'partial'),
      call(global('__builtin__', 'getattr'), X, text('__new__')),
      X,
    );
    expect(named(partial, ')R')).toBe('mine.X');
  });

  test('arguments are kept as they were, though the pickle goes on with them', () => {
    const value = read(
      list(),
      put(0),
      X,
      get(0),
      0x85,
      'R',
      put(1),
      '0',
      int(7),
      'a',
      get(1),
      0x86,
    ).value;
    const [items, opaque] = value as [unknown[], OpaqueObject];
    expect(items).toEqual([7]);
    expect(opaque.args).toEqual([[7]]);
  });

  test('a global by itself is a name', () => {
    expect(read(X).value).toEqual(new OpaqueGlobal('mine.X'));
  });

  test('it never becomes a tensor, nor a storage', () => {
    const rebuild = global('torch._utils', '_rebuild_tensor_v2');
    const fake = raw(X, ')R');
    for (const parts of [
      call(rebuild, fake, int(0), tuple(int(1)), tuple(int(1)), 0x89, '}'),
      call(global('torch._utils', '_rebuild_parameter'), fake, 0x89, '}'),
      call(global('torch._tensor', '_rebuild_from_type_v2'), X, X, tuple(), 'N'),
      raw(storageId({ type: 'X' }), 'Q'),
      raw(tensor(), '}b'),
    ]) {
      expect(() => read(parts)).toThrow(expect.objectContaining({ name: 'Pth2tfjsError' }));
    }
  });

  test('it counts against the bounds', () => {
    const many = raw('(', 'N'.repeat(40_000), 't', put(0), '0');
    const calls = Array.from({ length: 20 }, () => raw(X, get(0), 'R'));
    expect(() => read(many, tuple(...calls))).toThrow(expect.objectContaining({ code: 'limit' }));
  });
});

describe('what is refused', () => {
  const messageOf = (...parts: Part[]): string => {
    try {
      read(...parts);
    } catch (error) {
      if (isPth2tfjsError(error) && error.code === 'unsafe-global') return error.message;
      throw error;
    }
    return expect.fail('it was read');
  };

  test('all such names of the pickle, each once, with where it stands first', () => {
    const system = global('os', 'system');
    const message = messageOf('(', X, system, text('builtins'), text('eval'), 0x93, system, 't');
    expect(message).toMatch(
      /^the pickle asks for os\.system \(byte 11\), builtins\.eval \(byte 44\), which/,
    );
  });

  test.each([
    'os.system',
    'posix.popen',
    'nt.system',
    'subprocess.Popen',
    'sys.exit',
    'builtins.exec',
    '__builtin__.eval',
    'builtins.__import__',
    'builtins.print',
    'io.open',
    'importlib.import_module',
    'runpy.run_path',
    'pickle.loads',
    'socket.socket',
    'ctypes.CDLL',
    'torch.hub.load',
    'torch.load',
    'torch.storage._load_from_bytes',
    'torch.serialization.os.system',
    'torch.jit._script.builtins.eval',
    'numpy.testing._private.utils.runstring',
    'mine.helpers.check_output',
    'codecs.open',
    'types.FunctionType',
    'operator.attrgetter',
    'webbrowser.open',
    'shutil.rmtree',
    'code.InteractiveInterpreter',
    'mine.X.__globals__',
  ])('%s', (name) => expect([name, isDangerous(name)]).toEqual([name, true]));

  test.each([
    'fastai.learner.Learner',
    'omegaconf.dictconfig.DictConfig',
    'torch.nn.modules.loss.CrossEntropyLoss',
    'torch.optim.lr_scheduler.OneCycleLR',
    'pytorch_lightning.callbacks.early_stopping.EarlyStopping',
    'mine.code.Model',
    'mine.platform.Trace',
    'builtins.max',
    'functools.partial',
    '__main__.Net',
    'detectron2.config.config.CfgNode',
    'pathlib.PosixPath',
    'collections.abc.Mapping',
    'transformers.training_args.TrainingArguments',
    'torch.fx.graph_module.reduce_graph_module',
    'numpy.random._pickle.__randomstate_ctor',
  ])('but not %s', (name) =>
    expect([name, isDangerous(name), isPlausible(name)]).toEqual([name, false, true]),
  );

  test.each([
    '',
    'x',
    '.x',
    'x.',
    'a..b',
    'a b.c',
    'a.b()',
    'a.b\u0000',
    'a./etc/passwd',
    `a.${'b'.repeat(400)}`,
  ])('a name that Python cannot import: %j', (name) => expect(isPlausible(name)).toBe(false));

  test.each<[string, readonly Part[]]>([
    ['getattr of a text', [text('x'), text('join')]],
    ['getattr of what has a meaning', [global('collections', 'OrderedDict'), text('fromkeys')]],
    ['getattr by a name that is computed', [X, call(global('__builtin__', 'str'), text('x'))]],
    ['getattr with a default', [int(1), text('x'), 'N']],
    ['getattr of a danger', [X, text('__globals__')]],
  ])('%s', (_, args) => {
    expect(messageOf(call(global('__builtin__', 'getattr'), ...args))).toContain(
      '__builtin__.getattr',
    );
  });

  test('names at random are refused or kept, and nothing else happens', () => {
    const word = fc.constantFrom(
      'os',
      'mine',
      'X',
      'builtins',
      'torch',
      'load',
      '',
      ' ',
      'eval',
      '__class__',
      'é',
      '0',
      'constructor',
      '__proto__',
    );
    fc.assert(
      fc.property(fc.array(word, { minLength: 2, maxLength: 4 }), (words) => {
        const name = words.join('.');
        const [module, rest] = [words[0] as string, words.slice(1).join('.')];
        try {
          const { value } = read(text(module), text(rest), 0x93, ')R');
          expect(value instanceof OpaqueObject || value instanceof TensorView).toBe(true);
          expect([name, isDangerous(name) || !isPlausible(name)]).toEqual([name, false]);
        } catch (error) {
          if (!isPth2tfjsError(error)) throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('opaque things are listed once each, where they are met first', () => {
  const shared = raw(X, ')R', put(0));
  const { value, opaque } = read(
    dict(text('a'), shared, text('b'), list(get(0), raw(X, ')R')), text('c'), global('mine', 'f')),
  );
  expect(listOpaque(value, opaque)).toEqual([
    { global: 'mine.X', count: 2, where: 'a' },
    { global: 'mine.f', count: 1, where: 'c' },
  ]);
});

test('modules that hold each other twice, sixty deep, are left in time', () => {
  const module = (...children: Part[]) =>
    raw(
      X,
      ')R',
      dict(text('_parameters'), '}', text('_buffers'), '}', text('_modules'), dict(...children)),
      'b',
    );
  let nested = module();
  for (let i = 0; i < 60; i++) {
    nested = raw(nested, put(i), '0', module(text('a'), get(i), text('b'), get(i)));
  }
  const { value } = read(nested);
  expect(() => listTensors(value)).toThrow(expect.objectContaining({ code: 'limit' }));
});

import { Pth2tfjsError } from '../../base/errors.js';

/**
 * Names that a pickle has no honest use for. The list is wording, not protection: nothing that a file
 * names is ever run here, whatever it is called. It decides which files are refused and not read around,
 * because in Python they would run code.
 */

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Modules that reach the system, the network or more code, wherever they stand in a dotted name. */
const MODULES_ANYWHERE = new Set(
  words(`
    os posix nt subprocess _posixsubprocess sys shutil pty popen2 winreg _winreg _winapi msvcrt
    importlib _frozen_importlib _frozen_importlib_external runpy imp zipimport pkgutil __builtins__
    pickle cPickle dill cloudpickle marshal shelve
    socket _socket ctypes _ctypes cffi webbrowser pdb bdb
  `),
);

/** Modules that are known by these names at the top only: others have a module `code` or `trace`, too. */
const MODULES = new Set(
  words(`
    asyncio code codeop commands timeit trace profile cProfile doctest pydoc multiprocessing _thread
    http urllib urllib2 urllib3 requests httplib ftplib smtplib telnetlib xmlrpc xmlrpclib socketserver
    SocketServer aiohttp paramiko ssl tempfile tarfile zipfile sqlite3 gc inspect linecache site
    sysconfig platform pip ensurepip venv distutils setuptools nturl2path idlelib lib2to3 test
    joblib _pickle _aix_support _osx_support _pyrepl
  `),
);

/** Functions, classes and whole modules, by their full names. */
const NAMES = new Set([
  ...words(`
    exec eval compile __import__ open input raw_input execfile file apply reload globals locals vars
    setattr delattr breakpoint __build_class__ exit quit print
  `).flatMap((name) => [`builtins.${name}`, `__builtin__.${name}`]),
  ...words('load loads Unpickler').map((name) => `_pickle.${name}`),
  ...words('open open_code FileIO').flatMap((name) => [`io.${name}`, `_io.${name}`]),
  ...words('CodeType FunctionType MethodType LambdaType').map((name) => `types.${name}`),
  ...words('attrgetter methodcaller').flatMap((name) => [`operator.${name}`, `_operator.${name}`]),
  ...words(`
    torch.hub torch.load torch.storage._load_from_bytes torch.serialization.load
    torch.serialization.unsafe_load torch.jit.load torch.ops.load_library torch.classes.load_library
    torch.utils.cpp_extension torch.utils.model_zoo torch.utils.collect_env torch.utils.bottleneck
    torch.package torch.multiprocessing torch.distributed.rpc torch.distributed.run
    torch.distributed.elastic torch._inductor torch._dynamo torch.export.load torch.compile
    torch.utils._config_module codecs.open functools.reduce logging.config
    numpy.load numpy.testing numpy.f2py numpy.distutils numpy.fromfile numpy.lib.npyio
    pandas.read_pickle pandas.eval pandas.io pandas.core.computation numexpr.evaluate
    sklearn.externals.joblib keras.models.load_model tensorflow.keras.models.load_model
    tensorflow.io tensorflow.load_library tensorflow.load_op_library
  `),
]);

/** Last parts of names that run what they are given, in whichever module. */
const CALLS = new Set(
  words(`
    system popen Popen check_call check_output getoutput getstatusoutput execfile import_module
    run_path run_module load_module exec_module runstring load_library read_pickle
    __import__ __subclasses__ __globals__ __builtins__ __getattribute__ __code__ __closure__ __bases__
    __base__ __mro__ __loader__ __spec__ _load_from_bytes
  `),
);

/**
 * Whether code could be run through a global. Dotted names reach modules through others that imported
 * them, such as `torch.serialization` + `os.system`, so each part is looked at.
 */
export function isDangerous(name: string): boolean {
  const parts = name.split('.');
  if (MODULES.has(parts[0] ?? '') || CALLS.has(parts.at(-1) ?? '')) return true;
  return parts.some((part, i) => {
    if (MODULES_ANYWHERE.has(part)) return true;
    return parts.slice(i + 1).some((_, k) => NAMES.has(parts.slice(i, i + 2 + k).join('.')));
  });
}

/** Longer names than any in a real checkpoint are not a name. */
const MAX_NAME_LENGTH = 300;

/** Whether a global's full name is one that Python can import: letters, digits, underscores and dots. */
export function isPlausible(name: string): boolean {
  return (
    name.length <= MAX_NAME_LENGTH && /^[\p{L}\p{N}_-]+(\.[\p{L}_][\p{L}\p{N}_]*)+$/u.test(name)
  );
}

/** A name that a pickle asks for, and the offset of the opcode that does. */
export interface NamedGlobal {
  readonly name: string;
  readonly offset: number;
}

const SHOWN = 32;

/** What to do about a file that asks for what no checkpoint needs. */
export const SAVE_AGAIN =
  "make it again where it came from, in Python: torch.save(model.state_dict(), 'out.pth')";

/** The refusal of a whole pickle, with all such names. */
export function refusal(refused: readonly NamedGlobal[]): Pth2tfjsError {
  const first = new Map<string, number>();
  for (const { name, offset } of refused) if (!first.has(name)) first.set(name, offset);
  const distinct = [...first];
  const shown = distinct.slice(0, SHOWN).map(([name, at]) => `${short(name)} (byte ${at})`);
  const rest = distinct.length > SHOWN ? [`and ${distinct.length - SHOWN} more`] : [];
  const list = [...shown, ...rest].join(', ');
  return new Pth2tfjsError(
    'unsafe-global',
    `the pickle asks for ${list}, which no checkpoint needs and through which it could run code in Python; nothing was run`,
    { offset: refused[0]?.offset ?? 0, hint: `do not load it in Python; ${SAVE_AGAIN}` },
  );
}

function short(name: string): string {
  return name.length > 100 ? `${name.slice(0, 100)}…` : name;
}

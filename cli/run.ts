import yargs from 'yargs';
import { Pth2tfjsError } from '../src/base/errors.js';
import { VERSION } from '../src/base/version.js';
import { COMMANDS } from './commands.js';
import { reportError } from './report-error.js';
import { nameStdin } from './stdin.js';

const NAMES = [...COMMANDS.keys()].join(', ');

/** What the command line holds, with `-` by name. */
const argv = nameStdin(process.argv.slice(2));
const command = argv.find((argument) => COMMANDS.has(argument)) ?? '';

/** yargs' own complaint about a call, in the style of the other errors. */
function usageError(complaint: string): Pth2tfjsError {
  const missing = command !== '' && complaint.startsWith('Not enough non-option arguments');
  const message = missing
    ? `${command} needs ${COMMANDS.get(command)?.needs}`
    : complaint
        .replace(/^Unknown arguments?: (\S+), \w+$/, 'unknown argument: $1')
        .replace(
          /^Invalid values:\s+Argument: (\S+), Given: (.*), Choices: /s,
          '--$1 is $2; there are ',
        )
        .replace(/^[A-Z]/, (first) => first.toLowerCase());
  const help = ['pth2tfjs', command, '--help'].filter(Boolean).join(' ');
  return new Pth2tfjsError('usage', message, { hint: `see ${help}` });
}

/** Of an option that is given again the last one counts, unless several make sense. */
function keepLast(args: Record<string, unknown>): void {
  const several = ['_', 'output', 'o', 'images'];
  for (const [name, value] of Object.entries(args)) {
    if (Array.isArray(value) && !several.includes(name)) args[name] = value.at(-1);
  }
}

/** yargs takes any word for false: a misspelt one must not switch something off. */
function checkFlags(args: Record<string, unknown>): void {
  for (const argument of argv) {
    const [, name = '', value] = /^--(?:no-)?([a-z0-9-]+)=(.*)$/s.exec(argument) ?? [];
    if (typeof args[name] !== 'boolean' || value === 'true' || value === 'false') continue;
    throw usageError(`--${name} is "${value}"; it takes true or false, or no value`);
  }
}

/** The one that is asked for, or what help lists of all. */
async function listCommands(): Promise<object[]> {
  const asked = COMMANDS.get(command);
  return asked === undefined ? [...COMMANDS.values()] : [{ ...asked, ...(await asked.load()) }];
}

/** Does what the command line says; what goes wrong is reported. */
export async function run(): Promise<void> {
  // A reader that has seen enough, such as head, closes the pipe; that is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });

  try {
    const [first = '-'] = argv;
    if (!first.startsWith('-') && !COMMANDS.has(first)) {
      throw usageError(`unknown command: ${first}; there are ${NAMES}`);
    }
    await yargs(argv)
      .scriptName('pth2tfjs')
      .detectLocale(false)
      .usage(
        '$0 <command>\n\nConverts torchvision GoogLeNet checkpoints to TensorFlow.js, ONNX or safetensors, and verifies the result against PyTorch.',
      )
      .command((await listCommands()) as never)
      .demandCommand(1, `a command is missing: ${NAMES}`)
      .strict()
      .middleware([keepLast, checkFlags], true)
      .version(VERSION)
      .help()
      .epilogue(
        'Exit codes: 0 good; 1 a check failed (parity, mapping, a required GPU); 2 bad usage, or input or output that cannot be used.',
      )
      .exitProcess(false)
      .fail((message, error) => {
        // yargs throws some complaints about the call as errors of its own.
        if (error !== undefined && error !== null && error.name !== 'YError') throw error;
        throw usageError(message ?? error.message);
      })
      .parseAsync();
  } catch (error) {
    const json = argv.findLast((argument) => /^--(no-)?json(=|$)/.test(argument));
    reportError(error, json !== undefined && !/^--no-|=false$/.test(json));
  }
}

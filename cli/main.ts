#!/usr/bin/env node
import yargs from 'yargs';
import { isPth2tfjsError, Pth2tfjsError } from '../src/errors.js';
import type { MappingError } from '../src/googlenet/mapping.js';
import { VERSION } from '../src/version.js';
import { convertCommand } from './commands/convert.js';
import { inspectCommand } from './commands/inspect.js';
import { verifyCommand } from './commands/verify.js';
import { EXIT, exitCodeFor } from './exit-codes.js';

const argv = process.argv.slice(2);

/** One line for people on stderr; for programs that asked for JSON, one object on stdout as well. */
function report(error: unknown): void {
  const known = isPth2tfjsError(error);
  const message = known ? error.message : `internal error: ${String(error)}; please report it`;
  const line = known && error.hint !== undefined ? `${message}; ${error.hint}` : message;
  if (argv.includes('--json')) {
    const { missing, unexpected, mismatched } = error as Partial<MappingError>;
    const code = known ? error.code : 'internal';
    const details = {
      code,
      message,
      hint: known ? error.hint : undefined,
      missing,
      unexpected,
      mismatched,
    };
    process.stdout.write(`${JSON.stringify({ error: details })}\n`);
  }
  process.stderr.write(`pth2tfjs: ${line.replace(/\s*\n\s*/g, ' ')}\n`);
  process.exitCode = known ? exitCodeFor(error.code) : EXIT.badInput;
}

// A reader that has seen enough, such as head, closes the pipe; that is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

try {
  await yargs(argv)
    .scriptName('pth2tfjs')
    .usage(
      '$0 <command>\n\nTurns torchvision GoogLeNet checkpoints into TensorFlow.js models, and proves that they agree.',
    )
    .command([convertCommand, verifyCommand, inspectCommand] as never)
    .demandCommand(1, 'a command is missing: convert, verify or inspect')
    .strict()
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .version(VERSION)
    .help()
    .epilogue(
      'Exit codes: 0 good; 1 a check failed (parity, mapping); 2 bad usage, or input or output that cannot be used.',
    )
    .exitProcess(false)
    .fail((message, error) => {
      throw (
        error ??
        new Pth2tfjsError(
          'usage',
          message.replace(/^[A-Z]/, (c) => c.toLowerCase()),
          { hint: 'see pth2tfjs --help' },
        )
      );
    })
    .parseAsync();
} catch (error) {
  report(error);
}

#!/usr/bin/env node
import { VERSION } from '../src/base/version.js';

// Loading yargs alone takes longer than all of Node.
if (process.argv.length === 3 && process.argv[2] === '--version') {
  process.stdout.write(`${VERSION}\n`);
} else {
  void start();
}

/** Not awaited above: what a module awaits, none that it loads could import back. */
async function start(): Promise<void> {
  const [command, location = '-'] = process.argv.slice(2);
  if (command === 'convert' && !/^(-|$|[a-z][a-z0-9+.-]+:\/\/)|\.gz$/i.test(location)) {
    const { readAhead } = await import('./checkpoint.js');
    readAhead(location);
  }
  const { run } = await import('./run.js');
  await run();
}

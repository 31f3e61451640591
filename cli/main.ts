#!/usr/bin/env node
import { VERSION } from '../src/base/version.js';

// Loading yargs alone takes longer than all of Node.
if (process.argv.length === 3 && process.argv[2] === '--version') {
  process.stdout.write(`${VERSION}\n`);
} else {
  await import('./run.js');
}

// Preloaded into a measured process: writes its peak resident memory, in bytes, to a file.
import { writeFileSync } from 'node:fs';
import { peakMemory } from './peak.js';

process.on('exit', () => {
  writeFileSync(process.env.PEAK_FILE, String(peakMemory()));
});

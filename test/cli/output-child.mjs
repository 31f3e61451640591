// Calls writeDirectory in a process of its own, which tests limit, stop and kill.
import { readSync, writeSync } from 'node:fs';

const { module, target, count, size, pauseAt, uid, force } = JSON.parse(process.argv[2]);
const { writeDirectory } = await import(module);
if (uid !== null) process.setuid(uid);

const bytes = new Uint8Array(size);
const files = Array.from({ length: count }, (_, index) => ({
  name: `part${index}.bin`,
  get bytes() {
    if (index === pauseAt) pause();
    return bytes;
  },
}));

try {
  await writeDirectory(target, files, { force });
  console.log(JSON.stringify({ done: true }));
} catch ({ code, message, hint }) {
  console.log(JSON.stringify({ code, message, hint }));
}

/** Says so, then blocks the only thread until a byte or a signal comes. */
function pause() {
  writeSync(1, 'paused\n');
  try {
    readSync(0, new Uint8Array(1));
  } catch (error) {
    if (error.code !== 'EINTR') throw error;
  }
}

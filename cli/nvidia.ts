import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NvidiaGPUs } from '../src/runtimes/backend.js';

/** Where NVIDIA's Linux driver tells about itself. */
const DRIVER_FOLDER = '/proc/driver/nvidia';

export const nvidiaGPUs: NvidiaGPUs = () => readNvidiaGPUs(DRIVER_FOLDER);

/** The cards' names and the driver's version, from the files of the driver; null without them. */
export async function readNvidiaGPUs(folder: string): ReturnType<NvidiaGPUs> {
  try {
    const version = await readFile(join(folder, 'version'), 'utf8');
    const names: string[] = [];
    for (const slot of await readdir(join(folder, 'gpus'))) {
      const information = await readFile(join(folder, 'gpus', slot, 'information'), 'utf8');
      names.push(/^Model:\s*(.+)$/m.exec(information)?.[1]?.trim() ?? 'NVIDIA GPU');
    }
    const [number] = /\b\d{3,}\.\d+(\.\d+)?\b/.exec(version) ?? [];
    return { names, driver: number === undefined ? null : `NVIDIA driver ${number}` };
  } catch {
    return null;
  }
}

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Where Debian's chromium keeps SwiftShader, a Vulkan driver that needs no GPU. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

const { VK_DRIVER_FILES } = process.env;

/** The Vulkan driver that the tests use: the one chosen by the caller, else SwiftShader. */
export const VULKAN_ENV: Readonly<Record<string, string>> =
  VK_DRIVER_FILES === undefined && existsSync(SWIFTSHADER) ? { VK_DRIVER_FILES: SWIFTSHADER } : {};

const PROBE = `
  const { create } = await import('webgpu');
  const adapter = await create([]).requestAdapter();
  console.log(JSON.stringify({ found: adapter !== null, device: adapter?.info.device ?? '' }));
  process.exit();`;

export interface Probe {
  readonly found: boolean;
  readonly device: string;
}

/** Whether Dawn finds any adapter, asked without code of this package. */
export function probeWebGPU(): Probe {
  const env = { ...process.env, ...VULKAN_ENV };
  const found = execFileSync(process.execPath, ['--input-type=module', '-e', PROBE], { env });
  return JSON.parse(found.toString()) as Probe;
}

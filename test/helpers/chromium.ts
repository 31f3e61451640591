import { existsSync } from 'node:fs';
import type { LaunchOptions } from 'playwright';

const { PTH2TFJS_CHROMIUM: named } = process.env;
const found = (named ? [named] : ['/usr/bin/chromium']).find((path) => existsSync(path));
if (found === undefined && named) throw new Error(`there is no ${named} (PTH2TFJS_CHROMIUM)`);
if (found === undefined) {
  console.warn(
    'SKIPPED: everything in browsers, for want of Chromium; on Debian: apt-get install chromium',
  );
}

/** Chromium's path: the one that `PTH2TFJS_CHROMIUM` names, else Debian's; undefined without any. */
export const CHROMIUM = found;

/** What gives a page these backends, and none better; SwiftShader is a GPU in software. */
const GRAPHICS = {
  wasm: ['--disable-gpu', '--disable-software-rasterizer'],
  webgl: ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'],
  webgpu: [
    '--use-angle=swiftshader',
    '--enable-unsafe-swiftshader',
    '--enable-unsafe-webgpu',
    '--use-webgpu-adapter=swiftshader',
  ],
};

export const BROWSER_BACKENDS = ['wasm', 'webgl', 'webgpu'] as const;

/** How to start Chromium so that this is the best backend. */
export function launchOptions(backend: (typeof BROWSER_BACKENDS)[number]): LaunchOptions {
  const quiet = ['--disable-quic', '--disable-sync'];
  return { executablePath: CHROMIUM as string, args: [...quiet, ...GRAPHICS[backend]] };
}

import { availableParallelism } from 'node:os';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import type { BrowserCommand } from 'vitest/node';
import { BROWSER_BACKENDS, CHROMIUM, launchOptions } from './test/helpers/chromium.js';
import LongestFirst from './test/helpers/longest-first.js';

/** The app API: the same tests in Node and, on each backend, in Chromium, except those that say where they run. */
const APP = 'test/app/*.test.ts';
const IN_NODE = 'test/**/*-node.test.ts';
const IN_BROWSERS = 'test/**/*-browser.test.ts';

// Full-size networks and child processes: slow on a busy machine, but they always end.
const timeouts = { testTimeout: 120_000, hookTimeout: 300_000 };

// Vitest would keep one processor for itself, although it has nothing to do meanwhile.
const maxWorkers = availableParallelism();

/** Passes a file or a folder on this machine to a page's `<input type="file">`. */
const pick: BrowserCommand<[selector: string, path: string]> = ({ iframe }, selector, path) =>
  iframe.locator(selector).setInputFiles(path);

const node: TestProjectInlineConfiguration = {
  test: {
    name: 'node',
    include: ['test/**/*.test.ts'],
    exclude: [IN_BROWSERS],
    globalSetup: ['build', 'fixtures', 'python-host', 'app-server'].map(
      (name) => `test/helpers/${name}.ts`,
    ),
    provide: { backend: 'wasm' },
    maxWorkers,
    ...timeouts,
  },
};

const browsers: TestProjectInlineConfiguration = {
  test: {
    include: [APP, IN_BROWSERS],
    exclude: [IN_NODE],
    globalSetup: ['test/helpers/app-server.ts'],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright(),
      commands: { pick },
      instances: BROWSER_BACKENDS.map((backend) => ({
        browser: 'chromium',
        name: `chromium-${backend}`,
        provider: playwright({ launchOptions: launchOptions(backend) }),
        provide: { backend },
        // wasm runs next to Node, then the two software GPUs next to each other, since each uses one process.
        sequence: { groupOrder: backend === 'wasm' ? 0 : 1 },
      })),
    },
    maxWorkers,
    ...timeouts,
    testTimeout: 300_000,
  },
};

export default defineConfig({
  test: {
    projects: CHROMIUM === undefined ? [node] : [node, browsers],
    tags: [{ name: 'slow', description: 'Left to `npm run test:all`.' }],
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/helpers/cost-reporter.ts'],
  },
});

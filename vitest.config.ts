import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build.ts', 'test/helpers/app-server.ts'],
    provide: { backend: 'wasm' },
    // Full-size networks and child processes: slow on a busy machine, never endless.
    testTimeout: 120_000,
    hookTimeout: 300_000,
  },
});

import { defineConfig } from 'vitest/config';

/** `npm run test:sandbox`: whole runs in a real bubblewrap, which it needs. Not a part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/sandbox/*.sandbox.ts'],
    globalSetup: ['test/rig/global-setup.ts'],
    reporters: ['default', './test/rig/summary-reporter.ts'],
    testTimeout: 120_000,
    maxWorkers: 1,
    env: { GIT_CONFIG_NOSYSTEM: '1' },
  },
});

import { defineConfig } from 'vitest/config';

/** `npm run chaos`: small pipelines killed at random, for as long as is asked for. Not a part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/sweep/*.chaos.ts'],
    globalSetup: ['test/rig/global-setup.ts'],
    reporters: ['default', './test/rig/summary-reporter.ts'],
    testTimeout: 24 * 3_600_000,
    maxWorkers: 1,
    env: { GIT_CONFIG_NOSYSTEM: '1' },
  },
});

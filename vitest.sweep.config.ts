import { defineConfig } from 'vitest/config';

/** `npm run sweep`: a crash at every step of small pipelines, also a part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/sweep/*.test.ts'],
    globalSetup: ['test/rig/global-setup.ts'],
    reporters: ['default', './test/rig/summary-reporter.ts'],
    maxWorkers: 1,
    env: { GIT_CONFIG_NOSYSTEM: '1' },
  },
});

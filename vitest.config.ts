import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Looks at what all others did, so it comes behind them: `npm run coverage:surface`.
    exclude: ['test/surface/**'],
    globalSetup: ['test/rig/global-setup.ts'],
    reporters: ['default', './test/rig/summary-reporter.ts'],
    // Tests start real gits and real agents on machines that may have two cores:
    // the limit is a net under a hang, never a measure of speed.
    testTimeout: 120_000,
    hookTimeout: 60_000,
    maxWorkers: 3,
    env: { GIT_CONFIG_NOSYSTEM: '1' },
  },
});

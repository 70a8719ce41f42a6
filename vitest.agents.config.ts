import { defineConfig } from 'vitest/config';

/** `npm run test:agents`: the real coding CLIs, whole pipelines, minutes. Not a part of `npm test`. */
export default defineConfig({
  test: {
    include: ['test/real/*.agents.ts'],
    globalSetup: ['test/rig/global-setup.ts', 'test/real/install.ts'],
    reporters: ['verbose', './test/rig/summary-reporter.ts'],
    // A net under a hang: a CLI may take many seconds to start on a small machine.
    testTimeout: 300_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    env: { GIT_CONFIG_NOSYSTEM: '1' },
  },
});

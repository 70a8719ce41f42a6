import { defineConfig } from 'vitest/config';

/** `npm run coverage:surface`, behind `npm test`: what of mstone's surface no test has used. */
export default defineConfig({
  test: { include: ['test/surface/*.test.ts'], reporters: ['default', './test/rig/summary-reporter.ts'] },
});

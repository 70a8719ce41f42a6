// `npm run chaos -- [--minutes 10] [--seed 4711]`
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string' } },
});
const { status } = spawnSync('vitest', ['run', '--config', 'vitest.chaos.config.ts'], {
  stdio: 'inherit',
  shell: process.platform === 'win32',
  env: {
    ...process.env,
    CHAOS_MINUTES: values.minutes,
    ...(values.seed === undefined ? {} : { CHAOS_SEED: values.seed }),
  },
});
process.exitCode = status ?? 1;

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Tests that start `bin/mstone.js` run what was compiled from this very source. */
export default function setup(): void {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const { status } = spawnSync(process.execPath, [join(root, 'bin', 'bootstrap.js')], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the build failed');
}

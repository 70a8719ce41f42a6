import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { makeProject } from '../rig/project.js';

const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const p = makeProject();
afterAll(() => p.remove());

it('every place that docs/state.md names is there after a run', async () => {
  const page = readFileSync(join(home, 'docs', 'state.md'), 'utf8');
  const places = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, place]) => place ?? '');
  p.milestone('1A', { implement: 'echo a > a.txt' });
  p.commit('Milestones');
  expect((await p.mstone('run')).code).toBe(0);

  const [run = ''] = readdirSync(join(p.root, '.git', 'mstone', 'runs'));
  const [repository = ''] = readdirSync(join(p.env.XDG_STATE_HOME ?? '', 'mstone'));
  const refs = p.git('for-each-ref', '--format=%(refname)').split('\n');
  // Only there while a run is going, while a checkout is in the way, or after a run in the background.
  const passing = ['.git/mstone/lock', 'refs/heads/mstone/main', '.git/mstone/detached.log'];
  const missing = places
    .filter((place) => !passing.includes(place))
    .filter((place) => {
      if (place.startsWith('refs/')) return !refs.some((ref) => ref.startsWith(place));
      const path = place
        .replace('<run>', run)
        .replace('<repository>', repository)
        .replace('$XDG_STATE_HOME', p.env.XDG_STATE_HOME ?? '');
      return !existsSync(path.startsWith('/') ? path : join(p.root, path));
    });
  expect(missing).toEqual([]);
  expect(places.length).toBeGreaterThan(6);
});

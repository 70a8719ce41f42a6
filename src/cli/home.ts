/** Where this mstone is, and which it is. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from './world.js';

/** The folder of this mstone's package; as many levels up from its source, from what is compiled and from the bundle. */
export const home = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** This mstone's own, from its package. */
export const versionOf = ({ home }: Pick<World, 'home'>): string =>
  (JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as { version: string }).version;

/** This very mstone: of its version, and of its build where it is built from source. */
export function makerOf(world: Pick<World, 'home'>): string {
  try {
    const build = readFileSync(join(world.home, 'dist', 'bundle', 'entry'), 'utf8');
    return `${versionOf(world)}/${build.trim().replaceAll('\n', '+')}`;
  } catch {
    return versionOf(world);
  }
}

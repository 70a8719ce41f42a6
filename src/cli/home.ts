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

/** Values in the cache, maps and all. */
import { deserialize, serialize } from 'node:v8';
import type { Cache } from './cache.js';

/** A value as it was kept; undefined where there is none. */
export function readValue<T>(cache: Cache, name: string): T | undefined {
  const bytes = cache.read(name);
  if (bytes === undefined) return undefined;
  try {
    return deserialize(bytes) as T;
  } catch {
    return undefined;
  }
}

export function writeValue(cache: Cache, name: string, value: unknown): void {
  cache.write(name, serialize(value));
}

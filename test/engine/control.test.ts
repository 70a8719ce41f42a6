import { afterEach, expect, it } from 'vitest';
import { Control } from '../../src/engine/index.js';

const warned: string[] = [];
const hear = (warning: Error): void => void warned.push(warning.name);
afterEach(() => {
  process.off('warning', hear);
});

it('sixteen agents may all listen for the end of their run without a warning on the screen', async () => {
  process.on('warning', hear);
  const { signal } = new Control();
  for (let agent = 0; agent < 16; agent += 1) signal.addEventListener('abort', () => undefined);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warned).toEqual([]);
});

/** A law that nothing can break says nothing: each is broken once, in a copy of the sources, and must be missed. */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { LAWS } from './laws.js';
import { MUTATIONS } from './mutations.js';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The output of some worlds of the sources in a folder. */
async function simulate(folder: string, worlds: number): Promise<string> {
  const run = (args: readonly string[]): Promise<string> =>
    new Promise((resolve) => {
      execFile(process.execPath, args, { cwd: folder, maxBuffer: 64 * 1024 * 1024 }, (_, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const said = await run([compiler, '-p', 'tsconfig.simulate.json', '--noCheck']);
  return said + (await run(['.simulate/test/simulate/main.js', '--worlds', String(worlds)]));
}

function copyOfSources(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mstone-mutation-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const path of [
    'package.json',
    'tsconfig.json',
    'tsconfig.simulate.json',
    'src/model',
    'src/run',
    'src/engine',
    'src/journal',
    'test/rig/world.ts',
    'test/simulate',
  ]) {
    cpSync(join(root, path), join(folder, path), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

test('each law has a mutation', () => {
  expect([...new Set(MUTATIONS.map(({ law }) => law))].sort()).toEqual(Object.keys(LAWS).sort());
});

test.concurrent.for(MUTATIONS)('$law: is broken where $what', async ({ law, edits }) => {
  const folder = copyOfSources();
  for (const { file, find, replace } of edits) {
    const text = readFileSync(join(folder, file), 'utf8');
    expect(text.split(find).length - 1, `of ${JSON.stringify(find)} in ${file}`).toBe(1);
    writeFileSync(
      join(folder, file),
      text.replace(find, () => replace),
    );
  }
  expect(await simulate(folder, 60)).toMatch(new RegExp(`^broken in [\\d,]+ worlds: ${law} `, 'm'));
});

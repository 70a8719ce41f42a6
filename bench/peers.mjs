/**
 * Other tools with as much that is up to date: as many targets, each made of a file of its own and of another
 * target. They are measured where they are installed, on the PATH or, by `npm install --no-save rust-just turbo
 * wireit`, in `node_modules`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { git, isThere, makeScratch, timed } from './rig.mjs';

const json = (folder, name, value) => writeFileSync(join(folder, name), JSON.stringify(value));
const ids = (count) => Array.from({ length: count }, (_, n) => n);
const need = (n) => (n === 0 ? [] : [(n - 1) >> 1]);
const touch = (n) => `touch done/${n}`;

/**
 * What writes the project for a tool, what is typed in it, and up to how many targets it is worth waiting for. A tool
 * that is slow to do it all for the first time is left out of the short form.
 */
const TOOLS = {
  make: {
    most: Infinity,
    write(folder, count) {
      const rules = ids(count).map(
        (n) => `done/${n}: milestones/${n}.md ${need(n).map((m) => `done/${m}`)}\n\t@${touch(n)}\n`,
      );
      const all = ids(count).map((n) => `done/${n}`);
      writeFileSync(join(folder, 'Makefile'), `all: ${all.join(' ')}\n${rules.join('')}`);
    },
    argv: ['make'],
  },
  ninja: {
    most: Infinity,
    write(folder, count) {
      const edges = ids(count).map(
        (n) => `build done/${n}: touch milestones/${n}.md ${need(n).map((m) => `done/${m}`)}\n`,
      );
      writeFileSync(join(folder, 'build.ninja'), `rule touch\n  command = touch $out\n${edges.join('')}`);
    },
    argv: ['ninja'],
  },
  /** It asks of no recipe whether it is up to date: each is empty, so that there is nothing to do. */
  just: {
    most: 1000,
    write(folder, count) {
      const recipes = ids(count).map((n) => `t${n}: ${need(n).map((m) => `t${m}`)}\n`);
      writeFileSync(
        join(folder, 'justfile'),
        `all: ${ids(count)
          .map((n) => `t${n}`)
          .join(' ')}\n${recipes.join('')}`,
      );
    },
    argv: ['just'],
  },
  turbo: {
    most: 1000,
    slow: true,
    write(folder, count) {
      const scripts = Object.fromEntries(ids(count).map((n) => [`t${n}`, touch(n)]));
      json(folder, 'package.json', { name: 'targets', private: true, packageManager: 'npm@10.8.2', scripts });
      json(folder, 'package-lock.json', { name: 'targets', lockfileVersion: 3, packages: { '': {} } });
      const tasks = Object.fromEntries(
        ids(count).map((n) => [
          `t${n}`,
          {
            inputs: [`milestones/${n}.md`],
            outputs: [`done/${n}`],
            dependsOn: need(n).map((m) => `t${m}`),
          },
        ]),
      );
      json(folder, 'turbo.json', { tasks });
      git(folder, 'init', '-q');
    },
    argv: (count) => ['turbo', 'run', ...ids(count).map((n) => `t${n}`)],
  },
  wireit: {
    most: 1000,
    slow: true,
    write(folder, count) {
      const names = ids(count).map((n) => `t${n}`);
      const scripts = Object.fromEntries(['all', ...names].map((name) => [name, 'wireit']));
      const wireit = Object.fromEntries(
        ids(count).map((n) => [
          `t${n}`,
          {
            command: touch(n),
            files: [`milestones/${n}.md`],
            output: [`done/${n}`],
            dependencies: need(n).map((m) => `t${m}`),
          },
        ]),
      );
      json(folder, 'package.json', {
        name: 'targets',
        scripts,
        wireit: { ...wireit, all: { dependencies: names } },
      });
    },
    argv: ['npm', 'run', 'all'],
  },
};

/** Acts by the tools' names, each once done already; tools that are missing are named on stderr. */
export async function peersOf(count, env, { short }) {
  const acts = {};
  const missing = [];
  for (const [tool, { most, slow = false, write, argv }] of Object.entries(TOOLS)) {
    if (count > most || (short && slow)) continue;
    if (!isThere(tool)) {
      missing.push(tool);
      continue;
    }
    const folder = makeScratch(tool);
    for (const name of ['milestones', 'done']) mkdirSync(join(folder, name));
    for (const n of ids(count)) writeFileSync(join(folder, 'milestones', `${n}.md`), 'text\n'.repeat(400));
    write(folder, count);
    const [command, ...args] = typeof argv === 'function' ? argv(count) : argv;
    acts[tool] = () =>
      timed(command, args, {
        cwd: folder,
        env: { ...env, TURBO_TELEMETRY_DISABLED: '1', npm_config_update_notifier: 'false' },
      });
    const first = await acts[tool]();
    if (first.code !== 0)
      throw new Error(`${tool}: exit ${first.code}: ${(first.out + first.err).slice(-2000)}`);
  }
  if (missing.length > 0) process.stderr.write(`Not measured, since not installed: ${missing.join(', ')}\n`);
  return acts;
}

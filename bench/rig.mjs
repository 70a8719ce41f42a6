/** What every part of the bench uses: scratch projects, runs in turns, medians, tables. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const home = dirname(dirname(fileURLToPath(import.meta.url)));
export const mstone = join(home, 'bin', 'mstone.js');

export const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

/** Exponent of the power law through points `[size, cost]`: the slope where both are drawn by their logarithms. */
export function exponent(points) {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)]);
  const mean = (index) => logs.reduce((sum, point) => sum + point[index], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const over = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  return over / logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
}

/** A folder that is gone when the part is done. */
const scratch = [];
export function makeScratch(name) {
  const folder = mkdtempSync(join(tmpdir(), `mstone-bench-${name}-`));
  scratch.push(folder);
  return folder;
}
const sweep = () => {
  for (const folder of scratch.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
};

/** Nothing of the user's: no configuration, no state, no colours. */
export const environment = (folder) => ({
  PATH: process.env.PATH,
  HOME: folder,
  XDG_STATE_HOME: join(folder, 'state'),
  XDG_CONFIG_HOME: join(folder, 'config'),
  XDG_CACHE_HOME: join(folder, 'cache'),
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'bench',
  GIT_AUTHOR_EMAIL: 'bench@localhost',
  GIT_COMMITTER_NAME: 'bench',
  GIT_COMMITTER_EMAIL: 'bench@localhost',
  MSTONE_PRESSURE: 'false',
  NO_COLOR: '1',
  CI: '1',
});

export const git = (root, ...args) =>
  execFileSync('git', ['-C', root, ...args], {
    env: environment(dirname(root)),
    encoding: 'utf8',
    maxBuffer: 1e9,
  }).trimEnd();

const letters = (n) =>
  (n < 26 ? '' : String.fromCharCode(64 + Math.floor(n / 26))) + String.fromCharCode(65 + (n % 26));

/** A committed repository with `count` milestones, a hundred a stage; `recipe(n)` and `needs(n, id)` say what each is. */
export function makeProject({
  name,
  count,
  recipe,
  needs = () => [],
  config = '',
  perStage = 100,
  files = 20,
}) {
  const root = join(makeScratch(name), 'project');
  mkdirSync(join(root, 'milestones'), { recursive: true });
  const ids = Array.from(
    { length: count },
    (_, n) => `${1 + Math.floor(n / perStage)}${letters(n % perStage)}`,
  );
  for (const [n, id] of ids.entries()) {
    const front = needs(n).map((at) => ids[at]);
    writeFileSync(
      join(root, 'milestones', `${id}.md`),
      `---\nestimate: 45m\n${front.length > 0 ? `depends_on: [${front.join(', ')}]\n` : ''}---\n# Milestone ${id} - Part ${n}\n\n## Description\n\n${'What is to be built, and why it is built so. '.repeat(30)}\n\n## Exit Criteria\n\n- it works\n\n## Recipe\n\n\`\`\`sh\n${recipe(n)}\n\`\`\`\n`,
    );
  }
  for (let n = 0; n < files; n += 1) writeFileSync(join(root, `file${n}.txt`), `${n}\n`.repeat(20));
  writeFileSync(join(root, 'mstone.yaml'), `agent: recipe\nreview: false\nchecks: []\n${config}`);
  git(dirname(root), 'init', '-q', '-b', 'main', root);
  git(root, 'add', '-A');
  git(root, 'commit', '-q', '-m', 'Milestones');
  return { root, ids, env: environment(dirname(root)) };
}

/** Runs a program to its end; ms on the wall, and of the processor: its own and that of all it waited for. */
export function timed(command, args, { cwd, env, input } = {}) {
  return new Promise((resolve, reject) => {
    const begun = performance.now();
    const folder = makeScratch('timed');
    // `times` of a shell that has waited for it: user and system, of everything below it.
    const script = `cd '${cwd ?? process.cwd()}' && { "$@" >'${folder}/out' 2>'${folder}/err'; code=$?; times >'${folder}/times'; exit $code; }`;
    const child = spawn('bash', ['-c', script, 'bash', command, ...args], {
      env: env ?? process.env,
      stdio: [input === undefined ? 'ignore' : 'pipe', 'ignore', 'inherit'],
    });
    child.stdin?.end(input);
    child.once('error', reject);
    child.once('exit', (code) => {
      const ms = performance.now() - begun;
      const read = (name) => execFileSync('cat', [join(folder, name)], { encoding: 'utf8', maxBuffer: 1e9 });
      const [, , user = 0, system = 0] = [...read('times').matchAll(/(\d+)m([\d.]+)s/g)].map(
        ([, minutes, seconds]) => Number(minutes) * 60_000 + Number(seconds) * 1000,
      );
      resolve({ code, ms, cpuMs: user + system, out: read('out'), err: read('err') });
    });
  });
}

/** Does each of `acts` (by name) `rounds` times, in turns, so that what else the machine does hits all alike. */
export async function inTurns(rounds, acts) {
  const results = new Map(Object.keys(acts).map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, act] of Object.entries(acts)) results.get(name).push(await act(round));
  }
  return results;
}

/**
 * One line of a table. `target` is the most that is aimed at; what is a `law` breaks the short form where it is
 * more than twice that. Ratios and counts only: a time is no law.
 */
export const row = (what, value, { target, law = true, note = '' } = {}) => ({
  what,
  value,
  target,
  law,
  note,
});

/** A figure as tables show it. */
export const shown = (value) => {
  if (!Number.isFinite(value)) return String(value);
  return Number.isInteger(value) || value >= 10 ? value.toFixed(0) : value.toFixed(2);
};

/** What a row is worth beside its target; nothing where it has none. */
export const verdict = ({ value, target }) => {
  if (target === undefined) return '';
  if (value <= target) return 'met';
  return value <= 2 * target ? 'missed' : 'far off';
};

export function printTable(title, rows) {
  const lines = rows.map((row) => [
    row.what,
    shown(row.value),
    row.target === undefined ? '' : `<= ${row.target}`,
    isLawBroken(row) ? 'BROKEN' : verdict(row),
    row.note,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...lines.map((line) => line[column].length)));
  process.stdout.write(`\n${title}\n`);
  for (const line of lines) {
    const [what, value, target, worth, note] = line.map((text, column) =>
      column === 1 ? text.padStart(widths[column]) : text.padEnd(widths[column] ?? 0),
    );
    process.stdout.write(`  ${what}  ${value}  ${target}  ${worth}  ${note}`.trimEnd().concat('\n'));
  }
}

export const machine = () => ({
  cores: cpus().length,
  processor: cpus()[0]?.model ?? '',
  memoryGB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
  git: execFileSync('git', ['--version'], { encoding: 'utf8' }).trim(),
  os: `${process.platform} ${process.arch}`,
});

export const isThere = (program) => {
  try {
    execFileSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

/** What else a machine does may break a law for a while: a part is measured so often before it is believed. */
const TRIES = 3;

/** Measures one part, prints its table, and gives it for the JSON. */
export async function runPart(part, options) {
  for (let tries = 1; ; tries += 1) {
    try {
      const measured = { title: part.title, rows: await part.measure(options) };
      printTable(part.title, measured.rows);
      if (tries === TRIES || !isBroken([measured])) return measured;
      process.stdout.write('  (a law is broken: measured once more)\n');
    } finally {
      sweep();
    }
  }
}

/** `node bench/<part>.mjs [--short]` is that part alone. */
export async function alone(url, part) {
  if (url !== pathToFileURL(process.argv[1] ?? '').href) return;
  const short = process.argv.includes('--short');
  const done = await runPart(part, { short });
  process.stdout.write(`\n${JSON.stringify({ machine: machine(), short, parts: [done] })}\n`);
  process.exitCode = isBroken([done]) ? 1 : 0;
}

const isLawBroken = ({ value, target, law }) => law && target !== undefined && !(value <= 2 * target);

export const isBroken = (parts) => parts.some(({ rows }) => rows.some(isLawBroken));

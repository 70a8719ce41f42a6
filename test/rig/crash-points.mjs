/*
 * Loaded before mstone (`node --import`): gives every act on disk, every git command that changes something
 * and every start of an agent a name, and ends the process by a real SIGKILL before or after one of them.
 *
 *   CRASH_LIST=<file>    writes the names down, one a line, `<name>#<nth>`; what is there already counts
 *   CRASH_PLAN=<file>    lines `<name>#<nth> before` or `… after`: kills at each, once
 *                        `… full`, of an append to the journal: half of it is written, and there is no more room
 *   CRASH_HIT=<file>     where each is written down before it kills
 *
 * It wraps Node's own modules, so product code has no hook and no act can be forgotten: what is not
 * named here does not reach a disk, a process or a ref.
 */
import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname } from 'node:path';

const { CRASH_LIST: list, CRASH_PLAN: plan, CRASH_HIT: hit } = process.env;
// What mstone starts is not to be killed.
for (const name of ['CRASH_LIST', 'CRASH_PLAN', 'CRASH_HIT', 'NODE_OPTIONS']) delete process.env[name];

// Taken before anything is wrapped.
const {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeSync,
} = fs;
const linesOf = (file) =>
  file !== undefined && existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
const counts = new Map();
for (const line of linesOf(list)) {
  const name = line.slice(0, line.lastIndexOf('#'));
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
const struck = new Set(linesOf(hit));
const pending = new Set(linesOf(plan).filter((point) => !struck.has(point)));
const log = list === undefined ? undefined : openSync(list, 'a');
/** Node's own functions call each other: only the outermost is an act. */
let inside = false;

function strike(point) {
  const fd = openSync(hit, 'a');
  writeSync(fd, `${point}\n`);
  closeSync(fd);
}

function die(point) {
  strike(point);
  process.kill(process.pid, 'SIGKILL');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/** Counts an act; returns what is to be called when it is done. */
function arrive(name) {
  const nth = (counts.get(name) ?? 0) + 1;
  counts.set(name, nth);
  const point = `${name}#${nth}`;
  if (log !== undefined) writeSync(log, `${point}\n`);
  if (pending.has(`${point} before`)) die(`${point} before`);
  return pending.has(`${point} after`) ? () => die(`${point} after`) : () => undefined;
}

/** Names that are the same in every run: what is random, or counts processes, becomes a star. */
const stable = (text) =>
  String(text)
    .replaceAll(/\b[0-9a-f]{40,64}\b/g, '*')
    .replaceAll(/\b[0-9A-HJKMNP-TV-Z]{26}\b/g, '*')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f-]{27}\b/g, '*')
    .replaceAll(/mstone-test-\w+/g, '*')
    .replaceAll(/\d{4,}/g, '*')
    .replaceAll(/(\.part-|\.)[A-Za-z0-9]{6}$/g, '$1*');

const place = (path) => {
  const text = String(path instanceof URL ? path.pathname : path);
  return stable(`${basename(dirname(text))}/${basename(text)}`);
};

/** What a line of the journal says. */
function journalled(bytes) {
  const types = Buffer.from(bytes)
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const event = JSON.parse(line);
      const { effect } = event;
      const item = event.item ?? effect?.item;
      return `${event.type}${item === undefined ? '' : ` ${item}`}${effect?.purpose === undefined ? '' : ` ${effect.purpose}`}`;
    });
  return types.join(' + ');
}

// Acts of node:fs, in all three forms. What only reads is no point.
const BY_PATH = [
  'rename',
  'unlink',
  'rm',
  'rmdir',
  'mkdir',
  'mkdtemp',
  'link',
  'symlink',
  'chmod',
  'copyFile',
  'cp',
  'truncate',
  'utimes',
  'writeFile',
  'appendFile',
]; // prettier-ignore

/** The name of an act, or undefined where there is none: a folder that exists is not made. */
function nameOf(act, args) {
  if (inside) return undefined;
  if (act === 'mkdir' && statSync(args[0], { throwIfNoEntry: false }) !== undefined) return undefined;
  if ((act === 'rm' || act === 'unlink') && lstatSync(args[0], { throwIfNoEntry: false }) === undefined)
    return undefined;
  return `${act} ${place(act === 'rename' || act === 'link' || act === 'symlink' || act === 'copyFile' ? args[1] : args[0])}`;
}

function atOnce(name, real) {
  const done = arrive(name);
  inside = true;
  try {
    return real();
  } finally {
    inside = false;
    done();
  }
}

for (const act of BY_PATH) {
  const promised = fs.promises[act];
  if (promised !== undefined) {
    fs.promises[act] = async (...args) => {
      const name = nameOf(act, args);
      if (name === undefined) return promised.apply(fs.promises, args);
      const done = arrive(name);
      const result = await promised.apply(fs.promises, args);
      done();
      return result;
    };
  }
  const sync = fs[`${act}Sync`];
  if (sync !== undefined) {
    fs[`${act}Sync`] = (...args) => {
      const name = nameOf(act, args);
      if (name === undefined) return sync.apply(fs, args);
      return atOnce(name, () => sync.apply(fs, args));
    };
  }
  const called = fs[act];
  if (called !== undefined && act !== 'mkdtemp') {
    fs[act] = (...args) => {
      const name = nameOf(act, args);
      const callback = args.at(-1);
      if (name === undefined || typeof callback !== 'function') return called.apply(fs, args);
      const done = arrive(name);
      return called.apply(fs, [
        ...args.slice(0, -1),
        (...results) => {
          done();
          callback(...results);
        },
      ]);
    };
  }
}

/** Where a descriptor leads; `undefined` for what is neither a file nor a folder. */
const fileOf = (fd) => {
  const is = fstatSync(fd);
  return is.isFile() || is.isDirectory() ? readlinkSync(`/proc/self/fd/${fd}`) : undefined;
};

function written(act, fd, data) {
  if (inside || fd === log) return undefined;
  const file = fileOf(fd);
  if (file === undefined) return undefined;
  const bytes = act === 'write' && basename(file) === 'journal.ndjson' && typeof data === 'object';
  return bytes ? `journal ${journalled(data)}` : `${act} ${place(file)}`;
}

const handle = await fs.promises.open(new URL(import.meta.url), 'r');
const handles = Object.getPrototypeOf(handle);
await handle.close();
for (const act of ['write', 'writeFile', 'appendFile', 'sync', 'datasync', 'truncate', 'chmod']) {
  const real = handles[act];
  handles[act] = async function (...args) {
    const name = written(act, this.fd, args[0]);
    if (name === undefined) return real.apply(this, args);
    const done = arrive(name);
    const full = `${name}#${counts.get(name)} full`;
    if (pending.delete(full)) {
      strike(full);
      return real.call(this, args[0].subarray(0, args[0].length >> 1));
    }
    const result = await real.apply(this, args);
    done();
    return result;
  };
}
for (const act of ['write', 'fsync', 'fdatasync', 'ftruncate', 'fchmod']) {
  const sync = fs[`${act}Sync`];
  fs[`${act}Sync`] = (fd, ...args) => {
    const name = written(act, fd, args[0]);
    if (name === undefined) return sync.call(fs, fd, ...args);
    return atOnce(name, () => sync.call(fs, fd, ...args));
  };
  const called = fs[act];
  fs[act] = (fd, ...args) => {
    const name = written(act, fd, args[0]);
    if (name === undefined) return called.call(fs, fd, ...args);
    const done = arrive(name);
    const callback = args.at(-1);
    return called.call(fs, fd, ...args.slice(0, -1), (...results) => {
      done();
      callback(...results);
    });
  };
}

/** Commands of git that leave everything as it is. */
const READS = new Set([
  'cat-file',
  'check-attr',
  'check-ignore',
  'check-ref-format',
  'diff',
  'diff-files',
  'diff-index',
  'diff-tree',
  'for-each-ref',
  'fsck',
  'log',
  'ls-files',
  'ls-tree',
  'merge-base',
  'name-rev',
  'rev-list',
  'rev-parse',
  'show',
  'show-ref',
  'status',
  'var',
  'version',
  '--version',
]); // prettier-ignore

/** Git's subcommand and what is telling of its arguments. */
function gitName(args) {
  const words = [...args];
  while (words.length > 0) {
    if (words[0] === '-c' || words[0] === '-C' || words[0] === '--git-dir' || words[0] === '--work-tree')
      words.splice(0, 2);
    else if (words[0].startsWith('-') && words[0] !== '--version') words.shift();
    else break;
  }
  const [command = ''] = words;
  if (READS.has(command)) return undefined;
  if (command === 'config' && words.some((word) => /^--(get|list)/.test(word))) return undefined;
  if (command === 'worktree' && words[1] === 'list') return undefined;
  if (command === 'symbolic-ref' && words.length <= 3 && words.includes('-q')) return undefined;
  return `git ${stable(
    words
      .filter((word) => !word.startsWith('/'))
      .slice(0, 4)
      .join(' '),
  )}`;
}

/** The name of a start, or undefined where nothing is changed by it. */
function startName(command, args, cwd) {
  const program = basename(String(command));
  const name =
    program === 'git' || /^git\b/.test(program)
      ? gitName(args)
      : program === 'sh' && args[2] === 'mstone'
        ? `start ${place(args[3])}`
        : program === 'ps'
          ? undefined
          : `run ${program} ${stable(args.at(-1))}`;
  if (name === undefined) return undefined;
  return `${name}${cwd === undefined ? '' : ` in ${stable(basename(String(cwd)))}`}`;
}

const { fork, spawn } = childProcess;
childProcess.spawn = (command, args, options) => {
  const name = startName(command, args, options?.cwd);
  if (name === undefined) return spawn(command, args, options);
  const done = arrive(name);
  const child = spawn(command, args, options);
  child.once(name.startsWith('start ') ? 'spawn' : 'exit', done);
  return child;
};

// What is started by way of the starter is started all the same.
childProcess.fork = (file, args, options) => {
  const starter = fork(file, args, options);
  const send = starter.send.bind(starter);
  const under = new Map();
  starter.send = (message, ...rest) => {
    const name =
      message.request && startName(message.request.command, message.request.args, message.request.cwd);
    if (name !== undefined) under.set(message.id, arrive(name));
    return send(message, ...rest);
  };
  starter.on('message', ({ is, id }) => {
    if (is !== 'done' && is !== 'started') return;
    under.get(id)?.();
    under.delete(id);
  });
  return starter;
};

syncBuiltinESMExports();

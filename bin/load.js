/*
 * Runs the files of the bundle, and keeps what V8 compiled of them for the next start.
 *
 *   <name>-<hash>.cjs                  source; the hash is its content's
 *   <name>-<hash>.cjs.<version>.v8     32 bytes of SHA-256, then what V8 compiled of it
 *
 * They are kept beside the bundle where that can be written, else in the user's cache folder, else nowhere.
 * V8 itself believes a damaged file, hence the sum. Whatever is wrong with one, or with writing it, costs the
 * time to compile anew and nothing else, so no error is told.
 */
const { createHash } = require('node:crypto');
const { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs');
const { createRequire } = require('node:module');
const { homedir } = require('node:os');
const { join } = require('node:path');
const { Script } = require('node:vm');

const SUM_BYTES = 32;

/** Runs file `name` of `folder`, and of that folder's files what it requires; gives what it exports. */
exports.load = (folder, name) => {
  const places = [folder, join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mstone', 'code')];
  const loaded = new Map();
  /** Scripts that were compiled without help, by the name to keep them under. */
  const fresh = new Map();

  function run(file) {
    const known = loaded.get(file);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    loaded.set(file, module);
    const path = join(folder, file);
    const keptAs = `${file}.${process.version}-${process.arch}.v8`;
    const cachedData = read(places, keptAs);
    const script = new Script(
      `(function (exports, require, module, __filename, __dirname) {${readFileSync(path, 'utf8')}\n})`,
      { filename: path, cachedData },
    );
    if (cachedData === undefined || script.cachedDataRejected) fresh.set(keptAs, script);
    const ofNode = createRequire(path);
    const ours = (id) => (id.startsWith('./') ? run(id.slice(2)) : ofNode(id));
    script.runInThisContext()(module.exports, ours, module, path, folder);
    return module.exports;
  }

  // At the end, when most of what a command needs has been compiled.
  process.once('exit', () => {
    for (const [keptAs, script] of fresh) keep(places, keptAs, script.createCachedData());
  });
  return run(name);
};

const sumOf = (data) => createHash('sha256').update(data).digest();

function read(places, keptAs) {
  for (const place of places) {
    try {
      const kept = readFileSync(join(place, keptAs));
      const data = kept.subarray(SUM_BYTES);
      if (sumOf(data).equals(kept.subarray(0, SUM_BYTES))) return data;
    } catch {
      // Not here.
    }
  }
  return undefined;
}

function keep(places, keptAs, data) {
  for (const place of places) {
    const part = join(place, `${keptAs}.${process.pid}`);
    try {
      mkdirSync(place, { recursive: true });
    } catch {
      continue;
    }
    try {
      writeFileSync(part, Buffer.concat([sumOf(data), data]));
      renameSync(part, join(place, keptAs));
      return;
    } catch {
      // Not ours to write, or full.
      rmSync(part, { force: true });
    }
  }
}

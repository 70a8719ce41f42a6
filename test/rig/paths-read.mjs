/** `node --import` of this file: writes every path that the process asks the disk about, a line each, to PATHS_READ. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const READING = 'access exists lstat open opendir readFile readdir readlink realpath stat statfs'.split(' ');
const asked = new Set();

function listen(owner, name) {
  const own = owner[name];
  if (typeof own !== 'function') return;
  owner[name] = Object.assign((path, ...rest) => {
    if (typeof path === 'string') asked.add(resolve(path));
    else if (path instanceof URL) asked.add(fileURLToPath(path));
    return own.call(owner, path, ...rest);
  }, own);
}

for (const name of READING) {
  listen(fs, name);
  listen(fs, `${name}Sync`);
  listen(fs.promises, name);
}
syncBuiltinESMExports();
const { writeFileSync } = fs;
process.once('exit', () => writeFileSync(process.env.PATHS_READ, [...asked].join('\n')));

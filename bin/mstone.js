#!/usr/bin/env node
// CommonJS, which Node starts quicker than modules.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const bundle = join(__dirname, '..', 'dist', 'bundle');

/** What is loaded first, and what is loaded where that has no answer. */
function entry() {
  try {
    return readFileSync(join(bundle, 'entry'), 'utf8').trim().split('\n');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`mstone needs Node 20.19 or newer; this is ${process.versions.node}.\n`);
  process.exitCode = 2;
} else {
  const built = entry();
  if (built === undefined) {
    process.stderr.write('mstone is not built yet. Type: npm run build\n');
    process.exitCode = 2;
  } else {
    const [door, main] = built;
    require(join(bundle, door))
      .answer(process.argv.slice(2), bundle)
      .then((done) => done || require('./load.js').load(bundle, main).start());
  }
}

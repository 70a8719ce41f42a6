#!/usr/bin/env node
// CommonJS, which Node starts quicker than modules.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const bundle = join(__dirname, '..', 'dist', 'bundle');

function entry() {
  try {
    return readFileSync(join(bundle, 'entry'), 'utf8').trim();
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`mstone needs Node 20.19 or newer; this is ${process.versions.node}.\n`);
  process.exitCode = 2;
} else {
  const main = entry();
  if (main === undefined) {
    process.stderr.write('mstone is not built yet. Type: npm run build\n');
    process.exitCode = 2;
  } else {
    require('./load.js').load(bundle, main).start();
  }
}

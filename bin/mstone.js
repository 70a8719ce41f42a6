#!/usr/bin/env node
import { existsSync } from 'node:fs';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const main = new URL('../dist/cli/index.js', import.meta.url);

if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`mstone needs Node 20.19 or newer; this is ${process.versions.node}.\n`);
  process.exitCode = 2;
} else if (!existsSync(main)) {
  process.stderr.write('mstone is not built yet. Type: npm run build\n');
  process.exitCode = 2;
} else {
  const { start } = await import(main.href);
  await start();
}

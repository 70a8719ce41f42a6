// Makes a fresh clone ready: installs what the lockfile names, compiles and bundles. Does nothing twice.
const { spawn, spawnSync } = require('node:child_process');
const { existsSync, lstatSync, statSync } = require('node:fs');
const { dirname, join } = require('node:path');

const root = dirname(__dirname);
const installed = join(root, 'node_modules', '.package-lock.json');
const lock = join(root, 'package-lock.json');
const options = { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], shell: process.platform === 'win32' };

// A linked folder is somebody else's to install.
const linked = lstatSync(join(root, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink() ?? false;

if (!linked && (!existsSync(installed) || statSync(lock).mtimeMs > statSync(installed).mtimeMs)) {
  process.stderr.write('Installing dependencies…\n');
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { status } = spawnSync('npm', ['ci', ...flags], options);
  if (status !== 0) process.exit(status ?? 1);
}

// The compiler says what is wrong; the bundle is what runs.
for (const args of [
  [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', join(root, 'tsconfig.build.json')],
  [join(root, 'bin', 'bundle.mjs')],
]) {
  spawn(process.execPath, args, { ...options, shell: false }).once('exit', (status) => {
    if (status !== 0) process.exitCode = status ?? 1;
  });
}

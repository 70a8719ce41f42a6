/*
 * Bundles src/ into dist/bundle/, so that a start reads few files:
 *
 *   entry                  the names of two files, a line each: what is loaded first, and what exports `start`
 *   door-<hash>.cjs        what is loaded first; a file of its own, with all that it needs
 *   <name>-<hash>.cjs      a command, or what several commands share; each is loaded when it is needed
 *   <name>-<hash>.cjs.map  for the stack of a bug
 *   acp-bridge.cjs         a program of its own, started by agents of kind `acp`
 *   starter.cjs            a program of its own, which starts others for a run
 *   version.txt, help*.txt what `--version` and `--help` of each command say
 *   LICENSES.txt           of the packages that are in it
 *
 * Files of another build stay for an hour: what runs may not have loaded all of its own yet.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'dist', 'bundle');
const STALE_MS = 3_600_000;
/** `import.meta.url` where there are no modules. */
const URL_NAME = 'urlOfThisFile';
const URL_LINE = `const ${URL_NAME} = require('node:url').pathToFileURL(__filename).href;`;

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  outdir: folder,
  entryNames: '[name]-[hash]',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': URL_NAME },
  legalComments: 'none',
  sourcesContent: false,
  metafile: true,
  write: false,
};

// Splitting is there for modules only, and modules cannot be started from what V8 kept of them: so first one,
// then the other.
const { outputFiles, metafile } = await build({
  ...common,
  entryPoints: [
    'src/cli/index.ts',
    'src/cli/told.ts',
    'src/agent/acp-bridge.ts',
    'src/process/starter-program.ts',
  ],
  splitting: true,
  format: 'esm',
  chunkNames: '[name]-[hash]',
  sourcemap: 'inline',
});
const door = await build({
  ...common,
  entryPoints: ['src/cli/door.ts'],
  format: 'cjs',
  banner: { js: URL_LINE },
  sourcemap: 'external',
});

const files = new Map();
await Promise.all(
  outputFiles.map(async ({ path, text }) => {
    const name = basename(path);
    const { code, map } = await transform(text, {
      sourcefile: name,
      format: 'cjs',
      platform: 'node',
      target: 'node20.19',
      supported: { 'dynamic-import': false },
      sourcemap: 'external',
      sourcesContent: false,
      // In the first line, so that no line of the map moves.
      banner: text.includes(URL_NAME) ? URL_LINE : '',
    });
    files.set(name, code);
    files.set(`${name}.map`, map);
  }),
);

for (const { path, text } of door.outputFiles) files.set(basename(path), text);

const builtFrom = (source) =>
  basename(Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source)[0]);
files.set('LICENSES.txt', licences());
files.set('acp-bridge.cjs', `require('./${builtFrom('src/agent/acp-bridge.ts')}');\n`);
files.set('starter.cjs', `require('./${builtFrom('src/process/starter-program.ts')}');\n`);

mkdirSync(folder, { recursive: true });
for (const [name, content] of files) write(name, content);
const { tellAll } = createRequire(import.meta.url)(join(folder, builtFrom('src/cli/told.ts')));
for (const [name, content] of await tellAll()) {
  files.set(name, content);
  write(name, content);
}
// Last, when all that it leads to is there.
const entry = `${[...files.keys()].find((name) => /^door-.*\.cjs$/.test(name))}\n${builtFrom('src/cli/index.ts')}\n`;
files.set('entry', entry);
write('entry', entry);
for (const name of readdirSync(folder)) {
  if (files.has(name) || (name.endsWith('.v8') && files.has(name.replace(/\.v\d[^/]*\.v8$/, '')))) continue;
  const path = join(folder, name);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats !== undefined && Date.now() - stats.mtimeMs > STALE_MS) rmSync(path, { force: true });
}

/** Whole or not at all, and only what differs: another build, or mstone itself, may be at work here. */
function write(name, content) {
  const path = join(folder, name);
  if (statSync(path, { throwIfNoEntry: false }) !== undefined && readFileSync(path, 'utf8') === content)
    return;
  const part = `${path}.${process.pid}`;
  writeFileSync(part, content);
  renameSync(part, path);
}

function licences() {
  const packages = new Set(
    Object.keys(metafile.inputs).flatMap(
      (input) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0] ?? [],
    ),
  );
  return [...packages]
    .sort()
    .map((path) => {
      const { name, version, license } = JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8'));
      const file = readdirSync(join(root, path)).find((entry) => /^licen[cs]e/i.test(entry));
      const text = file === undefined ? '' : `\n${readFileSync(join(root, path, file), 'utf8').trim()}\n`;
      return `${name} ${version}: ${license}\n${text}`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

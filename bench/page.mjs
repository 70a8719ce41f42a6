/** `docs/performance.md`: a document of `run.mjs` as a page. `node bench/page.mjs` writes it anew from `docs/performance.json`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { shown, verdict } from './rig.mjs';

const at = (name) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));

const text = (value) => String(value).replaceAll('|', '\\|');

function table({ title, rows }) {
  const lines = rows.map(
    (row) =>
      `| ${[
        row.what,
        shown(row.value),
        row.target === undefined ? '' : `<= ${row.target}`,
        verdict(row),
        row.note,
      ]
        .map(text)
        .join(' | ')} |`,
  );
  return `## ${title}\n\n| | measured | target | | |\n|---|--:|--:|---|---|\n${lines.join('\n')}\n`;
}

/** The whole page. `document` is what `npm run bench -- --json FILE` writes. */
export function renderPage({ machine, short, parts }) {
  return `<!-- Written by \`npm run bench -- --page\` from docs/performance.json; not by hand. -->

# Performance

What mstone costs beside what it is compared with, as ratios: both sides are measured in turns in one run, and of
several the median is taken. A target is what is aimed at; what is missed is explained below the tables. An exponent
says how cost grows: 1 is in proportion, 0 not at all.

Measured on ${machine.cores} cores (${machine.processor}), ${machine.memoryGB} GB, ${machine.os}, Node ${machine.node.replace(/^v/, '')}, ${machine.git}, by \`npm run bench\`${short ? ', its short form' : ''}
(\`-- --short\` takes a minute, \`node bench/<part>.mjs\` measures a part alone).

${parts.map(table).join('\n')}
${readFileSync(fileURLToPath(new URL('limits.md', import.meta.url)), 'utf8')}`;
}

/** Keeps a document, and the page that is made of it. */
export function writePage(document) {
  writeFileSync(at('performance.json'), `${JSON.stringify(document, undefined, 2)}\n`);
  writeFileSync(at('performance.md'), renderPage(document));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writePage(JSON.parse(readFileSync(at('performance.json'), 'utf8')));
}

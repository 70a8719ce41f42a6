/**
 * `npm run bench [-- --short] [-- --json FILE] [-- --page]`: all parts, one after the other. Exit 1 where a law is
 * broken, a ratio or a count more than twice its target; never for a time. `--page` writes `docs/performance.md`.
 */
import { writeFileSync } from 'node:fs';
import growth from './growth.mjs';
import isolation from './isolation.mjs';
import journal from './journal.mjs';
import memory from './memory.mjs';
import noop from './noop.mjs';
import order from './order.mjs';
import { writePage } from './page.mjs';
import pipeline from './pipeline.mjs';
import processes from './processes.mjs';
import { isBroken, machine, runPart } from './rig.mjs';
import train from './train.mjs';

const short = process.argv.includes('--short');
const file = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : undefined;

const parts = [];
for (const part of [noop, pipeline, processes, memory, journal, isolation, growth, train, order])
  parts.push(await runPart(part, { short }));
const document = { machine: machine(), short, parts };
if (file !== undefined) writeFileSync(file, `${JSON.stringify(document, undefined, 2)}\n`);
if (process.argv.includes('--page')) writePage(document);
process.exitCode = isBroken(parts) ? 1 : 0;

/**
 * `npm run bench [-- --short] [-- --json FILE]`: all parts, one after the other. Exit 1 where a law is broken, a ratio
 * or a count more than twice its target; never for a time.
 */
import { writeFileSync } from 'node:fs';
import noop from './noop.mjs';
import pipeline from './pipeline.mjs';
import processes from './processes.mjs';
import { isBroken, machine, runPart } from './rig.mjs';
import train from './train.mjs';

const short = process.argv.includes('--short');
const file = process.argv.includes('--json') ? process.argv[process.argv.indexOf('--json') + 1] : undefined;

const parts = [];
for (const part of [noop, pipeline, processes, train]) parts.push(await runPart(part, { short }));
const document = `${JSON.stringify({ machine: machine(), short, parts }, undefined, 2)}\n`;
if (file === undefined) process.stdout.write(`\n${document}`);
else writeFileSync(file, document);
process.exitCode = isBroken(parts) ? 1 : 0;

/** What the journal costs: fsyncs while it is written, time when it is read. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { alone, inTurns, makeProject, makeScratch, median, mstone, row, timed } from './rig.mjs';

const counter = fileURLToPath(new URL('count-fsyncs.cjs', import.meta.url));

/** A project through which mstone has run, and how often it asked the disk to keep what it wrote, by file. */
async function ran(count) {
  const project = makeProject({
    name: 'journal',
    count,
    recipe: (n) => `sleep 0.2; echo ${n} > made-${n}.txt`,
    config: 'jobs: 4\n',
  });
  const file = join(makeScratch('fsyncs'), 'counts');
  const ended = await timed(process.execPath, ['--require', counter, mstone, 'run', '--output', 'quiet'], {
    cwd: project.root,
    env: { ...project.env, COUNT_FSYNCS: file },
  });
  if (ended.code !== 0) throw new Error(`exit ${ended.code}: ${ended.err.slice(-2000)}`);
  return { project, fsyncs: { journal: 0, other: 0, ...JSON.parse(readFileSync(file, 'utf8')) } };
}

/** Makes a run's journal `lines` long, before its last: notes, as a run writes them. Gives the file. */
function lengthen({ root }, lines) {
  const runs = join(root, '.git', 'mstone', 'runs');
  const file = join(runs, readdirSync(runs)[0], 'journal.ndjson');
  const events = readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = events.pop();
  const { v, at, run } = last;
  while (events.length < lines - 1) {
    const text = `its brief was longer than 100000 characters (brief_limit): left out notes, ${events.length}`;
    events.push({ v, at, run, type: 'note', milestone: '1A', item: '1A', text });
  }
  writeFileSync(
    file,
    [...events, last]
      .map(({ v, seq: _seq, sum: _sum, ...event }, index) => {
        const body = JSON.stringify({ v, seq: index + 1, ...event });
        const sum = createHash('sha256').update(body).digest('hex').slice(0, 16);
        return `${body.slice(0, -1)},"sum":"${sum}"}\n`;
      })
      .join(''),
  );
  return file;
}

const part = {
  title: 'Journal',
  async measure({ short }) {
    const [count, lines] = short ? [16, 20_000] : [50, 100_000];
    const { project, fsyncs } = await ran(count);
    const file = lengthen(project, lines);
    const empty = join(makeScratch('empty'), 'empty.cjs');
    writeFileSync(empty, '');
    const { env, root } = project;
    // What was said before is not said again: each time the whole of the journal is read.
    const status = (round) => {
      utimesSync(file, Date.now() / 1000, Date.now() / 1000 + round);
      return timed(process.execPath, [mstone, 'status', '--json'], { cwd: root, env });
    };
    await status(0);
    const parse = join(makeScratch('parse'), 'parse.cjs');
    writeFileSync(
      parse,
      "const lines = require('node:fs').readFileSync(process.argv[2], 'utf8').trimEnd().split('\\n');\nmodule.exports = lines.map((line) => JSON.parse(line));\n",
    );
    const results = await inTurns(short ? 3 : 7, {
      node: () => timed(process.execPath, [empty], { env }),
      parse: () => timed(process.execPath, [parse, file], { env }),
      status: (round) => status(round + 1),
    });
    const wrong = results.get('status').find(({ code }) => code !== 0);
    if (wrong !== undefined) throw new Error(`status: exit ${wrong.code}: ${wrong.err}`);
    const of = (name) => median(results.get(name).map(({ cpuMs }) => cpuMs));
    return [
      row(`fsyncs of the journal for each of ${count} milestones, 4 at once`, fsyncs.journal / count, {
        target: 5,
      }),
      row('fsyncs of other files of mstone’s, for each', fsyncs.other / count, { law: false }),
      row(
        `status from a journal of ${lines} events / a script that parses its lines (processor time)`,
        of('status') / of('parse'),
        { target: 2 },
      ),
      row('same / empty node', of('status') / of('node'), { target: 4, law: false }),
      row('the script / empty node', of('parse') / of('node'), { law: false }),
    ];
  },
};
export default part;
await alone(import.meta.url, part);

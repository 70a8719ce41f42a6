// Loaded before mstone (`node --require`): counts its fsyncs by file, and writes them down at its end.
const fs = require('node:fs');
const { syncBuiltinESMExports } = require('node:module');
const { basename } = require('node:path');

const file = process.env.COUNT_FSYNCS;
// What mstone starts is not counted.
for (const name of ['COUNT_FSYNCS', 'NODE_OPTIONS']) delete process.env[name];
const { readlinkSync, writeFileSync } = fs;
const counts = {};
const count = (fd) => {
  const name = basename(readlinkSync(`/proc/self/fd/${fd}`));
  const kind = name === 'journal.ndjson' ? 'journal' : 'other';
  counts[kind] = (counts[kind] ?? 0) + 1;
};

for (const act of ['fsync', 'fdatasync', 'fsyncSync', 'fdatasyncSync']) {
  const real = fs[act];
  fs[act] = (fd, ...rest) => {
    count(fd);
    return real.call(fs, fd, ...rest);
  };
}
void fs.promises.open(__filename, 'r').then(async (handle) => {
  const handles = Object.getPrototypeOf(handle);
  await handle.close();
  for (const act of ['sync', 'datasync']) {
    const real = handles[act];
    handles[act] = function () {
      count(this.fd);
      return real.call(this);
    };
  }
});
syncBuiltinESMExports();
process.once('exit', () => writeFileSync(file, JSON.stringify(counts)));

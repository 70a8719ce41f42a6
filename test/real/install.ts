import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { binFolder, FOLDER_VARIABLE, installFolder, isInstalled, type RealCli, realClis } from './clis.js';

/**
 * Installs what is missing of the pinned CLIs, by npm, once. Without a registry nothing is passed over in
 * silence: the whole run fails and says why.
 */
export default function setup(): void {
  const folder = installFolder();
  mkdirSync(folder, { recursive: true });
  for (const one of realClis.filter((cli) => !isInstalled(cli))) install(folder, one);
}

function install(folder: string, one: RealCli): void {
  const spec = `${one.package}@${one.version}`;
  process.stdout.write(`installing ${spec} into ${folder}\n`);
  // In a folder of its own that gets its name once it is whole: an interrupted download is no installation.
  const making = mkdtempSync(join(folder, 'making-'));
  try {
    writeFileSync(join(making, 'package.json'), '{"private":true}\n');
    const { status, error, stderr } = spawnSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--save-exact', '--', spec],
      { cwd: making, encoding: 'utf8', timeout: 600_000 },
    );
    if (status !== 0) {
      throw new Error(
        `\`npm install ${spec}\` failed, so the real CLIs cannot be driven: ${error?.message ?? stderr.trim().slice(-2000)}\n` +
          `These tests need the npm registry once; or name a folder where they are installed by ${FOLDER_VARIABLE}.`,
      );
    }
    const place = join(folder, one.name);
    rmSync(place, { recursive: true, force: true });
    renameSync(making, place);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  // npm may have been told to run no install scripts, and then some of them have no program.
  const { status, stdout, stderr } = spawnSync(join(binFolder(one), one.program), ['--version'], {
    encoding: 'utf8',
    timeout: 120_000,
  });
  if (status === 0 && stdout.includes(one.version)) return;
  rmSync(join(folder, one.name), { recursive: true, force: true });
  throw new Error(
    `npm installed ${spec}, but \`${one.program}\` does not start: ${stdout ?? ''}${stderr ?? ''}`,
  );
}

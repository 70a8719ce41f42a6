/** Loaded by every command: it needs no schema. */

/** Flags whose twin in the environment is no setting: they say how one command goes, not how the project is. */
export const FLAG_VARIABLES: ReadonlyMap<string, string> = new Map([
  ['--stage', 'MSTONE_STAGE'],
  ['--until', 'MSTONE_UNTIL'],
  ['--only', 'MSTONE_ONLY'],
  ['--with-needs', 'MSTONE_WITH_NEEDS'],
  ['--force', 'MSTONE_FORCE'],
  ['--stale', 'MSTONE_STALE'],
  ['--onto', 'MSTONE_ONTO'],
  ['--keep-going', 'MSTONE_KEEP_GOING'],
  ['--fail-fast', 'MSTONE_FAIL_FAST'],
  ['--commit', 'MSTONE_COMMIT'],
  ['--dry-run', 'MSTONE_DRY_RUN'],
  ['--output', 'MSTONE_OUTPUT'],
  ['--quiet', 'MSTONE_QUIET'],
  ['--profile', 'MSTONE_PROFILE'],
  ['--config', 'MSTONE_CONFIG'],
  ['--deadline', 'MSTONE_DEADLINE'],
  ['--detach', 'MSTONE_DETACH'],
  ['--verbose', 'MSTONE_VERBOSE'],
  ['--from', 'MSTONE_FROM'],
  ['--follow', 'MSTONE_FOLLOW'],
  ['--now', 'MSTONE_STOP_NOW'],
  ['--wait', 'MSTONE_STOP_WAIT'],
  ['--color', 'MSTONE_COLOR'],
  ['-C', 'MSTONE_DIR'],
]);

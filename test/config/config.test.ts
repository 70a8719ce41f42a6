import { describe, expect, test } from 'vitest';
import { type ConfigFlags, type ConfigSources, configKeys, resolveConfig } from '../../src/config/index.js';
import { DEPRECATED, MEANT } from '../../src/config/keys.js';
import type { Config } from '../../src/model/config.js';

interface Said {
  readonly flags?: ConfigFlags;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly project?: string;
  readonly user?: string;
  readonly profile?: string;
}

const sources = ({ flags = {}, env = {}, project, user, profile }: Said): ConfigSources => ({
  flags,
  env,
  cpus: 8,
  ...(profile !== undefined && { profile }),
  ...(project !== undefined && { project: { file: 'mstone.yaml', text: project } }),
  ...(user !== undefined && { user: { file: '~/.config/mstone/config.yaml', text: user } }),
});

/** The configuration of sources in which nothing may be wrong. */
function resolve(said: Said): Config {
  const { config, diagnostics } = resolveConfig(sources(said));
  expect(diagnostics).toEqual([]);
  return config;
}

const told = (said: Said): string[] =>
  resolveConfig(sources(said)).diagnostics.map(
    ({ severity, code, file, line, message, found, fix }) =>
      `${severity} ${code} ${file ?? ''}:${line ?? ''} ${message}${found ? `; ${found}` : ''}${fix ? `; ${fix}` : ''}`,
  );

const CLAUDE = {
  kind: 'claude',
  command: ['claude'],
  args: [],
  permission: 'dontAsk',
  tools: [
    'Bash',
    'Edit',
    'Glob',
    'Grep',
    'NotebookEdit',
    'Read',
    'Skill',
    'Task',
    'TodoWrite',
    'WebFetch',
    'WebSearch',
    'Write',
  ],
  env: {},
} as const;

const DEFAULTS: Config = {
  milestones: 'milestones',
  tasksFile: 'TASKS.md',
  jobs: 4,
  checks: [],
  stageChecks: [],
  expectTests: 'auto',
  secrets: { allowed: [] },
  review: { rounds: 3, blockOn: ['blocker', 'major'] },
  approval: 'none',
  land: 'each',
  pr: { per: 'stage', remote: 'origin' },
  runBranch: false,
  merge: {
    parallel: 2,
    strict: 'auto',
    forecastMs: 30_000,
    barrier: [
      'package-lock.json',
      'npm-shrinkwrap.json',
      'yarn.lock',
      'pnpm-lock.yaml',
      'bun.lock',
      'Cargo.lock',
      'go.sum',
      'poetry.lock',
      'uv.lock',
      'Pipfile.lock',
      'Gemfile.lock',
      'composer.lock',
      '.github/workflows/**',
      'mstone.yaml',
    ],
  },
  retries: 1,
  backoffMs: 30_000,
  worktrees: { setup: [], copy: [], keep: [], sparse: false },
  agents: {
    recipe: { kind: 'recipe', env: {} },
    claude: CLAUDE,
    codex: { kind: 'codex', command: ['codex'], args: [], sandbox: 'workspace-write', env: {} },
    gemini: { kind: 'gemini', command: ['gemini'], args: [], env: {} },
    opencode: { kind: 'opencode', command: ['opencode'], args: [], env: {} },
  },
  credentials: [],
  auth: 'login-first',
  git: { hooks: false },
  isolation: 'worktree',
  sandbox: { kind: 'none', network: true, write: [] },
  timeouts: { agentMs: 2_700_000, idleMs: 600_000, checkMs: 900_000, repeats: 20 },
  brief: ['AGENTS.md', 'CLAUDE.md', 'PROJECT_DIRECTION.md'],
  briefLimit: 200_000,
  limits: { wait: true, reserve: 0.1, burst: 1 },
  logs: { maxBytes: 512e6, keepBytes: 2e9 },
  pressure: { memory: 0.9, diskBytes: 2e9 },
};

test('one limit may be taken away, and naming one in a stronger place brings all back', () => {
  expect(resolve({ project: 'pressure: {memory: false}' }).pressure).toEqual({ diskBytes: 2e9 });
  expect(resolve({ project: 'pressure: {disk: false, cpu: 100%}' }).pressure).toEqual({
    memory: 0.9,
    cpu: 1,
  });
  expect(resolve({ project: 'pressure: false', env: { MSTONE_PRESSURE_DISK: '5GB' } }).pressure).toEqual({
    memory: 0.9,
    diskBytes: 5e9,
  });
  expect(resolve({ project: 'pressure: {disk: 5GB}', env: { MSTONE_PRESSURE: 'false' } }).pressure).toBe(
    false,
  );
});

describe('each setting', () => {
  test('has a default, and no file is needed', () => {
    expect(resolve({})).toEqual(DEFAULTS);
    expect(resolve({ project: '', user: '# nothing\n' })).toEqual(DEFAULTS);
    expect(resolve({ project: 'agent:\nreview:\nagents:\nworktrees:\n' })).toEqual(DEFAULTS);
  });

  const MINE = { kind: 'command', command: ['node', 'a.mjs'], env: {} } as const;
  const withMine = { ...DEFAULTS.agents, mine: MINE };
  const SET: Readonly<Record<string, readonly [yaml: string, env: string, change: Partial<Config>]>> = {
    agent: ['agent: recipe', 'recipe', { agent: 'recipe' }],
    reviewer: ['reviewer: recipe', 'recipe', { reviewer: 'recipe' }],
    model: ['model: "opus[1m]"', 'opus[1m]', { model: 'opus[1m]' }],
    jobs: ['jobs: 75%', '6', { jobs: 6 }],
    subscription: ['subscription: max20', 'max20', { jobs: 8 }],
    checks: ['checks: [a b, c]', '["a b", "c"]', { checks: ['a b', 'c'] }],
    stage_checks: ['stage_checks: a b', 'a b', { stageChecks: ['a b'] }],
    gate_files: ['gate_files: [Makefile]', 'Makefile', { gateFiles: ['Makefile'] }],
    secrets: ['secrets: false', 'false', { secrets: false }],
    secrets_allowed: ['secrets_allowed: fixtures', 'fixtures', { secrets: { allowed: ['fixtures'] } }],
    expect_tests: ['expect_tests: true', 'true', { expectTests: true }],
    review: ['review: false', 'false', { review: false }],
    'review.rounds': ['review: {rounds: 5}', '5', { review: { rounds: 5, blockOn: ['blocker', 'major'] } }],
    'review.block_on': ['review: {block_on: [nit]}', 'nit', { review: { rounds: 3, blockOn: ['nit'] } }],
    'review.stage': [
      'review: {stage: true}',
      'true',
      { review: { rounds: 3, blockOn: ['blocker', 'major'], stage: true } },
    ],
    approval: ['approval: merge', 'merge', { approval: 'merge' }],
    land: ['land: pr', 'pr', { land: 'pr' }],
    'pr.per': ['pr: {per: milestone}', 'milestone', { pr: { per: 'milestone', remote: 'origin' } }],
    'pr.remote': ['pr: {remote: up}', 'up', { pr: { per: 'stage', remote: 'up' } }],
    run_branch: ['run_branch: true', 'true', { runBranch: true }],
    'tags.stage': ['tags: {stage: "v/{stage}"}', 'v/{stage}', { stageTag: 'v/{stage}' }],
    'review.threshold': [
      'review: {threshold: 0.8}',
      '0.8',
      { review: { rounds: 3, blockOn: ['blocker', 'major'], threshold: 0.8 } },
    ],
    'review.require': [
      'review: {require: majority}',
      'majority',
      { review: { rounds: 3, blockOn: ['blocker', 'major'], require: 'majority' } },
    ],
    'review.model': [
      'review: {model: opus}',
      'opus',
      { review: { rounds: 3, blockOn: ['blocker', 'major'], model: 'opus' } },
    ],
    reviewers: [
      'reviewers: [recipe, security]',
      '["recipe", "security"]',
      { reviewers: ['recipe', 'security'] },
    ],
    roles: [
      'roles: {security: "src/auth/**", docs: {paths: ["*.md"], agent: claude}}',
      '{"security": ["src/auth/**"], "docs": {"paths": ["*.md"], "agent": "claude"}}',
      { roles: { security: { paths: ['src/auth/**'] }, docs: { paths: ['*.md'], agent: 'claude' } } },
    ],
    'merge.parallel': ['merge: {parallel: 4}', '4', { merge: { ...DEFAULTS.merge, parallel: 4 } }],
    'merge.strict': ['merge: {strict: head}', 'head', { merge: { ...DEFAULTS.merge, strict: 'head' } }],
    'merge.barrier': [
      'merge: {barrier: "*.lock"}',
      '*.lock',
      { merge: { ...DEFAULTS.merge, barrier: ['*.lock'] } },
    ],
    'merge.forecast': ['merge: {forecast: 2m}', '2m', { merge: { ...DEFAULTS.merge, forecastMs: 120_000 } }],
    retries: ['retries: 0', '0', { retries: 0 }],
    backoff: ['backoff: 2s', '2s', { backoffMs: 2000 }],
    'worktrees.dir': [
      'worktrees: {dir: ../slots}',
      '../slots',
      { worktrees: { ...DEFAULTS.worktrees, dir: '../slots' } },
    ],
    'worktrees.setup': [
      'worktrees: {setup: npm ci}',
      'npm ci',
      { worktrees: { ...DEFAULTS.worktrees, setup: ['npm ci'] } },
    ],
    'worktrees.copy': [
      'worktrees: {copy: [./.env]}',
      '.env',
      { worktrees: { ...DEFAULTS.worktrees, copy: ['.env'] } },
    ],
    'worktrees.keep': [
      'worktrees: {keep: [node_modules/]}',
      'node_modules',
      { worktrees: { ...DEFAULTS.worktrees, keep: ['node_modules'] } },
    ],
    'worktrees.sparse': [
      'worktrees: {sparse: true}',
      '1',
      { worktrees: { ...DEFAULTS.worktrees, sparse: true } },
    ],
    'timeouts.agent': [
      'timeouts: {agent: 1 day}',
      '24h',
      { timeouts: { ...DEFAULTS.timeouts, agentMs: 86_400_000 } },
    ],
    'timeouts.idle': [
      'timeouts: {idle: 500ms}',
      '500ms',
      { timeouts: { ...DEFAULTS.timeouts, idleMs: 500 } },
    ],
    'timeouts.check': ['timeouts: {check: 1s}', '1s', { timeouts: { ...DEFAULTS.timeouts, checkMs: 1000 } }],
    'timeouts.repeats': [
      'timeouts: {repeats: false}',
      'false',
      { timeouts: { ...DEFAULTS.timeouts, repeats: false } },
    ],
    brief: ['brief: [WAY.md]', 'WAY.md', { brief: ['WAY.md'] }],
    brief_limit: ['brief_limit: 5000', '5000', { briefLimit: 5000 }],
    'limits.wait': ['limits: {wait: false}', '0', { limits: { ...DEFAULTS.limits, wait: false } }],
    'limits.reserve': ['limits: {reserve: 25%}', '25%', { limits: { ...DEFAULTS.limits, reserve: 0.25 } }],
    'limits.starts_per_minute': [
      'limits: {starts_per_minute: 0.5}',
      '0.5',
      { limits: { ...DEFAULTS.limits, perMinute: 0.5 } },
    ],
    'limits.burst': ['limits: {burst: 3}', '3', { limits: { ...DEFAULTS.limits, burst: 3 } }],
    'logs.max': ['logs: {max: 1MB}', '1MB', { logs: { ...DEFAULTS.logs, maxBytes: 1e6 } }],
    'logs.keep': ['logs: {keep: false}', 'false', { logs: { maxBytes: 512e6 } }],
    milestones: ['milestones: docs/plan/', './docs\\plan', { milestones: 'docs/plan' }],
    tasks_file: ['tasks_file: docs\\DONE.md', 'docs/DONE.md', { tasksFile: 'docs/DONE.md' }],
    log_dir: ['log_dir: ../logs', '../logs', { logDir: '../logs' }],
    pressure: ['pressure: false', 'false', { pressure: false }],
    'pressure.memory': ['pressure: {memory: 75%}', '75%', { pressure: { memory: 0.75, diskBytes: 2e9 } }],
    'pressure.disk': [
      'pressure: {disk: 1.5 GiB}',
      '1.5GiB',
      { pressure: { memory: 0.9, diskBytes: 1.5 * 2 ** 30 } },
    ],
    'pressure.cpu': ['pressure: {cpu: 80%}', '80%', { pressure: { memory: 0.9, diskBytes: 2e9, cpu: 0.8 } }],
    'budget.usd': ['budget: {usd: 7.5}', '7.5', { budget: { usd: 7.5 } }],
    'budget.per_milestone': ['budget: {per_milestone: 2}', '2', { budget: { perMilestone: 2 } }],
    'budget.per_day': ['budget: {per_day: 20}', '20', { budget: { perDay: 20 } }],
    'budget.tokens': ['budget: {tokens: 5000}', '5000', { budget: { tokens: 5000 } }],
    mcp_servers: [
      'mcp_servers: {docs: {command: docs-server, args: [--stdio], env: {TOKEN: t}, timeout: 5}}',
      '{"docs": {"command": "docs-server", "args": ["--stdio"], "env": {"TOKEN": "t"}, "timeout": 5}}',
      {
        mcpServers: { docs: { command: 'docs-server', args: ['--stdio'], env: { TOKEN: 't' }, timeout: 5 } },
      },
    ],
    credentials: [
      'credentials: [{name: work, env: {ANTHROPIC_API_KEY: sk-1}, agents: [claude]}]',
      '[{"name": "work", "env": {"ANTHROPIC_API_KEY": "sk-1"}, "agents": ["claude"]}]',
      { credentials: [{ name: 'work', env: { ANTHROPIC_API_KEY: 'sk-1' }, agents: ['claude'] }] },
    ],
    keys_file: ['keys_file: /home/a/keys.json', '/home/a/keys.json', { keysFile: '/home/a/keys.json' }],
    auth: ['auth: keys-only', 'keys-only', { auth: 'keys-only' }],
    'git.hooks': ['git: {hooks: true}', 'true', { git: { hooks: true } }],
    isolation: ['isolation: clone', 'clone', { isolation: 'clone' }],
    sandbox: [
      'sandbox: bubblewrap',
      'bubblewrap',
      { isolation: 'clone', sandbox: { kind: 'bubblewrap', network: true, write: [] } },
    ],
    sandbox_network: [
      'sandbox_network: false',
      'false',
      { sandbox: { kind: 'none', network: false, write: [] } },
    ],
    sandbox_write: [
      'sandbox_write: [~/.npm, /var/cache/a]',
      '["~/.npm", "/var/cache/a"]',
      { sandbox: { kind: 'none', network: true, write: ['~/.npm', '/var/cache/a'] } },
    ],
    agents: [
      'agents: {mine: {kind: command, command: [node, a.mjs]}}',
      '{"mine": {"kind": "command", "command": ["node", "a.mjs"]}}',
      { agents: withMine },
    ],
  };

  /** These hold keys, or say where they are. */
  const OWN = new Set(['credentials', 'keys_file']);
  test.each(configKeys.filter(({ key }) => key in SET))('$key', ({ key, env: name, description, type }) => {
    const [yaml, text, change] = SET[key] ?? ['', '', {}];
    if (OWN.has(key)) {
      const refused = `error credential-in-repository mstone.yaml`;
      const profiles = `profiles: {a: {${yaml}}}`;
      expect(told({ project: yaml })).toEqual([expect.stringContaining(refused)]);
      expect(told({ project: profiles })).toEqual([expect.stringContaining(refused)]);
      expect(resolve({ user: profiles, profile: 'a' })).toEqual({ ...DEFAULTS, ...change });
    } else expect(resolve({ project: yaml })).toEqual({ ...DEFAULTS, ...change });
    expect(resolve({ user: yaml })).toEqual({ ...DEFAULTS, ...change });
    expect(resolve({ env: { [name]: text } })).toEqual({ ...DEFAULTS, ...change });
    if (key !== 'agents') expect(resolve({ flags: { [key]: text } })).toEqual({ ...DEFAULTS, ...change });
    expect({ ...DEFAULTS, ...change }, 'the test sets something').not.toEqual(DEFAULTS);
    expect([description, type]).toEqual([expect.stringMatching(/\S/), expect.stringMatching(/\S/)]);
  });

  test.each([['stages', 'strict', 'overlap']])(
    '%s has one value for now, and others are refused with a word',
    (key, only, later) => {
      expect(resolve({ project: `${key}: ${only}` })).toEqual(DEFAULTS);
      expect(told({ project: `${key}: ${later}` })).toEqual([
        `error unsupported-value mstone.yaml:1 \`${key}: ${later}\` is not supported yet`,
      ]);
      expect(told({ env: { [`MSTONE_${key.toUpperCase()}`]: later } })).toHaveLength(1);
      expect(told({ project: `${key}: nonsense` })).toEqual([
        `error invalid-value mstone.yaml:1 \`${key}\` cannot be read; "nonsense"`,
      ]);
    },
  );

  test('every setting of the table is in one of these tests', () => {
    expect(configKeys.map(({ key }) => key).sort()).toEqual([...Object.keys(SET), 'stages'].sort());
  });

  test.each([
    'milestones: .',
    'milestones: ""',
    'milestones: ../plan',
    'milestones: plan/../..',
    'milestones: a//b',
    'milestones: /plan',
    'milestones: \\plan',
    'milestones: ~/plan',
    'milestones: C:\\plan',
    'milestones: .git/plan',
    'milestones: a\\.GIT\\b',
    'milestones: [a]',
    'tasks_file: ../TASKS.md',
    'tasks_file: /TASKS.md',
    'tasks_file: .git',
    'tasks_file: .gitattributes',
    'tasks_file: .github/TASKS.txt',
    'tasks_file: git~1/TASKS.md',
    'tasks_file: mstone.yaml',
    'tasks_file: TASKS.md/',
    'tasks_file: .md',
    'tasks_file: docs/.md',
    'log_dir: ~/logs',
    'log_dir: ""',
  ])('%s is refused', (project) => {
    const key = project.split(':')[0];
    expect(told({ project }).map((line) => line.split(';')[0])).toEqual([
      `error invalid-value mstone.yaml:1 \`${key}\` cannot be read`,
    ]);
  });

  test('who reviews is one setting in two forms: the stronger source counts, and none says both', () => {
    const both = resolve({ project: 'reviewers: [claude, codex]', env: { MSTONE_REVIEWER: 'codex' } });
    expect([both.reviewer, both.reviewers]).toEqual(['codex', undefined]);
    const other = resolve({ project: 'reviewer: codex', env: { MSTONE_REVIEWERS: '["claude", "docs"]' } });
    expect([other.reviewer, other.reviewers]).toEqual([undefined, ['claude', 'docs']]);
    expect(told({ project: 'reviewer: claude\nreviewers: [claude, codex]' })).toEqual([
      'error reviewers-twice mstone.yaml:2 `reviewer` and `reviewers` both say who reviews',
    ]);
    expect(told({ project: 'reviewers: [claude, nobody]' })).toEqual([
      expect.stringContaining('error unknown-agent mstone.yaml:1 `reviewers` names an agent'),
    ]);
    expect(told({ project: 'roles: {docs: {paths: ["*.md"], agent: nobody}}' })).toEqual([
      expect.stringContaining('error unknown-agent mstone.yaml:1 `roles.docs` names an agent'),
    ]);
  });

  test('no place may lie in the way of another, whoever names them', () => {
    const found = (milestones: string, tasks: string): string =>
      `; milestones: ${milestones}, tasks_file: ${tasks}`;
    expect(told({ project: 'jobs: 1\ntasks_file: Milestones/TASKS.md' })).toEqual([
      `error places-collide mstone.yaml:2 \`tasks_file\` lies in the folder of milestones${found('milestones', 'Milestones/TASKS.md')}; name one outside of it`,
    ]);
    expect(told({ project: 'milestones: tasks.md/all' })).toEqual([
      `error places-collide mstone.yaml:1 \`tasks_file\` stands where the milestones belong${found('tasks.md/all', 'TASKS.md')}; name another file`,
    ]);
    expect(told({ project: 'milestones: docs', user: 'log_dir: ./docs/logs/' })).toEqual([
      'error places-collide ~/.config/mstone/config.yaml:1 `log_dir` lies in the folder of milestones; milestones: docs, log_dir: ./docs/logs/; name a folder outside of it',
    ]);
    expect(told({ project: 'milestones: docs\ntasks_file: docs.md\nlog_dir: docs-logs' })).toEqual([]);
  });

  test('a subscription says how many jobs there are, unless somebody says it', () => {
    const jobsBy = (said: Said) => {
      const { config, origins } = resolveConfig(sources(said));
      return [config.jobs, origins.get('jobs')];
    };
    const by = { from: 'default', by: 'subscription' };
    expect(['pro', 'max5', 'max20', 'api'].map((user) => jobsBy({ user: `subscription: ${user}` }))).toEqual([
      [3, by],
      [5, by],
      [8, by],
      [10, by],
    ]);
    expect(jobsBy({ user: 'subscription: api', project: 'jobs: 2' })).toEqual([
      2,
      { from: 'project', file: 'mstone.yaml', line: 1 },
    ]);
  });

  test('whoever takes over must be there and be another', () => {
    expect(resolve({ project: 'agents: {claude: {fallback: codex}}' }).agents.claude).toMatchObject({
      fallback: 'codex',
    });
    expect(told({ project: 'agents: {claude: {fallback: codec}, codex: {fallback: codex}}' })).toEqual([
      'error unknown-agent mstone.yaml:1 `agents.claude.fallback` names an agent that is not configured; codec; did you mean `codex`?',
      'error invalid-value mstone.yaml:1 `agents.codex.fallback` cannot be read; codex',
    ]);
  });

  test('a share of the processors is at least one job', () => {
    expect(resolve({ flags: { jobs: '1%' } }).jobs).toBe(1);
    expect(resolve({ flags: { jobs: '200%' } }).jobs).toBe(16);
    expect(resolve({ flags: { jobs: 3 } }).jobs).toBe(3);
  });
});

describe('words of before', () => {
  const SAID: Readonly<Record<string, readonly [value: string, written: string, change: Partial<Config>]>> = {
    milestones_dir: ['plan', 'milestones: …', { milestones: 'plan' }],
    max_parallel: ['2', 'jobs: …', { jobs: 2 }],
    test_command: ['npm test', 'checks: …', { checks: ['npm test'] }],
    setup_command: [
      'npm ci',
      'worktrees: { setup: … }',
      { worktrees: { ...DEFAULTS.worktrees, setup: ['npm ci'] } },
    ],
    review_rounds: ['5', 'review: { rounds: … }', { review: { rounds: 5, blockOn: ['blocker', 'major'] } }],
  };

  test('all of them are in the next test', () => {
    expect(Object.keys(SAID)).toEqual(Object.keys(DEPRECATED));
  });

  test.each(Object.entries(SAID))('%s still works, and is told', (old, [value, written, change]) => {
    const { key, since } = DEPRECATED[old] ?? { key: '', since: '' };
    const words = `\`${old}\` is called \`${key}\` since ${since}; write \`${written}\``;
    for (const [said, where] of [
      [{ project: `# one\n${old}: ${value}` }, 'mstone.yaml:2'],
      [{ user: `${old}: ${value}` }, '~/.config/mstone/config.yaml:1'],
      [{ project: `profiles:\n  ci:\n    ${old}: ${value}`, profile: 'ci' }, 'mstone.yaml:3'],
    ] as const) {
      expect(told(said)).toEqual([`warning deprecated-key ${where} ${words}`]);
      expect(resolveConfig(sources(said)).config).toEqual({ ...DEFAULTS, ...change });
    }
    const variable = `MSTONE_${old.toUpperCase()}`;
    const now = `MSTONE_${key.toUpperCase().replaceAll('.', '_')}`;
    // `MSTONE_REVIEW_ROUNDS` is what `review.rounds` is called there.
    if (variable === now) return;
    expect(told({ env: { [variable]: value } })).toEqual([
      `warning deprecated-key : \`${variable}\` is called \`${now}\` since ${since}; write \`${now}=…\``,
    ]);
    expect(resolveConfig(sources({ env: { [variable]: value } })).config).toEqual({ ...DEFAULTS, ...change });
  });

  test('beside their successor they say nothing, whichever stands first', () => {
    const said = { project: 'max_parallel: 2\njobs: 3', env: { MSTONE_RETRIES: '0' } };
    expect(told(said)).toEqual([
      'warning deprecated-key mstone.yaml:1 `max_parallel` does nothing beside `jobs`, its name since 0.1.0; remove it',
    ]);
    expect(resolveConfig(sources(said)).config.jobs).toBe(3);
    expect(told({ env: { MSTONE_JOBS: '3', MSTONE_MAX_PARALLEL: '2' } })).toEqual([
      'warning deprecated-key : `MSTONE_MAX_PARALLEL` does nothing beside `MSTONE_JOBS`, its name since 0.1.0; remove it',
    ]);
    expect(resolveConfig(sources({ project: 'review: false\nreview_rounds: 2' })).config.review).toBe(false);
  });

  test('a value that cannot be read is told under the name that was written', () => {
    expect(told({ project: 'max_parallel: many' })[0]).toBe(
      'error invalid-value mstone.yaml:1 `max_parallel` cannot be read; "many"',
    );
  });

  test('what people type for a key leads to it, and so does `profiles`', () => {
    const fixes = ['parallel', 'tests', 'setup', 'timeout', 'rounds', 'profile', 'milestone'].map((key) =>
      told({ project: `${key}: 1` })[0]
        ?.split('; ')
        .at(-1),
    );
    expect(fixes).toEqual([
      'did you mean `jobs`?',
      'did you mean `checks`?',
      'did you mean `worktrees.setup`?',
      'did you mean `timeouts.agent`?',
      'did you mean `review.rounds`?',
      'did you mean `profiles`?',
      'did you mean `milestones`?',
    ]);
    for (const key of Object.values(MEANT)) expect(configKeys.map((one) => one.key)).toContain(key);
  });
});

describe('precedence', () => {
  test('flag before environment before project before user before default, setting by setting', () => {
    const { config, origins, diagnostics } = resolveConfig(
      sources({
        flags: { jobs: 1 },
        env: { MSTONE_JOBS: '2', MSTONE_RETRIES: '2', MSTONE_BACKOFF: '' },
        project: 'jobs: 3\nretries: 3\nchecks: [p]\ntimeouts:\n  idle: 3m\n',
        user: 'jobs: 4\nretries: 4\nchecks: [u, v]\nbackoff: 4s\ntimeouts: {idle: 4m, check: 4m}\n',
      }),
    );
    expect(diagnostics).toEqual([]);
    expect(config).toEqual({
      ...DEFAULTS,
      jobs: 1,
      retries: 2,
      checks: ['p'],
      backoffMs: 4000,
      timeouts: { agentMs: 2_700_000, idleMs: 180_000, checkMs: 240_000, repeats: 20 },
    });
    const user = { from: 'user', file: '~/.config/mstone/config.yaml' };
    expect(
      Object.fromEntries(
        [
          'jobs',
          'retries',
          'checks',
          'timeouts.idle',
          'timeouts.check',
          'backoff',
          'land',
          'agents.recipe',
        ].map((key) => [key, origins.get(key)]),
      ),
    ).toEqual({
      jobs: { from: 'flag' },
      retries: { from: 'environment', variable: 'MSTONE_RETRIES' },
      checks: { from: 'project', file: 'mstone.yaml', line: 3 },
      'timeouts.idle': { from: 'project', file: 'mstone.yaml', line: 5 },
      'timeouts.check': { ...user, line: 5 },
      backoff: { ...user, line: 4 },
      land: { from: 'default' },
      'agents.recipe': { from: 'default' },
    });
  });

  test('agents are merged by name, the nearer source winning a name as a whole', () => {
    const { config, origins } = resolveConfig(
      sources({
        project: 'agents:\n  a: {kind: command, command: [p]}\n',
        user: 'agents:\n  a: {kind: command, command: [u], env: {X: 1}}\n  b: {kind: recipe, env: {N: 010}}\n',
      }),
    );
    expect(config.agents).toEqual({
      ...DEFAULTS.agents,
      a: { kind: 'command', command: ['p'], env: {} },
      b: { kind: 'recipe', env: { N: '010' } },
    });
    expect(origins.get('agents.a')).toEqual({ from: 'project', file: 'mstone.yaml', line: 2 });
    expect(origins.get('agents.b')).toEqual({ from: 'user', file: '~/.config/mstone/config.yaml', line: 3 });
  });

  test('a nearer word on how to review turns on what a farther one turned off, and the reverse', () => {
    expect(resolve({ project: 'review: {rounds: 1}', user: 'review: false' }).review).toEqual({
      rounds: 1,
      blockOn: ['blocker', 'major'],
    });
    expect(resolve({ flags: { review: false }, project: 'review: {rounds: 1}' }).review).toBe(false);
    expect(resolve({ project: 'review: true', user: 'review: {block_on: []}' }).review).toEqual({
      rounds: 3,
      blockOn: [],
    });
  });

  test('in the environment a list is a JSON array or one single command', () => {
    expect(resolve({ env: { MSTONE_CHECKS: '[ -f x ]' } }).checks).toEqual(['[ -f x ]']);
    expect(resolve({ env: { MSTONE_CHECKS: '[]' }, project: 'checks: [a]' }).checks).toEqual([]);
  });

  test('names of the protocol are no settings, other unknown ones are a warning', () => {
    const protocol =
      'MILESTONE PURPOSE ATTEMPT SLOT BASE PROMPT_FILE CONTEXT_FILE TAG GUARD_LOG DEMO_PAUSE'.split(' ');
    expect(told({ env: Object.fromEntries(protocol.map((name) => [`MSTONE_${name}`, 'x'])) })).toEqual([]);
    expect(told({ env: { MSTONE_JOB: '1', MSTONE_ZZZZZZ: '1', OTHER: '1' } })).toEqual([
      'warning unknown-variable : `MSTONE_JOB` is no setting of mstone and does nothing; did you mean `MSTONE_JOBS`?',
      'warning unknown-variable : `MSTONE_ZZZZZZ` is no setting of mstone and does nothing',
    ]);
  });
});

describe('what is wrong', () => {
  test('is told all at once, with file and line', () => {
    const project = [
      'agnt: x',
      'jobs: 0',
      'checks: [a, 1, ""]',
      'review: {round: 1, block_on: [majr]}',
      'timeouts:',
      '  agent: 45',
      '  idle: 0s',
      '  nap: 1m',
      'limits: yes',
      'budget: {usd: 0}',
      'pressure: {memory: 0.9, disk: 2000, cpu: 120%}',
      'review.rounds: 2',
      'retries: -1',
      'backoff: 30 days',
    ].join('\n');
    expect(told({ project, user: 'jobs: many' })).toEqual([
      'error unknown-key mstone.yaml:1 `agnt` is no setting; did you mean `agent`?',
      'error invalid-value mstone.yaml:2 `jobs` cannot be read; 0',
      'error invalid-value mstone.yaml:3 `checks` cannot be read; 1',
      'error invalid-value mstone.yaml:3 `checks` cannot be read; ""',
      'error unknown-key mstone.yaml:4 `review.round` is no setting; did you mean `review.rounds`?',
      'error invalid-value mstone.yaml:4 `review.block_on` cannot be read; "majr"',
      'error invalid-value mstone.yaml:6 `timeouts.agent` cannot be read; 45',
      'error invalid-value mstone.yaml:7 `timeouts.idle` cannot be read; "0s"',
      'error unknown-key mstone.yaml:8 `timeouts.nap` is no setting',
      'error invalid-value mstone.yaml:9 `limits` cannot be read; "yes"',
      'error invalid-value mstone.yaml:10 `budget.usd` cannot be read; 0',
      'error invalid-value mstone.yaml:11 `pressure.memory` cannot be read; 0.9',
      'error invalid-value mstone.yaml:11 `pressure.disk` cannot be read; 2000',
      'error invalid-value mstone.yaml:11 `pressure.cpu` cannot be read; "120%"',
      'error unknown-key mstone.yaml:12 `review.rounds` is no setting; write `review: { rounds: … }`',
      'error invalid-value mstone.yaml:13 `retries` cannot be read; -1',
      'error invalid-value mstone.yaml:14 `backoff` cannot be read; "30 days"',
      'error invalid-value ~/.config/mstone/config.yaml:1 `jobs` cannot be read; "many"',
    ]);
  });

  test('the rest of a faulty configuration is whole', () => {
    expect(resolveConfig(sources({ project: 'jobs: x\nretries: 5\n' })).config).toEqual({
      ...DEFAULTS,
      retries: 5,
    });
  });

  test('a wrong flag or variable is named as it was given', () => {
    expect(told({ flags: { jobs: 'x' }, env: { MSTONE_TIMEOUTS_AGENT: '5' } })).toEqual([
      'error invalid-value : `jobs` cannot be read; "x"',
      'error invalid-value : `MSTONE_TIMEOUTS_AGENT` cannot be read; "5"',
    ]);
  });

  test.each([
    '../x',
    'a/../../x',
    '/etc/passwd',
    '.git',
    'a/.GIT/config',
    '.',
    '~/x',
    'C:\\x',
    '..\\x',
    '',
    'a//b',
    '\\x',
  ])('nothing is copied or kept from outside: %j', (path) => {
    for (const key of ['copy', 'keep']) {
      expect(told({ project: `worktrees:\n  ${key}:\n    - ok\n    - ${JSON.stringify(path)}\n` })).toEqual([
        expect.stringMatching(
          new RegExp(`^error invalid-value mstone.yaml:4 \`worktrees.${key}\` cannot be read`),
        ),
      ]);
    }
  });

  test('agents are checked field by field', () => {
    const project = [
      'agents:',
      '  a: {kind: command}',
      '  b: {kind: command, command: []}',
      '  c: {kind: command, command: [x], modl: y, envs: {}}',
      '  d: {kind: comand, command: [x]}',
      '  e: {command: [x]}',
      '  f: text',
      '  "--g": {kind: recipe}',
      '  recipe: {kind: command, command: [x]}',
      '  h: {kind: recipe, env: {GIT_DIR: x}}',
    ].join('\n');
    expect(told({ project })).toEqual([
      'error invalid-value mstone.yaml:2 `agents.a.command` cannot be read',
      'error invalid-value mstone.yaml:3 `agents.b.command` cannot be read; []',
      'error unknown-key mstone.yaml:4 `agents.c.modl` is no setting',
      'error unknown-key mstone.yaml:4 `agents.c.envs` is no setting; did you mean `env`?',
      'error invalid-value mstone.yaml:5 `agents.d` is of no kind that there is; "comand"; did you mean `command`?',
      'error invalid-value mstone.yaml:6 `agents.e` is of no kind that there is; {"command":["x"]}',
      'error invalid-value mstone.yaml:7 `agents.f` is of no kind that there is; "text"',
      'error invalid-value mstone.yaml:8 `agents.--g` is no name for an agent',
      'error invalid-value mstone.yaml:9 `recipe` is built in; give this agent another name',
      'error invalid-value mstone.yaml:10 `agents.h.env.GIT_DIR` cannot be read; "x"',
    ]);
    expect(told({ project: 'agents: [a]' })).toEqual([
      'error invalid-value mstone.yaml:1 `agents` cannot be read; ["a"]',
    ]);
  });

  test.each(['claude', 'codex', 'gemini', 'opencode'])('%s is there under its own name', (kind) => {
    expect(resolve({ project: `agent: ${kind}` })).toEqual({ ...DEFAULTS, agent: kind });
    const { agents } = resolve({ project: `agents: {${kind}: {model: big}, other: {kind: ${kind}}}` });
    expect(agents).toEqual({
      ...DEFAULTS.agents,
      [kind]: { ...DEFAULTS.agents[kind], model: 'big' },
      other: DEFAULTS.agents[kind],
    });
  });

  test('what an agent of each kind may be told', () => {
    const project = [
      'agents:',
      '  a: {kind: claude, command: [npx, claude], model: opus, permission: acceptEdits, tools: [Read, "Bash(npm *)"], args: [--max-turns, "30"], env: {X: 1}}',
      '  b: {kind: codex, model: gpt-5.5, sandbox: danger-full-access, args: [-c, a=b]}',
      '  c: {kind: opencode, model: anthropic/claude-sonnet-4-5}',
      '  d: {kind: acp, command: [some-acp, --stdio], env: {Y: z}}',
    ].join('\n');
    const {
      recipe: _,
      claude: _1,
      codex: _2,
      gemini: _3,
      opencode: _4,
      ...own
    } = resolve({ project }).agents;
    expect(own).toEqual({
      a: {
        kind: 'claude',
        command: ['npx', 'claude'],
        model: 'opus',
        permission: 'acceptEdits',
        tools: ['Read', 'Bash(npm *)'],
        args: ['--max-turns', '30'],
        env: { X: '1' },
      },
      b: {
        kind: 'codex',
        command: ['codex'],
        model: 'gpt-5.5',
        sandbox: 'danger-full-access',
        args: ['-c', 'a=b'],
        env: {},
      },
      c: {
        kind: 'opencode',
        command: ['opencode'],
        model: 'anthropic/claude-sonnet-4-5',
        args: [],
        env: {},
      },
      d: { kind: 'acp', command: ['some-acp', '--stdio'], env: { Y: 'z' } },
    });
    expect(
      told({
        project: [
          'model: --help',
          'agents:',
          '  claude: {model: -x, permission: yes, tool: [Read]}',
          '  codex: {sandbox: none}',
          '  acp: {kind: acp}',
          '  mine: {kind: recipe, model: opus}',
        ].join('\n'),
      }),
    ).toEqual([
      'error invalid-value mstone.yaml:1 `model` cannot be read; "--help"',
      'error invalid-value mstone.yaml:3 `agents.claude.model` cannot be read; "-x"',
      'error invalid-value mstone.yaml:3 `agents.claude.permission` cannot be read; "yes"',
      'error unknown-key mstone.yaml:3 `agents.claude.tool` is no setting; did you mean `tools`?',
      'error invalid-value mstone.yaml:4 `agents.codex.sandbox` cannot be read; "none"',
      'error invalid-value mstone.yaml:5 `agents.acp.command` cannot be read',
      'error unknown-key mstone.yaml:6 `agents.mine.model` is no setting',
    ]);
  });

  test('an MCP server that is neither a program nor an address is refused, and no secret is shown', () => {
    const expected = 'error invalid-value mstone.yaml:1 `mcp_servers` cannot be read';
    expect(told({ project: 'mcp_servers: {docs: {env: {TOKEN: secret}}}' })).toEqual([expected]);
    expect(told({ project: 'mcp_servers: {"a b": {command: x}}' })).toEqual([expected]);
    expect(told({ project: 'mcp_servers: [docs]' })).toEqual([expected]);
    expect(told({ env: { MSTONE_MCP_SERVERS: '{"docs":' } })).toEqual([
      'error invalid-value : `MSTONE_MCP_SERVERS` cannot be read',
    ]);
  });

  test('an agent that is not configured comes with the nearest name or the line to add', () => {
    const project = 'agent: mien\nreviewer: copilot\nagents: {mine: {kind: recipe}}';
    expect(told({ project })).toEqual([
      'error unknown-agent mstone.yaml:1 `agent` names an agent that is not configured; mien; did you mean `mine`?',
      'error unknown-agent mstone.yaml:2 `reviewer` names an agent that is not configured; copilot; add `agents: { copilot: { kind: command, command: [...] } }` to mstone.yaml',
    ]);
    expect(told({ env: { MSTONE_AGENT: 'reciep' } })).toEqual([
      'error unknown-agent : `MSTONE_AGENT` names an agent that is not configured; reciep; did you mean `recipe`?',
    ]);
    expect(resolve({ flags: { agent: 'mine' }, user: 'agents: {mine: {kind: recipe}}' }).agent).toBe('mine');
  });

  test.each([
    ['- a', ':1 the file is not a mapping'],
    ['text', ':1 the file is not a mapping'],
    ['a: 1\nb: [', 'this is not valid YAML'],
    ['jobs: 1\njobs: 2', ':2 this is not valid YAML'],
    ['? [a]\n: b', ':1 a key is not a word'],
    ['jobs: !!js/regexp x', ':1 this is not valid YAML'],
    [`${'? '.repeat(12_000)}`, ':1 the file is not read'],
    [`{${'{'.repeat(50)}a: 1${'}: 1'.repeat(50)}}`, ':1 a key is not a word'],
    ['a: *b', 'this is not valid YAML'],
    [
      `a: &a [1]\n${Array.from({ length: 60 }, (_, i) => `b${i}: *a`).join('\n')}`,
      ':1 this is not valid YAML',
    ],
    ['jobs: 1\n---\njobs: 2', 'this is not valid YAML'],
  ])('%#: a file that is no mapping says nothing and is told', (project, problem) => {
    const { config, diagnostics } = resolveConfig(sources({ project }));
    expect(config).toEqual(DEFAULTS);
    expect(diagnostics.length).toBeGreaterThan(0);
    expect(told({ project })[0]).toContain('error config-file mstone.yaml');
    expect(told({ project })[0]).toContain(problem);
  });

  test('a byte-order mark and CRLF are fine', () => {
    expect(resolve({ project: '\uFEFFjobs: 2\r\nretries: 3\r\n' })).toEqual({
      ...DEFAULTS,
      jobs: 2,
      retries: 3,
    });
  });
});

import { describe, expect, it } from 'vitest';
import { factsOf } from '../../src/check/facts.js';
import { GATE_FILES } from '../../src/check/gate-files.js';
import type { FilePatch } from '../../src/model/change.js';

const lines = (text: string | undefined): FilePatch['added'] =>
  (text ?? '').split('\n').flatMap((one, index) => (one === '' ? [] : [{ line: index + 1, text: one }]));

interface Change {
  readonly add?: string;
  readonly take?: string;
  readonly status?: FilePatch['status'];
  readonly from?: string;
}

/** `kind file:line: text` of each fact of a change, told file by file. */
function facts(
  files: Readonly<Record<string, Change>>,
  more: {
    readonly commands?: readonly string[];
    readonly checked?: readonly string[];
    readonly manifests?: Readonly<Record<string, { before?: string; after?: string }>>;
  } = {},
): string[] {
  return factsOf({
    patches: Object.entries(files).map(([path, { add, take, status = 'changed', from }]) => ({
      path,
      ...(from === undefined ? {} : { from }),
      status,
      added: lines(add),
      removed: lines(take),
    })),
    gateFiles: GATE_FILES,
    commands: more.commands ?? ['npm test'],
    checkedFolders: new Set(more.checked ?? ['']),
    manifests: new Map(Object.entries(more.manifests ?? {})),
  }).map(({ id, line, text }) => `${id}${line === undefined ? '' : `:${line}`}: ${text}`);
}

describe('tests that are gone', () => {
  it('are told with the file that held them', () => {
    expect(
      facts({
        'test/a.test.ts': {
          status: 'deleted',
          take: "it('adds', () => {\n});\ntest.each([1])(`each %i`, f);",
        },
        'tests/test_b.py': { take: 'def test_b():\nasync def test_c(x):', add: 'def test_d():' },
        'src/lib.rs': { take: '#[test]\nfn adds() {\n}' },
        'a_test.go': { take: 'func TestA(t *testing.T) {' },
        'ATest.java': { take: '  @Test\n  void adds() {' },
      }),
    ).toEqual([
      'deleted-tests test/a.test.ts: the file is deleted; 1 test is gone: adds',
      'deleted-tests tests/test_b.py: 1 test is gone: test_b, test_c',
      'deleted-tests src/lib.rs: 1 test is gone: adds',
      'deleted-tests a_test.go: 1 test is gone: TestA',
      'deleted-tests ATest.java: 1 test is gone: adds',
    ]);
  });

  it('are not those that were moved, renamed or rewritten', () => {
    expect(
      facts({
        'old.test.ts': { status: 'deleted', take: "it('adds', f)\nit('subtracts', f)" },
        'new.test.ts': { status: 'added', add: "it('subtracts', f)\n\nit('adds', f)" },
        'b.test.ts': { take: "it('is slow', f)", add: "it('is quick', f)" },
        'moved.test.ts': { from: 'was.test.ts' },
        'src/match.ts': { take: "if (/x/.test('abc')) return exit('a');" },
        'notes.md': { take: "it('is no test', f)" },
      }),
    ).toEqual([]);
  });
});

it('tests that are newly left out are told, those that were so before are not', () => {
  expect(
    facts({
      'a.test.ts': { add: "\n\nit.skip('adds', f)" },
      'b.test.js': { add: "describe.only('adds', f)" },
      'c.test.js': { add: "xit('adds', f)" },
      'd.test.mjs': { add: "test('adds', { skip: true }, f)" },
      'test_e.py': { add: '@pytest.mark.skip(reason="slow")\ndef test_e():', take: 'def test_e():' },
      'src/f.rs': { add: '    #[ignore]' },
      'g_test.go': { add: '\tt.Skip("later")' },
      'HTest.kt': { add: '@Disabled' },
      'i_spec.rb': { add: '  xit "adds" do', take: '  it "adds" do' },
      'same.test.ts': { take: "it.skip('adds', f)", add: "it.skip('adds two', f)" },
      'src/list.ts': { add: 'const rest = list.skip(1); reader.skip();' },
      'src/run.rb': { add: 'skipped = 1' },
    }),
  ).toEqual([
    "skipped-tests a.test.ts:3: tests are left out in 1 place: it.skip('adds', f)",
    "skipped-tests b.test.js:1: tests are left out in 1 place: describe.only('adds', f)",
    "skipped-tests c.test.js:1: tests are left out in 1 place: xit('adds', f)",
    "skipped-tests d.test.mjs:1: tests are left out in 1 place: test('adds', { skip: true }, f)",
    'skipped-tests test_e.py:1: tests are left out in 1 place: @pytest.mark.skip(reason="slow")',
    'skipped-tests src/f.rs:1: tests are left out in 1 place: #[ignore]',
    'skipped-tests g_test.go:1: tests are left out in 1 place: t.Skip("later")',
    'skipped-tests HTest.kt:1: tests are left out in 1 place: @Disabled',
    'skipped-tests i_spec.rb:1: tests are left out in 1 place: xit "adds" do',
  ]);
});

it('a threshold that is lower or gone is told, one that is higher is not', () => {
  expect(
    facts(
      {
        'vitest.config.ts': {
          take: 'thresholds: { lines: 90, branches: 80 },',
          add: '\nthresholds: { lines: 50, branches: 85 },',
        },
        'setup.cfg': { take: 'fail_under = 95' },
        'src/chart.ts': { take: 'const threshold = 9;', add: 'const threshold = 1;' },
      },
      { manifests: { 'setup.cfg': { before: '[x]\nfail_under = 95', after: '[x]' } } },
    ).filter((fact) => fact.startsWith('lowered')),
  ).toEqual([
    'lowered-thresholds vitest.config.ts:2: a threshold is lower: lines 90 → 50',
    'lowered-thresholds setup.cfg: a threshold is lower: fail_under 95 → (none)',
  ]);
});

describe('what checks run by', () => {
  const changed = { add: 'x', take: 'y' };

  it('is configuration, CI, and the scripts that check commands start', () => {
    expect(
      facts(
        {
          'tsconfig.json': changed,
          'packages/a/.eslintrc.json': { status: 'deleted', take: 'y' },
          '.github/workflows/ci.yml': changed,
          'conf/vitest.config.ts': { from: 'vitest.config.ts' },
          'biome.json': { status: 'added', add: '{}' },
          'tools/check.sh': changed,
          'tools/other.sh': changed,
          'test/a.test.mjs': changed,
          'src/a.ts': changed,
        },
        { commands: ['CI=1 sh ./tools/check.sh && node test/a.test.mjs', 'test -s src/a.ts'] },
      ),
    ).toEqual([
      'gate-files tsconfig.json:1: what checks run by is changed',
      'gate-files packages/a/.eslintrc.json: what checks run by is deleted',
      'gate-files .github/workflows/ci.yml:1: what checks run by is changed',
      'gate-files conf/vitest.config.ts: what checks run by was vitest.config.ts',
      'gate-files biome.json:1: what checks run by is new',
      'gate-files tools/check.sh:1: what checks run by is changed',
    ]);
  });

  it('is in a manifest only what says so: a new dependency and a new script are none', () => {
    const of = (before: object, after: object) =>
      facts(
        { 'package.json': changed },
        { manifests: { 'package.json': { before: JSON.stringify(before), after: JSON.stringify(after) } } },
      );
    const scripts = { test: 'vitest run' };
    expect(of({ scripts }, { scripts, dependencies: { zod: '4' } })).toEqual([]);
    expect(of({ scripts }, { scripts: { ...scripts, build: 'tsc' } })).toEqual([]);
    expect(of({ scripts }, { scripts: { test: 'true' } })).toEqual([
      'gate-files package.json:1: what checks run by is changed: scripts.test: "vitest run" → "true"',
    ]);
    expect(of({ scripts }, { scripts: { ...scripts, pretest: 'rm -r test' } })).toEqual([
      'gate-files package.json:1: what checks run by is changed: scripts.pretest: (none) → "rm -r test"',
    ]);
    expect(of({ jest: {} }, {})).toEqual([
      'gate-files package.json:1: what checks run by is changed: jest: {} → (none)',
    ]);
    const toml = (before: string, after: string) =>
      facts({ 'pyproject.toml': changed }, { manifests: { 'pyproject.toml': { before, after } } });
    const tool = '[tool.pytest.ini_options]\naddopts = "-q"\n';
    expect(
      toml(`[project]\ndependencies = []\n${tool}`, `[project]\ndependencies = ["a"]\n# why\n${tool}`),
    ).toEqual([]);
    expect(toml(tool, tool.replace('-q', '-k nothing'))).toHaveLength(1);
    expect(
      facts(
        { 'pom.xml': changed },
        {
          manifests: {
            'pom.xml': {
              before: '<project><dependencies></dependencies></project>',
              after: '<project>\n<dependencies><dependency>a</dependency></dependencies>\n</project>',
            },
          },
        },
      ),
    ).toEqual([]);
  });

  it('is nothing where a project only begins', () => {
    expect(
      facts(
        {
          'package.json': { status: 'added', add: '{"scripts":{"test":"vitest"}}' },
          'vitest.config.ts': { status: 'added', add: 'export default {}' },
          '.github/workflows/ci.yml': { status: 'added', add: 'on: push' },
        },
        { checked: [] },
      ),
    ).toEqual([]);
  });
});

/**
 * Everything that mstone can refuse or remark, in one table: the code that programs go by, the sentences
 * that people read, and what to do. `docs/messages.md` is printed from it. The sentence itself is made
 * where its facts are; a code without an entry does not compile, and an entry that nobody uses, or a
 * sentence that is not listed here, fails a test.
 */

export interface Message {
  /** One line: what it is about. */
  readonly means: string;
  /** The sentences in which it is said; `…` stands for what differs from time to time. */
  readonly says: readonly [string, ...string[]];
  /** What to do, where the message itself knows nothing better: an imperative, with a command if there is one. */
  readonly todo: string;
  /** What the command ends with because of it; 0 where it is a remark and the command goes on. */
  readonly exit: 0 | 1 | 2 | 3 | 4 | 75;
}

const entry = (
  exit: Message['exit'],
  means: string,
  says: string | Message['says'],
  todo: string,
): Message => ({
  means,
  says: typeof says === 'string' ? [says] : says,
  todo,
  exit,
});

const MESSAGES = {
  // The command line.
  'unknown-command': entry(
    2,
    'The first word is no command',
    "unknown command '…'",
    'type `mstone --help` to see all commands',
  ),
  'unknown-option': entry(
    2,
    'The command has no such option',
    "unknown option '…'",
    'type the command with `--help` to see its options',
  ),
  'missing-argument': entry(
    2,
    'The command needs a word that is not there',
    ["missing required argument '…'", "option '…' argument missing"],
    'type the command with `--help` to see an example',
  ),
  'excess-arguments': entry(
    2,
    'There are more words than the command takes',
    'there are more words than `…` takes',
    'type the command with `--help` to see what it takes',
  ),
  'conflicting-options': entry(
    2,
    'Two options contradict each other',
    "option '…' cannot be used with option '…'",
    'leave one of the two out',
  ),
  contradiction: entry(
    2,
    'The command line says two things that do not go together',
    ['--until … beside milestones', '--until … beside --stage', '--lose-work goes with --all only'],
    'say only one of them',
  ),
  'nothing-named': entry(
    2,
    'The command acts on milestones, and none is named',
    'which milestones?',
    'name milestones by their ids: `mstone status` lists them',
  ),
  'mark-what': entry(
    2,
    '`mark` was not told, or told twice, what to mark as',
    'done or todo?',
    'say one of --done and --todo: mstone mark 1A --done',
  ),
  'force-what': entry(
    2,
    '`--force` redoes what is named, and nothing is',
    '--force without milestones would do everything again',
    'name what to do again: `mstone run --force 1A`',
  ),
  'nothing-to-report': entry(
    2,
    'No run has begun anything that a report could be about',
    'there is no review to report yet',
    'type `mstone run`',
  ),
  'unknown-milestone': entry(
    2,
    'There is no milestone of that id, or none that a pattern matches',
    ['there is no milestone …', 'no run has begun …', 'no milestone matches …'],
    'type `mstone plan` to see what there is',
  ),
  'nothing-to-decide': entry(
    2,
    'Nothing of it waits for a person',
    '… waits for no approval: …',
    'type `mstone status` to see what waits for you',
  ),
  'no-reason': entry(
    2,
    'A rejection says nothing of what is to become other',
    'why?',
    'say it: mstone reject ID --because "…"',
  ),
  'not-a-person': entry(
    2,
    'Approvals are a person’s, and this was typed by what mstone started',
    'an agent, or a check, cannot … anything',
    'type it in your own terminal',
  ),
  'run-branch-left': entry(
    2,
    'A run was to begin on another new branch, though what the last one landed is not taken in',
    '… holds what a run from … has landed, and … does not',
    'merge that branch, go on there with --onto, or delete it',
  ),
  'no-run-branch': entry(
    2,
    'A run was to land on a new branch, which cannot be made',
    'no branch … can be made: …',
    'rename what is in the way, or name a branch: mstone run --onto BRANCH',
  ),
  'unknown-stage': entry(
    2,
    'There is no milestone with that number',
    'stage … has no milestones',
    'type `mstone plan` to see the stages',
  ),
  'unknown-run': entry(
    2,
    'There is no run of that id',
    'no run …',
    'type `mstone status` to see the last one',
  ),
  'unknown-attempt': entry(
    2,
    'The milestone has not been tried that often',
    '… has no attempt … in run …',
    'list what there is: mstone logs 1A --list',
  ),
  'no-logs': entry(
    2,
    'Nothing has been started for it yet',
    '… has no logs yet',
    'type `mstone status` to see what has run',
  ),
  'not-in-stage': entry(
    2,
    'A named milestone is of another stage than `--stage` says',
    '… is not in stage …',
    'name milestones or a stage, not both',
  ),
  disabled: entry(
    2,
    'A named milestone is switched off',
    '… is disabled',
    'remove `enabled: false` from its front matter',
  ),
  'needs-unmet': entry(
    2,
    'A named milestone needs others that are not done',
    ['… needs …, which is not done', '… needs …, which are not done'],
    'build what is missing as well: --with-needs',
  ),
  'stage-unfinished': entry(
    2,
    'A stage was asked for while an earlier one is not done',
    ['stage … needs …, which is not done', 'stage … needs …, which are not done'],
    'run up to the stage: mstone run --until 2',
  ),
  'folder-not-empty': entry(
    2,
    'The demo makes a folder of its own and found files there',
    '… is not empty',
    'name a folder that is not there yet',
  ),

  // The place.
  'no-such-folder': entry(
    2,
    '`-C` or MSTONE_DIR names a folder that is not there',
    'there is no folder …',
    'name an existing folder with -C',
  ),
  'git-missing': entry(
    2,
    'There is no git on the PATH',
    'git was not found',
    'install git 2.38 or newer and put it on the PATH',
  ),
  'git-too-old': entry(
    2,
    'mstone merges without a checkout, which older gits cannot do',
    'this git is too old: merging without a checkout came with 2.38',
    'install a newer git',
  ),
  'git-refused': entry(
    2,
    'git itself does not read the repository',
    'git does not read the repository in …: …',
    'make `git status` work there first',
  ),
  'not-a-repository': entry(
    2,
    'mstone works in git repositories',
    ['… is not in a git repository', '… is not in a git repository, and not empty'],
    'git init',
  ),
  'bare-repository': entry(
    2,
    'A bare repository has no files to read milestones from',
    'this is a bare repository: there is no checkout to read milestones from',
    'run mstone in a clone of it',
  ),
  'inside-git': entry(
    2,
    'The folder belongs to git',
    "this is git's own folder, not a checkout",
    'go to the checkout, or use -C',
  ),
  'shallow-clone': entry(
    2,
    'What has landed is read off the history, and a part of it is missing here',
    'this clone is shallow: history that proves what has landed may be missing',
    'git fetch --unshallow',
  ),
  'detached-head': entry(
    2,
    'Milestones land on a branch, and none is checked out',
    [
      'no branch is checked out here (detached HEAD), so there is nothing to land on',
      'no branch is checked out here (detached HEAD), so a commit would be lost',
    ],
    'git switch <branch>',
  ),
  'invalid-branch': entry(
    2,
    'git allows no branch of that name',
    '… cannot be the name of a branch',
    'give a local branch',
  ),
  'own-branch': entry(
    2,
    'Branches under `mstone/` are views of what mstone does',
    "… is one of mstone's own branches",
    'name the branch to land on: --onto <branch>',
  ),
  'unknown-branch': entry(
    2,
    'The branch to land on is not there',
    'there is no local branch …',
    'make it first: git branch <branch>',
  ),
  'operation-in-progress': entry(
    2,
    'A merge, rebase or the like is not finished in the checkout',
    'a … is in progress in …',
    'finish it or give it up: git merge --continue, git merge --abort',
  ),
  'no-commit': entry(
    2,
    'The branch has no commit to work from',
    '… has no commit',
    'commit your milestones first: mstone run --commit',
  ),
  'not-committed': entry(
    2,
    'A run goes by what is committed, and these files are not',
    [
      '… is not committed as it is',
      '… are not committed as they are',
      '… is not in any commit: the repository has none',
      '… are not in any commit: the repository has none',
      'the files could not be committed: …',
    ],
    'commit them, or let mstone do it: mstone run --commit',
  ),

  // Milestones.
  'no-milestones': entry(
    2,
    'There is nothing to run yet',
    ['no milestones under …/', 'no milestones under …/ on …'],
    'write a first one: mstone new 1A',
  ),
  'milestone-name': entry(
    2,
    'The name of a file, or the id for a new one, is not that of a milestone',
    [
      'the name has no letter',
      'a stage has at most three digits',
      'a milestone has one or two letters',
      'the letters of a milestone are capitals',
      'the name is not that of a milestone',
      '…: the name has no letter',
      '…: a stage has at most three digits',
      '…: a milestone has one or two letters',
      '…: the letters of a milestone are capitals',
      '…: the name is not that of a milestone',
      '…: a milestone is a name and no path',
    ],
    'rename it to something like `1A.md`',
  ),
  'stage-zero': entry(
    2,
    'There is no stage 0',
    ['stages are numbered from 1', '…: stages are numbered from 1'],
    'begin the name with 1 or a higher number',
  ),
  'id-taken': entry(
    2,
    'A milestone of that id is there already',
    'there is … already',
    'take the next letter',
  ),
  'duplicate-id': entry(
    2,
    'Two files claim one id',
    '… and … are both milestone …',
    'rename or remove one of them',
  ),
  'not-a-file': entry(
    2,
    'A milestone is a link, a folder or something else that a commit cannot hold as text',
    'a milestone must be a plain file',
    'put the text itself there, as a file',
  ),
  'places-collide': entry(
    2,
    'Two places that the configuration names lie in each other',
    [
      '`tasks_file` lies in the folder of milestones',
      '`tasks_file` stands where the milestones belong',
      '`log_dir` lies in the folder of milestones',
    ],
    'name places beside each other',
  ),
  'no-such-config': entry(
    2,
    'The file that `--config` or `MSTONE_CONFIG` names cannot be read',
    [
      'the configuration named by --config is not there',
      'the configuration named by --config is a folder',
      'the configuration named by --config cannot be read: …',
    ],
    'put it there, or name another with --config FILE',
  ),
  'deprecated-key': entry(
    0,
    'A setting is written with its old name',
    ['`…` is called `…` since …', '`…` does nothing beside `…`, its name since …'],
    'write the new name',
  ),
  'former-view': entry(
    0,
    '`tasks_file` names another file than before; the old one is left alone',
    'this file is yours from now on: `tasks_file` is …',
    'remove it if nobody needs it',
  ),
  'not-plain': entry(
    2,
    'The configuration or the folder of milestones is a link or something else',
    ['this must be a plain file', 'this must be a plain folder'],
    'put the thing itself there: a commit holds a link, not what it leads to',
  ),
  'too-large': entry(
    2,
    'A milestone is meant to be read by people and agents',
    'the file is too large for a milestone',
    'put long reference material into files of its own and name them in the milestone',
  ),
  'not-text': entry(2, 'The file holds other bytes than text', 'this is not a text file', 'save it as UTF-8'),
  'empty-file': entry(
    2,
    'There is nothing in it to do',
    'the file is empty',
    'write what is to be done, or remove the file',
  ),
  unreadable: entry(
    2,
    'The system does not let mstone read a file',
    'the file could not be read',
    'look at its owner and its rights: ls -l milestones',
  ),
  'front-matter': entry(
    2,
    'The lines between the two `---` are not what they should be',
    [
      'the front matter opens with something else',
      'the front matter is not closed',
      'the front matter is not a mapping',
      'the front matter is not read: …',
      'a key of the front matter is not a word',
      'this is not valid YAML: …',
    ],
    'write `key: value` lines between two lines `---`, or remove them all',
  ),
  'empty-body': entry(
    0,
    'A milestone has front matter and no text',
    'there is nothing behind the front matter',
    'write what is to be done below it',
  ),
  'unclosed-block': entry(
    2,
    'A block of a recipe has no end, so all that follows would be run',
    'this code block is not closed, so the rest of the file would be run',
    'close it with a line ``` behind the last command',
  ),
  'empty-recipe': entry(
    0,
    'A section `## Recipe` without a block of shell commands',
    'this recipe has nothing to run',
    'add a fenced block that opens with ```sh',
  ),
  disagreement: entry(
    0,
    'Two places of a milestone say different things; which one counts is said',
    [
      '`## Dependencies` says otherwise than `depends_on`, which counts',
      '… says otherwise than `estimate`, which counts',
      'the heading names another milestone than the file',
    ],
    'make the two the same, or remove one',
  ),
  'dependency-text': entry(
    0,
    'Text that looks like a dependency and is not read as one',
    [
      '… is only mentioned here, so nothing waits for it',
      '… are only mentioned here, so nothing waits for them',
      'this names no milestone, so nothing waits for it',
      'this section is not read, so nothing waits for …',
    ],
    'write `- 1A` as a line of its own below `## Dependencies`',
  ),
  'estimate-text': entry(
    0,
    'An estimate that is no duration',
    'this estimate is not understood, so the usual one is taken',
    'write a duration with its unit, such as `45m`',
  ),
  ignored: entry(
    0,
    'A file among the milestones that is none',
    'ignored: the names of milestones begin with a number, as in `1A.md`',
    'rename it if it is meant to be one',
  ),

  // The graph.
  'dependency-self': entry(
    2,
    'A milestone waits for itself',
    '… depends on itself',
    'remove it from its own dependencies',
  ),
  'unknown-dependency': entry(
    2,
    'A milestone waits for one that is not there',
    '… depends on …, which does not exist',
    'write that milestone, or remove it from the dependencies',
  ),
  'dependency-later-stage': entry(
    2,
    'Stages run in order, so a later one cannot be waited for',
    '… depends on … of the later stage …',
    'remove it from the dependencies, or move one of the two to another stage',
  ),
  'dependency-cycle': entry(
    2,
    'None of these could ever begin',
    'milestones wait for each other: …',
    'remove one of these dependencies',
  ),

  // Settings.
  'config-file': entry(
    2,
    'A configuration file is not YAML, or not lines of `key: value`',
    [
      'this is not valid YAML: …',
      'the file is not read: …',
      'the file is not a mapping',
      'a key is not a word',
    ],
    'correct the line; docs/configuration.md has a sample',
  ),
  'unknown-key': entry(
    2,
    'A key that mstone does not know, in mstone.yaml or in front matter',
    ['`…` is no setting', '`…` is not a key of a milestone'],
    'remove it, or take one that there is: docs/configuration.md lists them',
  ),
  'invalid-value': entry(
    2,
    'A value of another kind than its key, flag or variable takes',
    [
      '`…` cannot be read',
      '`…` is no name for an agent',
      '`…` is of no kind that there is',
      '`recipe` is built in',
      'the title is empty',
    ],
    'write what is expected; `mstone config --origin` shows who says what',
  ),
  'unsupported-key': entry(
    2,
    'A key that is promised for a later version',
    '`…` is not supported yet',
    'remove it',
  ),
  'unsupported-value': entry(
    2,
    'A value that is promised for a later version',
    '`…: …` is not supported yet',
    'take one of the values that are expected',
  ),
  'unknown-variable': entry(
    0,
    'A variable that begins with MSTONE_ and is none of its own',
    '`…` is no setting of mstone and does nothing',
    'unset it',
  ),
  'unknown-profile': entry(
    2,
    'A profile that neither configuration file has',
    'there is no profile …',
    'add `profiles: { NAME: { … } }` to mstone.yaml',
  ),
  'broken-template': entry(
    2,
    "One of your own prompt templates can't be used",
    'this prompt template cannot be used: …',
    'correct it, or delete it to use the template that comes with mstone',
  ),

  // Agents.
  'no-agent': entry(
    2,
    'Nobody is there to do the work',
    [
      'nobody implements …: no agent is named',
      'nobody implements …: no agent is named, and none is installed',
    ],
    'install an agent, add `agent: NAME` to mstone.yaml, or give the milestone a `## Recipe`',
  ),
  'unknown-agent': entry(
    2,
    'An agent is named that is not configured',
    ['`…` names an agent that is not configured', 'the … of … is not configured'],
    'add it under `agents:` in mstone.yaml',
  ),
  'reviewers-twice': entry(
    2,
    'Who reviews is said twice in one place',
    '`reviewer` and `reviewers` both say who reviews',
    'keep one of the two',
  ),
  'unknown-role': entry(
    2,
    'A role is named that has no text',
    'there is no role …',
    'write its text: milestones/templates/roles/NAME.md',
  ),
  'no-recipe': entry(
    2,
    'The recipe is to do the work, and the milestone has none',
    '… is to be implemented by its recipe and has none',
    'add a `## Recipe` section with a ```sh block, or name another `agent:`',
  ),
  'no-review': entry(
    2,
    'Nobody is there to review the work',
    '… has neither a reviewer nor a `## Review`',
    'add `reviewer: NAME`, or `review: false` to mstone.yaml',
  ),

  // What was and what is.
  stale: entry(
    0,
    'A milestone that landed has another text now; nothing is spent on it unasked',
    '…: its text has changed since it landed',
    'do it again (mstone run 1A), or accept it as it is (mstone mark 1A --done)',
  ),
  'gave-up': entry(
    0,
    'A milestone used up its attempts in an earlier run',
    '…: an earlier run gave it up: …',
    'try it again: mstone retry 1A',
  ),
  'filter-missing': entry(
    2,
    'Files of the repository need a filter, such as git-lfs, whose program is not there',
    '… is not there, and git checks out nothing without it',
    'install the program, or put it on the PATH',
  ),
  'no-sandbox': entry(
    2,
    '`sandbox: bubblewrap` is set, and this machine can make no such sandbox',
    'no sandbox can be made here, and `sandbox: bubblewrap` asks for one',
    'install bubblewrap, or set sandbox: none',
  ),
  'proof-lost': entry(
    0,
    'A run landed this text of a milestone, and history does not prove it: a squash or a reset lost the trailers',
    '…: run … landed it as …, of which … holds no proof; if its work is there, `mstone mark … --done` says so',
    'if its work is there: mstone mark 1A --done',
  ),
  'no-gate': entry(
    2,
    'A stage was asked about that has no checks of its own',
    'stage … has no checks of its own',
    'add `stage_checks: [COMMAND]` to mstone.yaml',
  ),
  'already-done': entry(
    0,
    'A named milestone has landed; it is not done twice',
    ['…: landed as …', '…: marked done … by …'],
    'do it again all the same: mstone run --force 1A',
  ),
  deadline: entry(
    2,
    'A deadline is no time to come',
    [
      'the deadline cannot be read',
      'there is no such time as this deadline',
      'this deadline has passed already',
    ],
    'say a clock time such as `6:30`, or a time from now such as `8h`',
  ),
  'no-work': entry(
    2,
    'A retry is to go on with work that is not there',
    [
      '… left no work to go on with',
      'what … left, …, is no longer kept under refs/mstone/',
      '… is not to be done: nothing of it has failed',
      '… is not over: it is taken up where it was',
    ],
    'begin it anew: mstone retry 1A',
  ),
  'text-changed': entry(
    2,
    'A retry is to go on with work that was done for another text',
    'the text of … has changed since it was worked on',
    'begin it anew: mstone retry 1A',
  ),
  'no-reviewer': entry(
    2,
    'A retry is to begin with a review where there is none',
    'nobody reviews …',
    'go on from its checks: mstone retry 1A --from check',
  ),
  'run-elsewhere': entry(
    4,
    'The run under way cannot be signalled from here',
    [
      'the run under way cannot be reached from here: …',
      'process …, which drives the run, is another user’s',
    ],
    'type `mstone stop` where the run was started',
  ),
  'run-broken-off': entry(
    75,
    'What drove the run is gone, and the run has not come to its end',
    ['process …, which drove the run, is gone and has not said how it ended'],
    'type `mstone resume`: agents that still work are taken up',
  ),
  'not-a-run': entry(
    4,
    'The lock is held, but by no run that could be stopped',
    ['what holds the lock is no run: …', 'the lock … cannot be read'],
    'wait for its end, or type `mstone doctor`',
  ),
  locked: entry(
    4,
    'Another mstone is at work in this repository',
    ['another run holds the lock: …', 'a run is going on'],
    'type `mstone status` to see what it does',
  ),
  'unfinished-run': entry(
    2,
    'An earlier run has not come to its end, and this would get in its way',
    [
      'run … on … is unfinished',
      'run … on … is unfinished, and this one would land on …',
      '… under way in run …, which is unfinished',
    ],
    'finish it first: mstone resume',
  ),
  'journal-damaged': entry(
    2,
    "A run's journal was changed by something else than mstone",
    'the journal is damaged at line …',
    'move its folder away and type `mstone run`: git still proves what has landed',
  ),
  'journal-newer': entry(
    2,
    "A run's journal is of a newer mstone",
    [
      'line … of the journal was written by a newer mstone',
      'line … of the journal was written by a newer mstone, …',
    ],
    'install the newest one: npm install -g mstone@latest',
  ),
  'record-newer': entry(
    2,
    'What a newer mstone has under way here can only be gone on with by it',
    'this record was written by a newer mstone, for work that is under way',
    'install the newest one: npm install -g mstone@latest',
  ),
  'lock-newer': entry(
    2,
    'A newer mstone holds the lock, or died with it; which of the two cannot be told',
    'the lock … was written by a newer mstone',
    'install the newest one: npm install -g mstone@latest',
  ),
  'digest-newer': entry(
    2,
    'A newer mstone landed this milestone, and this one cannot tell whether its text is still the same',
    '… landed by a newer mstone, as …',
    'install the newest one: npm install -g mstone@latest',
  ),
  'config-newer': entry(
    2,
    'The configuration says that it is for a newer mstone',
    'this file is for a newer mstone',
    'install the newest one: npm install -g mstone@latest',
  ),
  'template-newer': entry(
    2,
    'A prompt template says that it is for a newer mstone',
    'this template is for a newer mstone',
    'install the newest one: npm install -g mstone@latest',
  ),
  'state-removed': entry(
    1,
    'The state folder went away while a run was using it',
    '… is not what it was: something removed it while mstone was at work',
    'type `mstone run` to begin anew; what has landed has landed, and what agents left is kept',
  ),
  'state-unwritable': entry(
    2,
    'The folder below .git in which mstone remembers what it does cannot be written',
    '… cannot be written: …',
    'give yourself the right to, or clone the repository to where you have it',
  ),
  'worktrees-unwritable': entry(
    2,
    'The folder outside the repository in which worktrees are made cannot be written',
    'no worktrees can be made in …: …',
    'set `worktrees.dir` in mstone.yaml, or the variable XDG_STATE_HOME, to a folder that you may write to',
  ),
  'credential-invalid': entry(
    2,
    'A credential is not as it must be; its value is never shown',
    'a credential cannot be used: …',
    'write it as `{name: work, env: {ANTHROPIC_API_KEY: …}}`, each name once',
  ),
  'credential-in-repository': entry(
    2,
    'A file of the repository has keys, or says where they are',
    '`…` has no place in the repository: keys must not be committed',
    'move it to ~/.config/mstone/config.yaml; a key that has been committed is known, so replace it',
  ),
  'credential-readable': entry(
    2,
    'Your own file holds credentials and others may read it',
    'others may read your file, and it holds credentials',
    'chmod 600 ~/.config/mstone/config.yaml',
  ),
  'keys-file': entry(
    2,
    'The file of keys is not there, not safe or not readable',
    'the file of keys is not used: …',
    'chmod 600 ~/.config/mstone/api-keys.json, and write it as `[{"name": …, "env": {…}}]`',
  ),
  'no-credential': entry(
    2,
    'Only keys may be used, and an agent has none',
    '`auth: keys-only`, and … has no credential',
    'add one for it under `credentials`, or write `auth: login-first`',
  ),
  'user-file-unreadable': entry(
    0,
    'Your own configuration is there and may not be read, so it says nothing',
    'your own configuration cannot be read: …',
    'give yourself the right to, or set XDG_CONFIG_HOME to another folder',
  ),
  'disk-full': entry(
    75,
    'There is no room to write down what happens, so nothing goes on',
    'the disk is full: …',
    'make room, then type `mstone resume`; nothing is lost',
  ),
  'target-moved': entry(
    2,
    'A branch was moved by somebody else at the same moment',
    ['the target does not stand still', 'a branch has moved meanwhile; no ref was removed'],
    'type the same again in a moment',
  ),
  'target-rewound': entry(
    3,
    'The target was moved backwards; both commits are kept',
    '… no longer holds …, it is at …',
    'look where it was: git reflog <branch>',
  ),
  'tasks-differ': entry(
    2,
    'TASKS.md says what history does not',
    '… shows this already, and history does not',
    'take its line out of TASKS.md, commit that, and type the same again',
  ),
  'mark-refused': entry(
    3,
    'The checkout is in the way of a mark',
    '… could not be marked on …: …',
    'type the same again in a moment',
  ),
  'would-lose-work': entry(
    3,
    'Work that is nowhere else would be removed',
    '… would be lost',
    'land it or keep it on a branch of yours; to lose it: mstone clean --all -f --lose-work',
  ),
} as const satisfies Readonly<Record<string, Message>>;

/** Stable: programs go by it. */
export type MessageCode = keyof typeof MESSAGES;

export const messages: Readonly<Record<MessageCode, Message>> = MESSAGES;

/** All of them, in the order of the page. */
export const messageCodes = Object.keys(MESSAGES) as readonly MessageCode[];

import type { Law } from './laws.js';

/** A change of the product that breaks a law, and must be noticed. */
export interface Mutation {
  readonly law: Law;
  /** What somebody might have done by mistake. */
  readonly what: string;
  readonly edits: readonly {
    readonly file: string;
    /** Is there exactly once. */
    readonly find: string;
    readonly replace: string;
  }[];
}

export const MUTATIONS: readonly Mutation[] = [
  {
    law: 'dependencies',
    what: 'nothing is needed',
    edits: [
      {
        file: 'src/run/needs.ts',
        find: 'item.item.needs.filter((id) => !succeeded(state.items.get(id)))',
        replace: '[]',
      },
    ],
  },
  {
    law: 'capacity',
    what: 'one agent more than jobs',
    edits: [
      { file: 'src/run/decide.ts', find: 'Math.min(capacity, state.settings.jobs)', replace: 'capacity + 1' },
      {
        file: 'src/run/slots.ts',
        find: '{ length: state.settings.jobs }',
        replace: '{ length: state.settings.jobs + 1 }',
      },
      {
        file: 'src/engine/index.ts',
        find: 'Math.max(1, agentsOf(state), state.settings.jobs)',
        replace: 'state.settings.jobs + 1',
      },
    ],
  },
  {
    law: 'slots',
    what: 'whoever has no slot is sent to the first',
    edits: [
      {
        file: 'src/run/slots.ts',
        find: 'const { slot, lastSlot } = item;',
        replace: 'const { slot, lastSlot } = item; if (slot === undefined) return 1;',
      },
    ],
  },
  {
    law: 'one landing',
    what: 'whatever has passed lands at once',
    edits: [
      {
        file: 'src/run/decide.ts',
        find: `if (land?.item !== id) return undefined;
        const onto = land.onto === undefined ? {} : { onto: land.onto };`,
        replace: 'const onto = {};\n        void land;',
      },
    ],
  },
  {
    law: 'landed once',
    what: 'what has landed is merged again',
    edits: [
      {
        file: 'src/run/landings.ts',
        find: "phase: { is: 'landed', commit: outcome.commit, at: now }",
        replace: "phase: { is: 'next', step: { is: 'candidate', commit: step.candidate.work } }",
      },
    ],
  },
  {
    law: 'checked',
    what: 'a candidate passes for its work having passed',
    edits: [
      {
        file: 'src/run/landings.ts',
        find: "known ? { is: 'land', candidate } : { is: 'verify', candidate }",
        replace: "{ is: 'land', candidate }",
      },
      // What is about to land is looked at once more.
      {
        file: 'src/run/queue.ts',
        find: 'if (!isGreen(state, candidate.tree, commands)) {',
        replace: 'if (false) {',
      },
    ],
  },
  {
    law: 'reviewed',
    what: 'an approval holds for whatever follows',
    edits: [
      {
        file: 'src/run/reviews.ts',
        find: 'if (item.approved === commit) return',
        replace: 'if (item.approved === commit || item.round > 0) return',
      },
      {
        file: 'src/run/reviews.ts',
        find: 'item.reviewer !== false && approved !== commit;',
        replace: 'item.reviewer !== false && approved === undefined;',
      },
    ],
  },
  {
    law: 'attempts',
    what: 'a limit ends the attempt',
    edits: [
      {
        file: 'src/run/index.ts',
        find: "    case 'limited': {",
        replace:
          "    case 'limited':\n      if (step.is === 'implement') return withItem(state, release(next(item, { is: 'implement', because: 'again' })));\n      return withItem(state, next(item, step));\n    case 'never' as never: {",
      },
    ],
  },
  {
    law: 'budget',
    what: 'nobody asks what is left',
    edits: [{ file: 'src/run/money.ts', find: "if (left.run < least) return 'budget';", replace: '' }],
  },
  {
    law: 'deadline',
    what: 'nobody asks how late it is',
    edits: [
      {
        file: 'src/run/decide.ts',
        find: 'if (isWork(step) && now >= (state.settings.deadline ?? Number.POSITIVE_INFINITY)) continue;',
        replace: '',
      },
    ],
  },
  {
    law: 'credentials',
    what: 'a limit closes nothing',
    edits: [
      {
        file: 'src/run/credentials.ts',
        find: 'return Math.max(state.closed.get(name) ?? 0,',
        replace: 'return Math.max(0,',
      },
    ],
  },
  {
    law: 'conversations',
    what: 'a reviewer goes on with the conversation of the author',
    edits: [
      {
        file: 'src/run/decide.ts',
        find: 'from: step.commit,',
        replace: 'from: step.commit, session: item.session?.id,',
      },
    ],
  },
  {
    law: 'folders',
    what: 'assignments are not counted',
    edits: [{ file: 'src/run/decide.ts', find: 'begins ? 1 : item.assignment + 1', replace: '1' }],
  },
  {
    law: 'believed',
    what: 'nobody waits for the disk',
    edits: [
      {
        file: 'src/engine/index.ts',
        find: 'await ports.append(events);',
        replace: 'void ports.append(events).catch(() => undefined);',
      },
    ],
  },
  {
    law: 'replay',
    what: 'a clock deep inside the house',
    edits: [{ file: 'src/run/decide.ts', find: 'date: now,', replace: 'date: Date.now(),' }],
  },
  {
    law: 'ends',
    what: 'slots are never given back',
    edits: [
      {
        file: 'src/run/items.ts',
        find: '({ slot: _slot, ...item }: ItemState): ItemState => item;',
        replace: '(item: ItemState): ItemState => item;',
      },
    ],
  },
];

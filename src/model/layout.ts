/** Where in a repository lies what mstone reads and writes: from its root, with forward slashes. */
export interface Layout {
  /** The folder of milestone files; `templates/` in it holds the project's own prompts. */
  readonly milestones: string;
  /** The view of what has landed, written by mstone alone and left aside wherever trees are compared. */
  readonly tasks: string;
  /** The configuration: `mstone.yaml`, or what is read in its place; undefined where that lies elsewhere. */
  readonly config?: string;
}

/** The configuration's name where nobody names another. */
export const CONFIG_FILE = 'mstone.yaml';

/** What holds where nobody says anything. */
export const DEFAULT_LAYOUT: Layout = { milestones: 'milestones', tasks: 'TASKS.md', config: CONFIG_FILE };

/** What agents do not change: their edits are put back. */
export const protectedPaths = ({ milestones, tasks, config }: Layout): string[] => [
  ...new Set([milestones, CONFIG_FILE, config ?? CONFIG_FILE, tasks]),
];

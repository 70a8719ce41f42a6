/** What an agent may be asked to look at work, or to write it, as. Each has a text, in `templates/roles/`. */

/** Roles whose texts come with mstone. `reviewer` is what every review is, unless it has another. */
export const BUILT_IN_ROLES = ['reviewer', 'security', 'tester', 'docs'] as const;

/** A role that whatever touches its paths gets a review by. */
export interface RoleConfig {
  /** Patterns, from the repository's root. */
  readonly paths: readonly string[];
  /** Undefined: whoever reviews. */
  readonly agent?: string;
}

/** A role's text, as a template. */
export interface RoleText {
  readonly name: string;
  readonly template: string;
}

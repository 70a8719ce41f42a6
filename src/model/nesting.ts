/** YAML that anybody writes by hand is smaller. */
const LONGEST = 64 * 1024;
const DEEPEST = 64;

/** `- - - …` and `? ? ? …`: two bytes a level, enough to overflow a parser's stack uncatchably. */
const STAIRS = /(?:[-?][ \t]+){33,}/;
const EXPLICIT_KEY = /(?:^|[\s[{,])\?(?=\s|$)/gm;

/**
 * Why a text must not be given to a YAML parser at all, or undefined. Some texts of a few KB end the
 * process or keep it busy for minutes, which no `catch` helps against; so they are found by their looks.
 * Brackets within quotes count as well: a guard that knew quotes could be talked out of its count.
 */
export function tooNested(yaml: string): string | undefined {
  if (yaml.length > LONGEST) return `it has more than ${LONGEST / 1024} KB`;
  if (STAIRS.test(yaml)) return 'it nests more than 32 levels on one line';
  if ((yaml.match(EXPLICIT_KEY)?.length ?? 0) > 32) return 'it has more than 32 `?` keys';
  let depth = 0;
  for (const char of yaml) {
    if (char === '[' || char === '{') depth += 1;
    else if (char === ']' || char === '}') depth = Math.max(0, depth - 1);
    if (depth > DEEPEST) return `it has brackets more than ${DEEPEST} deep`;
  }
  return undefined;
}

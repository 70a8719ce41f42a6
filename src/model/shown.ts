/** C0, DEL, C1, and what turns the direction of text or hides in it. */
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Text of other people on one line of ours: nothing in it moves a cursor, and it ends. */
export function shown(text: string, length = 80): string {
  const line = text.replace(
    UNSEEN,
    (char) => `\\u${(char.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
}

/** A value as one would write it in JSON, short and harmless. */
export function shownValue(value: unknown, length = 80): string {
  return shown(JSON.stringify(value) ?? String(value), length);
}

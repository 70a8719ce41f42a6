/** The version of mstone that reads what this one cannot, where it is known which. */
export const installWords = (version = 'latest'): string =>
  version === 'latest'
    ? 'install the newest one: npm install -g mstone@latest'
    : `install it: npm install -g mstone@${version}`;

/** Three numbers and perhaps a tag: it becomes part of a command line. */
export const isVersion = (text: unknown): text is string =>
  typeof text === 'string' && /^\d{1,6}\.\d{1,6}\.\d{1,6}(?:-[0-9A-Za-z.]{1,40})?$/.test(text);

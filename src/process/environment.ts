/**
 * Which of the user's variables reach agents, checks and setup. An allow-list: a shell's environment holds
 * tokens, sockets and switches (`GIT_DIR`, `NODE_OPTIONS`, `BASH_ENV`) that no agent was meant to get.
 */
import { TAG_NAME } from './tagged.js';

const ALLOWED = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TZ',
  'TMPDIR',
  'TEMP',
  'TMP',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  // Isolation that the user asked of git holds for agents' git too.
  'GIT_CONFIG_NOSYSTEM',
  'GIT_CONFIG_GLOBAL',
  'GIT_CONFIG_SYSTEM',
  // The tags of an outer mstone, and the demo's pauses.
  TAG_NAME,
  'MSTONE_DEMO_PAUSE',
]);

/** Without these few nothing starts on Windows. */
const ALLOWED_ON_WINDOWS = new Set([
  'SYSTEMROOT',
  'SYSTEMDRIVE',
  'WINDIR',
  'COMSPEC',
  'PATHEXT',
  'USERPROFILE',
  'APPDATA',
  'LOCALAPPDATA',
  'PROGRAMDATA',
  'PROGRAMFILES',
]);

const ALLOWED_PREFIXES = ['LC_', 'XDG_'];

/** Names that tools read in small letters. */
const ALLOWED_IN_SMALL_LETTERS = new Set([
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'npm_config_cache',
]);

/**
 * The allowed part of `environment`, with `extra` on top: the protocol's `MSTONE_…` names, an agent's and
 * a milestone's `env`. `TERM` is always `dumb`, since output goes to a file. A tag in `extra` joins those
 * that are there.
 */
export function allowedEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const allowed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value !== undefined && isAllowed(name)) allowed[name] = value;
  }
  const tags = [allowed[TAG_NAME], extra[TAG_NAME]]
    .flatMap((list) => (list ?? '').split(','))
    .filter((tag, index, all) => tag !== '' && all.indexOf(tag) === index);
  const all: Record<string, string> = { ...allowed, TERM: 'dumb', ...extra };
  if (tags.length > 0) all[TAG_NAME] = tags.join(',');
  return all;
}

function isAllowed(name: string): boolean {
  if (ALLOWED.has(name) || ALLOWED_IN_SMALL_LETTERS.has(name)) return true;
  if (ALLOWED_PREFIXES.some((prefix) => name.startsWith(prefix))) return true;
  if (process.platform !== 'win32') return false;
  const upper = name.toUpperCase();
  return ALLOWED.has(upper) || ALLOWED_ON_WINDOWS.has(upper);
}

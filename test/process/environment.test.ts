import { describe, expect, it } from 'vitest';
import { allowedEnvironment } from '../../src/process/environment.js';

describe('the environment of agents and checks', () => {
  it('holds allowed names only', () => {
    const kept = {
      PATH: '/bin',
      HOME: '/root',
      LC_ALL: 'C',
      XDG_CACHE_HOME: '/c',
      https_proxy: 'http://p',
      HTTPS_PROXY: 'http://p',
      GIT_CONFIG_GLOBAL: '/dev/null',
      MSTONE_DEMO_PAUSE: '0',
      npm_config_cache: '/n',
    };
    const dropped = {
      TERM: 'xterm',
      GIT_DIR: '/elsewhere',
      BASH_ENV: '/evil',
      NODE_OPTIONS: '--require x',
      ANTHROPIC_API_KEY: 'secret',
      MSTONE_JOBS: '9',
      MSTONE_BASE: 'x',
      npm_config_registry: 'r',
      NOTHING: undefined,
    };
    expect(allowedEnvironment({ ...kept, ...dropped })).toEqual({ ...kept, TERM: 'dumb' });
  });

  it('is extended by what the caller gives, which wins', () => {
    expect(allowedEnvironment({ PATH: '/bin' }, { PATH: '/mine', MSTONE_BASE: 'x', TERM: 'xterm' })).toEqual({
      PATH: '/mine',
      MSTONE_BASE: 'x',
      TERM: 'xterm',
    });
  });

  it('keeps the tags of an outer mstone and adds ours', () => {
    expect(allowedEnvironment({ MSTONE_TAG: 'outer' }, { MSTONE_TAG: 'ours' }).MSTONE_TAG).toBe('outer,ours');
    expect(allowedEnvironment({ MSTONE_TAG: 'ours' }, { MSTONE_TAG: 'ours' }).MSTONE_TAG).toBe('ours');
  });
});

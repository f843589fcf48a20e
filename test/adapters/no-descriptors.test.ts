import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { toolPath } from '../support/requirements.ts';

const moduleUrl = (name: string): string => new URL(`../../src/adapters/linux/${name}.js`, import.meta.url).href;

/** Takes all file descriptors, and then starts programs. */
const SCRIPT = `
import { openSync, writeSync } from 'node:fs';
const { findArping } = await import('${moduleUrl('arping')}');
const { monitor } = await import('${moduleUrl('iproute-monitor')}');
const say = (text) => writeSync(1, text + '\\n');
process.on('uncaughtException', ({ message }) => say('uncaught ' + message));
const arping = findArping({ failed: (name, why) => say('arping ' + name + ' ' + why) });
try { for (;;) openSync('/dev/null'); } catch {}
arping.announce('lo', { text: '192.0.2.1' });
monitor({ ip: '/bin/true', receiveBuffer: 1 }).subscribe({
  complete: () => say('monitor ended'),
  error: ({ message }) => say('monitor failed ' + message),
});
setTimeout(() => process.exit(0), 300);
`;

test('a host without file descriptors says so, and its agent goes on', {
  skip: toolPath('arping') === undefined && 'needs arping',
}, () => {
  const said = execFileSync(
    'sh',
    ['-c', 'ulimit -n 64; exec "$0" --input-type=module -e "$1"', process.execPath, SCRIPT],
    { encoding: 'utf8' },
  );
  assert.match(said, /^arping lo .*EMFILE$/m);
  assert.match(said, /^monitor ended$/m);
  assert.doesNotMatch(said, /uncaught|failed/);
});

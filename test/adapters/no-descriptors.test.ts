import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { toolPath } from '../support/requirements.ts';

const moduleUrl = (name: string): string => new URL(`../../src/adapters/${name}.js`, import.meta.url).href;

/** Takes all file descriptors, and then starts programs. */
const SCRIPT = `
import { openSync, writeSync } from 'node:fs';
const { findArping } = await import('${moduleUrl('linux/arping')}');
const { monitor } = await import('${moduleUrl('linux/iproute-monitor')}');
const { runCommand } = await import('${moduleUrl('hooks/command')}');
const { NEVER } = await import('${import.meta.resolve('rxjs')}');
const say = (text) => writeSync(1, text + '\\n');
process.on('uncaughtException', ({ message }) => say('uncaught ' + message));
const arping = findArping({ failed: (name, why) => say('arping ' + name + ' ' + why) });
try { for (;;) openSync('/dev/null'); } catch {}
arping.announce('lo', { text: '192.0.2.1' });
monitor({ ip: '/bin/true', receiveBuffer: 1 }).subscribe({
  complete: () => say('monitor ended'),
  error: ({ message }) => say('monitor failed ' + message),
});
const hook = { environment: {}, timeoutMs: 5000, cancel$: NEVER };
runCommand(['/bin/true'], hook).subscribe({
  next: ({ type, message }) => say('hook ' + type + ' ' + message),
  error: ({ message }) => say('hook failed ' + message),
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
  assert.match(said, /^hook not-started .*EMFILE$/m);
  assert.doesNotMatch(said, /uncaught|failed/);
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { AdvskewParams } from '../../src/agent/rpc.ts';
import { listenOnSocket } from '../../src/agent/socket-server.ts';
import { statusLines } from '../../src/cli/status-text.ts';
import { idleAgent, statusOf } from '../agent/fakes.ts';
import { carp } from './carp.ts';

const CONFIGURED = 20;

const agentOn = async (t: TestContext) => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-advskew-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const asked: AdvskewParams[] = [];
  const agent = idleAgent({
    advskew: async (params) => {
      asked.push(params);
      const { group, advskew } = params;
      return { node: 'rpi1', group, advskew: advskew ?? CONFIGURED, configured: CONFIGURED, role: 'BACKUP' };
    },
  });
  const path = join(folder, 'agent.sock');
  const server = await listenOnSocket({ path, agent, log: () => undefined });
  t.after(() => server.close());
  return { asked, run: (...args: readonly string[]) => carp(['advskew', ...args, '--socket', path]) };
};

test('carp advskew asks for a rank, and says for how long it holds', async (t) => {
  const { run, asked } = await agentOn(t);
  assert.deepEqual(await run('plant', '100'), {
    code: 0,
    stdout: 'plant on rpi1: BACKUP, advskew 100 until the agent ends; the configuration says 20\n',
    stderr: '',
  });
  const back = await run('plant', 'default');
  assert.deepEqual([back.code, back.stdout], [0, 'plant on rpi1: BACKUP, advskew 20\n']);
  const json = await run('plant', '0', '--json', '--node', 'rpi1');
  assert.deepEqual(JSON.parse(json.stdout), {
    node: 'rpi1',
    group: 'plant',
    advskew: 0,
    configured: CONFIGURED,
    role: 'BACKUP',
  });
  assert.deepEqual(asked, [
    { group: 'plant', advskew: 100 },
    { group: 'plant', advskew: null },
    { group: 'plant', advskew: 0, node: 'rpi1' },
  ]);
});

test('carp advskew refuses what is no advskew before it asks anybody, with exit code 2', async (t) => {
  const { run, asked } = await agentOn(t);
  for (const args of [[], ['plant'], ['plant', '255'], ['plant', '1.5'], ['plant', 'low'], ['plant', '1', 'lab']]) {
    const { code, stdout, stderr } = await run(...args);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, /carp advskew --help/, args.join(' '));
  }
  assert.deepEqual(asked, []);
});

test('status shows an advskew that an operator has set, beside the configured one', () => {
  const lines = (configuredAdvskew?: number) => {
    const more = configuredAdvskew === undefined ? {} : { configuredAdvskew };
    const group = statusOf('rpi1', 'plant', { advskew: 100, ...more });
    const hosts = [{ node: 'rpi1', groups: [group] }];
    return statusLines({ version: '1.0.0', pid: 7, nodes: ['rpi1'], hosts }, { now: new Date() }).join('\n');
  };
  assert.match(lines(20), /^ {2}carp: BACKUP vhid 10 advbase 1 advskew 100$/m);
  assert.match(lines(20), /^ {2}advskew {7}100, set by an operator; the configuration says 20$/m);
  assert.doesNotMatch(lines(), /operator/);
});

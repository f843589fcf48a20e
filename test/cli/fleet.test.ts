/** `carp fleet`, as it is typed, with a real Mosquitto. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { command } from '../../src/cli/fleet.ts';
import { Exit, exitCodeOf } from '../../src/cli/options.ts';
import {
  freePort,
  type MosquittoOptions,
  needsMosquitto,
  startAedes,
  startMosquitto,
} from '../adapters/mqtt-brokers.ts';
import { Child } from '../support/child.ts';
import { createAuthority, needsOpenssl, tlsLines } from '../support/mqtt-tls.ts';
import { toolPath } from '../support/requirements.ts';
import { until } from '../support/wait.ts';
import { carp, lines, type Result } from './carp.ts';
import { alarm, healthy, member, node, type Speaker, speakTo } from './fleet-bus.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const START_MS = 30_000;
const folder = mkdtempSync(join(tmpdir(), 'carp-fleet-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const fleet = (...args: readonly string[]): Promise<Result> => carp(['fleet', ...args]);

interface Bus extends Speaker {
  readonly url: string;
  readonly port: number;
  readonly stop: () => Promise<void>;
}

const bus = async (t: TestContext, options: MosquittoOptions = {}): Promise<Bus> => {
  const broker = await startMosquitto(options);
  t.after(() => broker.stop());
  const speaker = await speakTo(broker.url, options.user);
  t.after(() => speaker.close());
  return { ...broker, ...speaker };
};

/** A file of this name with this text, for one test. */
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
};

describe('carp fleet --once', { skip: needsMosquitto }, () => {
  test('shows each group that the broker keeps, and ends with code 0 while all is well', async (t) => {
    const { url, say } = await bus(t);
    await say(healthy());
    const { code, stdout, stderr } = await fleet(url, '--once');
    assert.deepEqual([code, stderr], [0, '']);
    const [head, titles, rpi1, rpi2, , summary] = stdout.split('\n');
    assert.match(head ?? '', /^plant {2}vhid 10 {2}MASTER rpi1 192\.0\.2\.11 since /);
    assert.match(titles ?? '', /^ {2}NODE +STATUS +ROLE/);
    assert.match(rpi1 ?? '', /^ {2}rpi1 +online +MASTER +0 +0 +normal +1 of 1 +\d+ s ago$/);
    assert.match(rpi2 ?? '', /^ {2}rpi2 +online +BACKUP +100 +0 +normal +0 of 1 +\d+ s ago$/);
    assert.equal(summary, '1 group on 2 nodes; all is well');
  });

  test('ends with code 1 if an alarm is active, and without a terminal it is what is done', async (t) => {
    const { url, say } = await bus(t);
    await say([...healthy(), alarm('rpi1', 'one-way', 'rpi2 does not hear rpi1')]);
    const { code, stdout } = await fleet(url);
    assert.equal(code, 1);
    assert.match(stdout, /ALARM {4}one-way: rpi2 does not hear rpi1 \(says rpi1 since/);
  });

  test('ends with code 1 if nobody is MASTER, although no host says so', async (t) => {
    const { url, say } = await bus(t);
    await say([...node('rpi1', 'offline'), ...member({ node: 'rpi1', role: 'MASTER' })]);
    const { code, stdout } = await fleet(url, '--once');
    assert.equal(code, 1);
    assert.match(stdout, /rpi1 +offline +\(MASTER\)/);
    assert.match(stdout, /ALARM {4}no-master: nobody is MASTER/);
  });

  test('prints one object a group for programs', async (t) => {
    const { url, say } = await bus(t);
    await say([...healthy(), ...member({ group: 'office', node: 'rpi1', role: 'BACKUP' })]);
    const { stdout } = await fleet(url, '--once', '--json');
    const [office, plant, ...more] = lines(stdout).map((line) => JSON.parse(line));
    assert.deepEqual(more, []);
    assert.deepEqual([office.group, office.findings[0].code], ['office', 'no-master']);
    assert.equal(plant.master.node, 'rpi1');
    assert.deepEqual(plant.members[1].absent, ['192.0.2.100']);
  });

  test('shows the groups that are named alone, and misses those that are not there', async (t) => {
    const { url, say } = await bus(t);
    await say([...healthy(), ...member({ group: 'office', node: 'rpi1', role: 'BACKUP' })]);
    const one = await fleet(url, 'plant', '--once');
    assert.equal(one.code, 0);
    assert.doesNotMatch(one.stdout, /office/);
    const none = await fleet('nowhere', url, '--once');
    assert.equal(none.code, 1);
    assert.match(none.stderr, /group nowhere is not on this bus/);
  });

  test('looks below the base that it is told, and says so if nothing is there', async (t) => {
    const { url, say } = await bus(t);
    await say(healthy('acme/plant1'));
    const there = await fleet(url, '--once', '--base', 'acme/plant1');
    assert.match(there.stdout, /^plant {2}vhid 10 {2}MASTER rpi1/);
    const nothing = await fleet(url, '--once');
    assert.deepEqual([nothing.code, nothing.stdout], [1, '']);
    assert.match(nothing.stderr, /no groups below carp\/ on mqtt:\/\/127\.0\.0\.1:\d+; is --base right/);
  });

  test('takes broker, login and base from a configuration file', async (t) => {
    const user = { name: 'viewer', password: 'right' };
    const { url, say } = await bus(t, { user });
    await say(healthy('site'));
    file('viewer.pass', 'right\n');
    const path = file(
      'carp.yaml',
      `mqtt: { url: '${url}', username: viewer, passwordFile: viewer.pass, base: site }
groups: [{ name: plant, interface: lan, vhid: 10, pass: x, transport: memory }]
`,
    );
    const { code, stdout, stderr } = await fleet('--once', '-c', path);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^plant {2}vhid 10 {2}MASTER rpi1/);
  });

  test('logs in with a password from a file or the environment, and never shows it', async (t) => {
    const user = { name: 'viewer', password: 'right-secret' };
    const { url, say } = await bus(t, { user });
    await say(healthy());
    const login = [url, '--once', '--username', 'viewer'];
    const right = await fleet(...login, '--password-file', file('right', 'right-secret\n'));
    assert.equal(right.code, 0, right.stderr);
    const env = { VIEWER_PASSWORD: 'right-secret' };
    assert.equal((await carp(['fleet', ...login, '--password-env', 'VIEWER_PASSWORD'], { env })).code, 0);

    const wrong = await fleet(...login, '--password-file', file('wrong', 'wrong-secret\n'));
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /no connection to mqtt:\/\/127\.0\.0\.1:\d+: .*(user|name|password|login|author)/i);
    assert.match(wrong.stderr, /check --username and --password-file/);
    assert.doesNotMatch(wrong.stderr + wrong.stdout, /secret/);
    const inUrl = await fleet(url.replace('//', '//viewer:wrong-secret@'), '--once');
    assert.equal(inUrl.code, 1);
    assert.doesNotMatch(inUrl.stderr + inUrl.stdout, /secret/);
    const missing = await fleet(...login, '--password-file', join(folder, 'missing'));
    assert.equal(missing.code, 1);
    const unset = await fleet(...login, '--password-env', 'CARP_TEST_NONE');
    assert.match(unset.stderr, /variable CARP_TEST_NONE \(--password-env\) is not set: export it first$/m);
    assert.match(missing.stderr, /cannot read --password-file \(.*missing\): there is no such file/);
  });

  test('proves who it is and whom it talks to with certificates', { skip: needsOpenssl }, async (t) => {
    const authority = createAuthority();
    t.after(authority.remove);
    const listener = { authority, broker: authority.issue({ name: 'broker' }), requireCertificate: true };
    const broker = await startMosquitto({ lines: tlsLines(listener) });
    t.after(() => broker.stop());
    const { certFile, keyFile } = authority.issue({ name: 'viewer' });
    const own = ['--cert', certFile, '--key', keyFile];
    const trusted = await fleet(`mqtts://localhost:${broker.port}`, '--once', '--ca', authority.caFile, ...own);
    assert.match(trusted.stderr, /^no groups below carp\/ on mqtts:/m);
    const stranger = await fleet(`mqtts://localhost:${broker.port}`, '--once', ...own);
    assert.equal(stranger.code, 1);
    assert.match(stranger.stderr, /certificate of the broker is not trusted; give the CA that signed it in --ca/);
  });

  test('fails when nobody listens', async () => {
    const { code, stdout, stderr } = await fleet(`mqtt://127.0.0.1:${await freePort()}`, '--once');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /no connection to mqtt:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
  });

  test('gets every group of a large bus, although the broker queues no more than 1000 messages', async (t) => {
    const { url, say } = await bus(t);
    const groups = Array.from({ length: 255 }, (_, i) => `g${i}`);
    const said = groups.flatMap((group) => [
      ...member({ group, node: 'rpi1', role: 'MASTER' }),
      ...member({ group, node: 'rpi2', role: 'BACKUP' }),
    ]);
    for (let i = 0; i < said.length; i += 500) await say(said.slice(i, i + 500));
    await say([...node('rpi1'), ...node('rpi2')]);
    const { code, stdout } = await fleet(url, '--once', '--json');
    const seen = lines(stdout).map((line) => JSON.parse(line));
    assert.equal(seen.length, groups.length);
    for (const { members } of seen)
      for (const each of members) assert.deepEqual([each.alive, each.mode, each.advskew], [true, 'normal', 0]);
    assert.equal(code, 0);
  });

  test('speaks MQTT 3.1.1 with a broker that knows nothing else', async (t) => {
    const broker = await startAedes();
    t.after(() => broker.stop());
    const speaker = await speakTo(broker.url, undefined, 4);
    t.after(() => speaker.close());
    await speaker.say(healthy());
    const { code, stdout, stderr } = await fleet(broker.url, '--once');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^plant {2}vhid 10 {2}MASTER rpi1/);
    assert.deepEqual([...new Set(broker.versions)].sort(), [4, 5]);
  });
});

describe('carp fleet', () => {
  test('is refused with words that help when it is called in a wrong way', async () => {
    const cases: readonly (readonly [args: readonly string[], message: RegExp])[] = [
      [['mqtt://a', 'mqtt://b'], /one broker at a time/],
      [['--once', '--watch', 'mqtt://a'], /either --once or --watch/],
      [['http://a:secret@b'], /begins with mqtt:\/\//],
      [['mqtt://a', '--base', 'a/#'], /--base is a topic without wildcards/],
      [['mqtt://a', '--cert', 'x'], /--cert and --key belong together/],
      [['mqtt://a', '--ca', 'x'], /are for mqtts:\/\/ and wss:\/\//],
      [['mqtt://a', '--password-file', 'x', '--password-env', 'y'], /either --password-file or --password-env/],
      [['-c', join(folder, 'no-such-file')], /no such file/],
      [
        ['-c', file('no-mqtt.yaml', 'groups: [{ name: a, interface: lan, vhid: 1, pass: x, transport: memory }]')],
        /has no `mqtt`/,
      ],
    ];
    for (const [args, message] of cases)
      await assert.rejects(
        async () => command.run(args),
        (error: unknown) => {
          assert.equal(exitCodeOf(error), Exit.usage, `${args}: ${error}`);
          assert.match(String(error), message);
          assert.doesNotMatch(String(error), /secret/);
          return true;
        },
      );
  });
});

describe('carp fleet --watch', { skip: needsMosquitto }, () => {
  const watching = (t: TestContext, ...args: readonly string[]): Child => {
    const child = new Child('carp', [process.execPath, MAIN, 'fleet', '--watch', ...args]);
    t.after(() => child.stop('SIGKILL'));
    return child;
  };

  test('prints a block for each group that changes where there is no terminal, and ends at SIGINT with code 0', async (t) => {
    const { url, say } = await bus(t);
    await say(healthy());
    const child = watching(t, url);
    await child.untilLine(/^plant {2}vhid 10 {2}MASTER rpi1/, START_MS);
    const blocks = (): number => child.stdout.filter(({ text }) => text.startsWith('plant ')).length;
    // The same said again, a second later, is no change.
    await say(healthy().filter(({ topic }) => !topic.endsWith('/master')));
    await say(member({ group: 'office', node: 'rpi1', role: 'MASTER' }));
    await child.untilLine(/^office {2}vhid 10/, START_MS);
    assert.equal(blocks(), 1, child.report());
    await say([{ topic: 'carp/node/rpi2/status', payload: 'offline' }]);
    await child.untilLine(/rpi2 is offline; the last that it said was BACKUP/, START_MS);
    await say(member({ group: 'office', node: 'rpi1', role: 'MASTER' }).map(({ topic }) => ({ topic, payload: '' })));
    await child.untilLine(/^office {2}is gone from the bus/, START_MS);
    assert.ok(child.stdout.every(({ text }) => !text.includes('\u001b')));
    child.signal('SIGINT');
    assert.deepEqual([(await child.untilExit(5000)).code, child.stderr], [0, []]);
  });

  test('prints an object for each change for programs', async (t) => {
    const { url, say } = await bus(t);
    await say(healthy());
    const child = watching(t, url, '--json');
    await child.untilLine(/"group":"plant"/, START_MS);
    await say(member({ node: 'rpi2', role: 'BACKUP', state: { demotion: 240 } }));
    const { text } = await child.untilLine(/"demotion":240/, START_MS);
    assert.equal(JSON.parse(text).members[1].demotion, 240);
  });

  test('goes on when the broker is restarted, and forgets what is not there any more', async (t) => {
    const { url, port, say, stop, close } = await bus(t);
    await say([...healthy(), ...member({ group: 'office', node: 'rpi1', role: 'MASTER' })]);
    const child = watching(t, url);
    await child.untilLine(/^plant {2}vhid 10/, START_MS);
    await close();
    await stop();
    await child.untilLine(/^no connection to mqtt:\/\/127\.0\.0\.1:\d+: /, START_MS);
    // Nothing was persistent: of the two groups one comes back.
    const again = await bus(t, { port });
    await again.say(member({ group: 'office', node: 'rpi2', role: 'MASTER' }));
    await child.untilLine(/^connected to .* again$/, START_MS);
    await child.untilLine(/^plant {2}is gone from the bus/, START_MS);
    await until(
      'office to be shown with its new host',
      START_MS,
      () => child.line(/^ {2}rpi2 +unknown +MASTER/),
      () => child.report(),
    );
    child.signal('SIGTERM');
    assert.equal((await child.untilExit(5000)).code, 0);
  });

  test('fails at once when there is no connection to begin with', async (t) => {
    const child = watching(t, `mqtt://127.0.0.1:${await freePort()}`);
    assert.equal((await child.untilExit(START_MS)).code, 1);
    assert.match(child.stderr.map(({ text }) => text).join('\n'), /no connection to mqtt:/);
  });

  test('draws on a terminal within its rows, and Ctrl-C gives cursor and line wrap back', async (t) => {
    const script = toolPath('script');
    if (script === undefined) return t.skip('needs script: apt-get install bsdutils');
    const { url, say } = await bus(t);
    await say(healthy());
    // Without --watch: it is what is done on a terminal.
    const command = `stty rows 6; exec '${process.execPath}' '${MAIN}' fleet '${url}'`;
    const child = new Child('script', [script, '-qec', command, '/dev/null'], {
      env: { SHELL: '/bin/sh', TERM: 'xterm' },
    });
    t.after(() => child.stop('SIGKILL'));
    await child.untilLine(/1 group on 2 nodes; all is well/, START_MS);
    await say(member({ node: 'rpi1', role: 'BACKUP' }));
    await child.untilLine(/1 to look at: plant/, START_MS);
    child.writeLine('\u0003');
    assert.equal((await child.untilExit(5000)).code, 0, child.report());
    const shown = child.stdout.map(({ text }) => text).join('\n');
    assert.ok(shown.startsWith('\u001b[?25l\u001b[?7l\u001b[2J'), child.report());
    assert.ok(shown.includes('\u001b[?7h\u001b[?25h'), child.report());
    assert.match(shown, /… \d+ more lines/);
  });
});

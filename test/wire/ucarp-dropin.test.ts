/** `carp ucarp` in the place of ucarp: the same command line, scripts and signals, in groups with the real one. */
import assert from 'node:assert/strict';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { CARP } from '../support/carp.ts';
import { addingScript, calls, options, script, start, understood } from '../support/dropin.ts';
import { Lan, type Machine, run } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VIP6 = '2001:db8::100';
const skip = missingForAgent('ucarp', 'tcpdump');
const START_MS = 20_000;
/** ucarp waits up to two seconds longer than its master-down time (its timer and its packet buffer are coarse). */
const UCARP_MS = 15_000;
const MASTER = /Switching to state: MASTER/;
const BACKUP = /Switching to state: BACKUP/;

/** What a reboot does to the address that a script added. */
const forget = (on: Machine): Promise<unknown> =>
  run('ip', '-n', on.namespace, 'addr', 'del', `${VIP}/32`, 'dev', 'eth0');

describe('carp ucarp', { concurrency: 2 }, () => {
  test('it replaces one of two ucarp hosts with the very same command line, and each takes over from the other', {
    skip,
    timeout: 180_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const line1 = options(lan, first, `--addr=${VIP}`, '--shutdown', '--neutral', '-x', 'one two');
    const line2 = options(lan, second, `--addr=${VIP}`, '--shutdown', '--neutral', '--advskew=20');

    const old = start(lan, first, 'ucarp', line1);
    await old.untilLine(MASTER, UCARP_MS);
    let peer = start(lan, second, 'ucarp', line2);
    await capture.untilAdverts(first, 4, UCARP_MS);
    old.signal('SIGTERM');
    await old.untilExit(5000);
    await lan.untilHolders(VIP, ['h2'], UCARP_MS);

    let ours = start(lan, first, 'ours', line1);
    await ours.untilLine(BACKUP, START_MS);
    await capture.untilAdverts(second, 5, UCARP_MS);
    assert.equal(ours.line(MASTER), undefined, 'a host that comes back stays passive');
    peer.signal('SIGTERM');
    await peer.untilExit(5000);
    await ours.untilLine(MASTER, START_MS);
    await lan.untilHolders(VIP, ['h1'], 5000);

    peer = start(lan, second, 'ucarp', line2);
    await capture.untilAdverts(first, 5, UCARP_MS);
    assert.equal(peer.line(MASTER), undefined, peer.report());
    const asked = monotonicMs();
    ours.signal('SIGTERM');
    await peer.untilLine(MASTER, UCARP_MS);
    t.diagnostic(`ucarp took over ${(monotonicMs() - asked).toFixed(0)} ms after SIGTERM`);
    assert.equal((await ours.untilExit(5000)).code, 0);
    await lan.untilHolders(VIP, ['h2'], 5000);

    ours = start(lan, first, 'ours', line1);
    await ours.untilLine(BACKUP, START_MS);
    await capture.untilAdverts(second, 3, UCARP_MS);
    await lan.powerOff(second);
    await ours.untilLine(MASTER, START_MS);
    await forget(second);
    await lan.unsilence(second);
    peer = start(lan, second, 'ucarp', line2);
    await capture.untilAdverts(first, 5, UCARP_MS);
    await lan.powerOff(first);
    await peer.untilLine(MASTER, UCARP_MS);
    assert.ok(understood(ours) && understood(peer), lan.report());
    assert.deepEqual(calls(lan, first).slice(-3), [
      `up eth0 ${VIP} one two`,
      `down eth0 ${VIP} one two`,
      `up eth0 ${VIP} one two`,
    ]);
    const adverts = capture.advertsOf(first);
    assert.ok(
      adverts.every(({ tos, ttl, dontFragment }) => tos === 0x10 && ttl === 255 && dontFragment),
      'as ucarp sends them',
    );
  });

  test('SIGUSR1 says the role through a pipe at once; SIGUSR2 hands over to ucarp and keeps the address until it speaks', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const ours = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn'));
    await ours.untilLine(BACKUP, START_MS);
    ours.signal('SIGUSR1');
    await ours.untilLine(/\[INFO\] BACKUP on eth0 id 7$/, 2000);
    await ours.untilLine(MASTER, START_MS);
    ours.signal('SIGUSR1');
    await ours.untilLine(/\[INFO\] MASTER on eth0 id 7$/, 2000);

    ours.signal('SIGUSR2');
    await ours.untilLine(/SIGUSR2: nobody took over .* still MASTER/, START_MS);
    assert.deepEqual(await lan.holders(VIP), ['h1']);

    const peer = start(lan, second, 'ucarp', options(lan, second, `--addr=${VIP}`, '-zn', '-k', '20'));
    await capture.untilAdverts(first, 5, UCARP_MS);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);
    const asked = monotonicMs();
    ours.signal('SIGUSR2');
    const took = await ours.untilLine(/192\.0\.2\.12 has taken over after \d+ ms/, START_MS);
    await lan.untilHolders(VIP, ['h2'], 5000);
    await prober.untilAnsweredBy('h2', 5000);
    const silence = prober.longestSilence(asked - 100);
    t.diagnostic(`the address was silent for ${silence.toFixed(0)} ms`);
    assert.ok(silence < 1000, `silent for ${silence} ms: ucarp alone takes 2500`);
    t.diagnostic(`ucarp spoke ${(took.at - asked).toFixed(0)} ms after SIGUSR2`);
    await capture.untilAdverts(second, 3, UCARP_MS);
    assert.deepEqual(await lan.holders(VIP), ['h2']);
    ours.signal('SIGUSR2');
    await ours.untilLine(/SIGUSR2: eth0-7 is BACKUP here/, 5000);
    assert.ok(understood(ours) && understood(peer), lan.report());
  });

  test('SIGUSR2 and the end of one of two of ours cost milliseconds', { skip, timeout: 90_000 }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const one = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn'));
    await one.untilLine(MASTER, START_MS);
    const two = start(lan, second, 'ours', options(lan, second, `--addr=${VIP}`, '-zn', '-k', '20'));
    await two.untilLine(BACKUP, START_MS);
    // A BACKUP obeys the farewell of a MASTER that it knows.
    await capture.untilAdverts(first, 2, START_MS);
    const prober = await Prober.start(lan, VIP);
    await prober.untilAnsweredBy('h1', 5000);
    let asked = monotonicMs();
    one.signal('SIGUSR2');
    let took = (await two.untilLine(MASTER, START_MS)).at - asked;
    t.diagnostic(`MASTER ${took.toFixed(0)} ms after SIGUSR2`);
    assert.ok(took < 1000, `${took} ms`);
    await lan.untilHolders(VIP, ['h2'], 5000);
    await prober.untilAnsweredBy('h2', 5000);
    // The scripts of both hosts take their time, at the same time.
    const silence = prober.longestSilence(asked);
    t.diagnostic(`the address was silent for ${silence.toFixed(0)} ms`);
    assert.ok(silence < 1000, `silent for ${silence} ms`);
    await capture.untilAdverts(second, 2, START_MS);
    asked = monotonicMs();
    two.signal('SIGTERM');
    await until('the first to be MASTER again', 5000, () => calls(lan, first).length === 3);
    took = monotonicMs() - asked;
    t.diagnostic(`its up script ran ${took.toFixed(0)} ms after SIGTERM`);
    assert.ok(took < 1000, `${took} ms`);
    assert.equal((await two.untilExit(5000)).code, 0);
    await lan.untilHolders(VIP, ['h1'], 2000);
  });

  test('the down script runs at the start unless --neutral, and at the end of a MASTER with and without --shutdown', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    // What a killed predecessor left behind.
    await run('ip', '-n', first.namespace, 'addr', 'add', `${VIP}/32`, 'dev', 'eth0');
    const one = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`));
    await lan.untilHolders(VIP, [], START_MS);
    await one.untilLine(MASTER, START_MS);
    const two = start(lan, second, 'ours', options(lan, second, `--addr=${VIP}`, '--neutral', '-z', '-k', '9'));
    await two.untilLine(BACKUP, START_MS);
    two.signal('SIGHUP');
    assert.equal((await two.untilExit(5000)).code, 0, two.report());
    assert.deepEqual(calls(lan, second), [], 'a neutral host that is BACKUP calls nothing');
    one.signal('SIGQUIT');
    assert.equal((await one.untilExit(8000)).code, 0, one.report());
    assert.deepEqual(calls(lan, first), [`down eth0 ${VIP}`, `up eth0 ${VIP}`, `down eth0 ${VIP}`]);
    assert.deepEqual(await lan.holders(VIP), []);
  });

  test('--nomcast speaks with a ucarp --nomcast in broadcast frames, whoever is MASTER', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const peer = start(lan, second, 'ucarp', options(lan, second, `--addr=${VIP}`, '-zn', '-M'));
    await peer.untilLine(MASTER, UCARP_MS);
    const ours = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn', '-M'));
    await ours.untilLine(BACKUP, START_MS);
    await capture.untilAdverts(second, 5, UCARP_MS);
    assert.equal(ours.line(MASTER), undefined, ours.report());
    await lan.powerOff(second);
    await ours.untilLine(MASTER, START_MS);
    await forget(second);
    await lan.unsilence(second);
    const again = start(lan, second, 'ucarp', options(lan, second, `--addr=${VIP}`, '-zn', '-M'));
    await capture.untilAdverts(first, 6, UCARP_MS);
    assert.equal(again.line(MASTER), undefined, again.report());
    for (const advert of capture.advertsOf(first))
      assert.deepEqual(
        [advert.destinationMac, advert.destination, advert.sourceMac],
        ['ff:ff:ff:ff:ff:ff', '224.0.0.18', first.mac],
      );
    assert.ok(understood(again) && understood(ours), lan.report());
  });

  test('--mcastip, also as -m and --mcast, speaks in another group with ucarp', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const capture = await Capture.start(lan);
    const ours = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn', '-m', '239.129.0.9'));
    await ours.untilLine(MASTER, START_MS);
    const peer = start(lan, second, 'ucarp', options(lan, second, `--addr=${VIP}`, '-zn', '--mcast=239.129.0.9'));
    await capture.untilAdverts(first, 6, UCARP_MS);
    assert.equal(peer.line(MASTER), undefined, peer.report());
    await lan.powerOff(first);
    await peer.untilLine(MASTER, UCARP_MS);
    await forget(first);
    await lan.unsilence(first);
    const back = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn', '--mcast', '239.129.0.9'));
    await back.untilLine(BACKUP, START_MS);
    await capture.untilAdverts(second, 5, UCARP_MS);
    assert.equal(back.line(MASTER), undefined, back.report());
    const macs = new Set(capture.advertsOf(first).map(({ destinationMac }) => destinationMac));
    assert.deepEqual([...macs], ['01:00:5e:01:00:09']);
  });

  test('a lost carrier takes the address away, and with --ignoreifstate it does not', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [strict, lenient] = [lan.host(1), lan.host(2)];
    const one = start(lan, strict, 'ours', options(lan, strict, `--addr=${VIP}`, '-zn'));
    const two = start(lan, lenient, 'ours', options(lan, lenient, '--addr=192.0.2.101', '-v', '8', '-Szn'));
    await one.untilLine(MASTER, START_MS);
    await two.untilLine(MASTER, START_MS);
    await lan.untilHolders(VIP, ['h1'], 5000);
    await lan.untilHolders('192.0.2.101', ['h2'], 5000);
    await lan.cable(strict, 'down');
    await lan.cable(lenient, 'down');
    await lan.untilHolders(VIP, [], 5000);
    await one.untilLine(/no carrier/, 5000);
    // A signal is answered without carrier, too; ucarp is deaf then.
    assert.match(await run('ip', '-n', lenient.namespace, 'link', 'show', 'eth0'), /NO-CARRIER/);
    two.signal('SIGUSR1');
    await two.untilLine(/\[INFO\] MASTER on eth0 id 8$/, 2000);
    assert.deepEqual(await lan.holders('192.0.2.101'), ['h2']);
    const late = start(lan, lenient, 'ours', options(lan, lenient, '--addr=192.0.2.102', '-v', '9', '-Szn'));
    await late.untilLine(MASTER, START_MS);
    await lan.untilHolders('192.0.2.102', ['h2'], 5000);
    late.signal('SIGTERM');
    assert.equal((await late.untilExit(8000)).code, 0, late.report());
    one.signal('SIGTERM');
    assert.equal((await one.untilExit(8000)).code, 0, one.report());
    two.signal('SIGTERM');
    assert.equal((await two.untilExit(8000)).code, 0, two.report());
    assert.deepEqual(await lan.holders('192.0.2.101'), []);
  });

  test('several addresses of both families are signed together, and the scripts run once for each, in their order', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const addresses = [`--addr=${VIP}`, '--addr=192.0.2.101', `--addr=${VIP6}`];
    const capture = await Capture.start(lan);
    const one = start(lan, first, 'ours', options(lan, first, ...addresses, '-zn', '-x', 'extra'));
    await one.untilLine(MASTER, START_MS);
    const two = start(lan, second, 'ours', options(lan, second, ...addresses, '-zn', '-k', '9'));
    await two.untilLine(BACKUP, START_MS);
    for (const address of ['192.0.2.100', '192.0.2.101', VIP6]) await lan.untilHolders(address, ['h1'], 5000);
    await capture.untilAdverts(first, 8, START_MS);
    assert.equal(two.line(MASTER), undefined, two.report());
    one.signal('SIGTERM');
    assert.equal((await one.untilExit(8000)).code, 0);
    for (const address of ['192.0.2.100', '192.0.2.101', VIP6]) await lan.untilHolders(address, ['h2'], 5000);
    const those = [VIP, '192.0.2.101', VIP6];
    assert.deepEqual(calls(lan, first), [
      ...those.map((address) => `up eth0 ${address} extra`),
      ...those.map((address) => `down eth0 ${address} extra`),
    ]);
    const announced = new Set(capture.announcements().map(({ address, mac }) => `${address} ${mac}`));
    for (const address of those)
      for (const { mac } of [first, second]) assert.ok(announced.has(`${address} ${mac}`), `${address} ${mac}`);
  });

  test('an up script that fails without its address hands over; one that only says so does not', {
    skip,
    timeout: 120_000,
  }, async (t) => {
    const lan = await Lan.create(t, 3);
    const [broken, fine, sloppy] = [lan.host(1), lan.host(2), lan.host(3)];
    const failing = script(lan, broken, 'failing', 'echo "no such file" >&2\nexit 7');
    const one = start(lan, broken, 'ours', options(lan, broken, `--addr=${VIP}`, '-zn', '-P', `--upscript=${failing}`));
    await one.untilLine(BACKUP, START_MS);
    const two = start(lan, fine, 'ours', options(lan, fine, `--addr=${VIP}`, '-zn', '-k', '50'));
    await one.untilLine(
      /\[ERROR\] the up script failed for 192\.0\.2\.100: exit code 7: no such file; 192\.0\.2\.100 is not on this host; try it by hand: /,
      START_MS,
    );
    await two.untilLine(MASTER, START_MS);
    await lan.untilHolders(VIP, ['h2'], 5000);

    const grumpy = script(lan, sloppy, 'grumpy', `${addingScript(lan, sloppy)} "$@"\nexit 3`);
    const three = start(
      lan,
      sloppy,
      'ours',
      options(lan, sloppy, '--addr=192.0.2.103', '-v', '9', '-zn', `--upscript=${grumpy}`),
    );
    await three.untilLine(/exit code 3; the address is there all the same/, START_MS);
    await lan.untilHolders('192.0.2.103', ['h3'], 5000);
    three.signal('SIGUSR1');
    await three.untilLine(/\[INFO\] MASTER on eth0 id 9$/, 2000);
  });

  test('a slow up script holds up no advert; a SIGTERM waits for it, and the down script follows', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const capture = await Capture.start(lan);
    const slow = script(lan, host, 'slow', `sleep 4\nexec ${addingScript(lan, host)} "$@"`);
    const ours = start(lan, host, 'ours', options(lan, host, `--addr=${VIP}`, '-zn', `--upscript=${slow}`));
    await ours.untilLine(MASTER, START_MS);
    await capture.untilAdverts(host, 2, 5000);
    assert.deepEqual(await lan.holders(VIP), []);
    assert.deepEqual(capture.announcements(), [], 'nobody is sent to an address that is not there yet');
    ours.signal('SIGTERM');
    assert.equal((await ours.untilExit(10_000)).code, 0, ours.report());
    assert.deepEqual(calls(lan, host), [`slow eth0 ${VIP}`, `up eth0 ${VIP}`, `down eth0 ${VIP}`]);
    assert.deepEqual(await lan.holders(VIP), []);
  });

  test('a password file with a carriage return means the same to ours and to ucarp, and is complained of', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    const lan = await Lan.create(t, 2);
    const [first, second] = [lan.host(1), lan.host(2)];
    const passfile = join(lan.folder, 'pass');
    writeFileSync(passfile, 'secret\r\nsecond line\n', { mode: 0o600 });
    const capture = await Capture.start(lan);
    const ours = start(lan, first, 'ours', options(lan, first, `--addr=${VIP}`, '-zn', `--passfile=${passfile}`));
    await ours.untilLine(/ends in a carriage return, .* sed -i/, START_MS);
    await ours.untilLine(MASTER, START_MS);
    const peer = start(lan, second, 'ucarp', options(lan, second, `--addr=${VIP}`, '-zn', `--passfile=${passfile}`));
    await capture.untilAdverts(first, 6, UCARP_MS);
    assert.ok(understood(peer) && peer.line(MASTER) === undefined, peer.report());
  });

  test('--addressing interface sets the address itself, tells the scripts, and a killed process loses it', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const told = script(lan, host, 'told', 'exec true');
    const ours = start(lan, host, 'ours', [
      ...options(lan, host, `--addr=${VIP}/24`, '-n', '--addressing=interface'),
      ...[`--upscript=${told}`, `--downscript=${told}`],
    ]);
    await ours.untilLine(MASTER, START_MS);
    await lan.untilHolders(VIP, ['h1'], 2000);
    const entry = (await lan.addresses(host)).find(({ local }) => local === VIP);
    assert.ok(entry?.validLifetime !== undefined && entry.validLifetime <= 2, JSON.stringify(entry));
    await until('the script to be told', 5000, () => calls(lan, host).includes(`told eth0 ${VIP}`));
    ours.signal('SIGKILL');
    await lan.untilHolders(VIP, [], 5000);
  });

  test('what `carp status` and the hand-over command say goes through --socket', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const socket = join(lan.folder, 'agent.sock');
    const ours = start(lan, host, 'ours', options(lan, host, `--addr=${VIP}`, '-zn', `--socket=${socket}`));
    await ours.untilLine(MASTER, START_MS);
    const text = await lan.exec(host, process.execPath, CARP, 'status', '--socket', socket);
    assert.match(text, /carp: MASTER vhid 7 advbase 1 advskew 0/);
    assert.doesNotMatch(text, /lease/, 'what scripts set has none');
    assert.doesNotMatch(text, /secret/);
  });

  test('the password is neither in the list of processes nor in what is said', { skip, timeout: 60_000 }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const ours = start(lan, host, 'ours', [...options(lan, host, `--addr=${VIP}`, '-znD'), '--pass=hush-hush']);
    await ours.untilLine(MASTER, START_MS);
    const pids = (await run('ip', 'netns', 'pids', host.namespace)).trim().split('\n');
    const processes = await run('ps', '-o', 'comm=,args=', '-p', pids.join());
    assert.match(processes, /^ucarp +ucarp --interface=eth0 --srcip=192\.0\.2\.11 --vhid=7 --addr=192\.0\.2\.100$/m);
    assert.doesNotMatch(`${processes}${ours.report()}`, /hush/);
  });

  test('a script that prints more than anybody reads keeps nothing from ending', {
    skip,
    timeout: 60_000,
  }, async (t) => {
    const lan = await Lan.create(t, 1);
    const host = lan.host(1);
    const pipe = join(lan.folder, 'pipe');
    await run('mkfifo', pipe);
    // Held open, and never read: a pager that was stopped.
    const reader = openSync(pipe, 'r+');
    t.after(() => closeSync(reader));
    const loud = script(lan, host, 'loud', `head -c 3000000 /dev/zero\nexec ${addingScript(lan, host)} "$@"`);
    const line = [
      ...options(lan, host, `--addr=${VIP}`, '-zn', `--upscript=${loud}`),
      `--state=${lan.folder}/h1-state`,
    ];
    const ours = lan.start(host, 'ours', [
      'sh',
      '-c',
      `exec "$@" >${pipe}`,
      'sh',
      process.execPath,
      CARP,
      'ucarp',
      ...line,
    ]);
    await lan.untilHolders(VIP, ['h1'], START_MS);
    ours.signal('SIGTERM');
    assert.equal((await ours.untilExit(10_000)).code, 0, ours.report());
    assert.deepEqual(await lan.holders(VIP), []);
  });
});

/** What the wire notices of a broker that dies, hangs, or stands behind the shared address itself: nothing. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { carp } from '../cli/carp.ts';
import { Broker } from '../support/broker.ts';
import type { HostView } from '../support/broker-model.ts';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { monotonicMs, until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const START_MS = 20_000;
const DEAD_MS = 20_000;
const CUT_MS = 12_000;
const INTERVAL_MS = 1000;
const skip = missingForAgent('mosquitto', 'mosquitto_sub', 'tcpdump');

const plant = (advskew: number): GroupText => ({
  name: 'plant',
  interface: 'eth0',
  vhid: 10,
  pass: 'secret',
  addresses: [`${VIP}/24`],
  advskew,
});

const socketOf = (lan: Lan, on: Machine): string => join(lan.folder, on.name, 'agent.sock');

/** What `carp status --json` says on each of these machines. */
const views = async (lan: Lan, ...machines: readonly Machine[]): Promise<readonly HostView[]> => {
  const each = await Promise.all(
    machines.map(async (on) => {
      const { code, stdout, stderr } = await carp(['status', '--json', '--socket', socketOf(lan, on)]);
      if (code !== 0) throw new Error(`carp status of ${on.name}: ${stderr}`);
      return (JSON.parse(stdout) as { readonly hosts: readonly HostView[] }).hosts;
    }),
  );
  return each.flat();
};

/** How late adverts of this host came, worst last, in ms: by the kernel's time stamps. */
const lateness = (capture: Capture, on: Machine, from: number): readonly number[] => {
  const times = capture
    .advertsOf(on)
    .slice(from)
    .map(({ at }) => at);
  return times
    .slice(1)
    .map((at, i) => Math.abs(at - (times[i] ?? at) - INTERVAL_MS))
    .toSorted((a, b) => a - b);
};

test('adverts are on time, and roles stay, while the broker is dead, and while the wire to it is cut', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  const broker = await Broker.start(lan, 'carp/#');
  const capture = await Capture.start(lan);
  const mqtt = { url: broker.url };
  const one = Carp.start(lan, first, [plant(0)], { config: { mqtt } });
  await one.untilRole('MASTER', START_MS);
  const two = Carp.start(lan, second, [plant(100)], { config: { mqtt } });
  await two.untilRole('BACKUP', START_MS);
  const now = (): Promise<readonly HostView[]> => views(lan, first, second);
  await broker.untilRight(now, 30_000);

  const changes = (): number => one.transitions().length + two.transitions().length;
  const before = changes();
  const report = (what: string, from: number): void => {
    const late = lateness(capture, first, from);
    const [median, worst] = [late[Math.floor(late.length / 2)] ?? 0, late.at(-1) ?? 0];
    t.diagnostic(
      `${what}: ${late.length} intervals, off by ${median.toFixed(1)} ms (median), ${worst.toFixed(1)} ms (worst)`,
    );
    assert.ok(median < 50, `${what}: ${late.join(' ')}`);
    assert.ok(worst < INTERVAL_MS, `${what}: ${late.join(' ')}`);
    assert.equal(changes(), before, 'no role has changed');
    assert.equal(capture.advertsOf(second).length, 0, 'the BACKUP has never spoken');
  };

  await broker.kill();
  let from = capture.advertsOf(first).length;
  await delay(DEAD_MS);
  report('broker dead', from);
  await broker.restart();
  await broker.untilRight(now, 60_000);

  // Nothing comes back from the broker, not even a refusal.
  await lan.silence(lan.client);
  from = capture.advertsOf(first).length;
  await delay(CUT_MS);
  report('wire cut', from);
  const { code, stdout } = await carp(['hand-over', 'plant', '--socket', socketOf(lan, first)]);
  assert.equal(code, 0, stdout);
  await two.untilRole('MASTER', START_MS);
  await lan.untilHolders(VIP, ['h2'], START_MS);
  await lan.unsilence(lan.client);
  await broker.untilRight(now, 90_000);
});

test('a broker behind the shared address goes where the address goes, and is told everything by who is there', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  // Each host has a broker of its own; clients and agents know only the address that the group shares.
  for (const on of [first, second]) await Broker.start(lan, undefined, { on });
  const mqtt = { url: `mqtt://${VIP}:1883` };
  const one = Carp.start(lan, first, [plant(0)], { config: { mqtt } });
  await one.untilRole('MASTER', START_MS);
  const two = Carp.start(lan, second, [plant(100)], { config: { mqtt } });
  await two.untilRole('BACKUP', START_MS);
  await untilKept(lan, `${VIP}`, (kept) => kept.get('carp/plant/node/h2/role') === 'BACKUP');
  await untilKept(lan, `${VIP}`, (kept) => kept.get('carp/plant/node/h1/role') === 'MASTER');

  const cut = monotonicMs();
  await lan.powerOff(first);
  const taken = await two.untilRole('MASTER', START_MS);
  const took = taken.received - cut;
  t.diagnostic(`the takeover took ${took.toFixed(0)} ms, with the broker gone as well`);
  // Master-down of the BACKUP, from the last advert: between 3.4 s less one interval, and 3.4 s; and what the machine takes.
  assert.ok(took < 3391 + INTERVAL_MS, `${took} ms`);
  const kept = await untilKept(
    lan,
    VIP,
    (now) => now.get('carp/plant/node/h2/role') === 'MASTER' && now.get('carp/node/h2/status') === 'online',
  );
  t.diagnostic(`the broker of h2 knew after ${(monotonicMs() - cut).toFixed(0)} ms`);
  assert.equal(JSON.parse(kept.get('carp/plant/master') ?? '{}').node, 'h2');
  assert.equal(kept.get(`carp/plant/node/h2/vip/${VIP}`), 'held');
  assert.ok(two.child.running, two.child.report());
});

/** What somebody on the client's machine finds at this address, as soon as it is so. */
const untilKept = async (
  lan: Lan,
  address: string,
  fits: (kept: ReadonlyMap<string, string>) => boolean,
): Promise<ReadonlyMap<string, string>> => {
  let kept: ReadonlyMap<string, string> = new Map();
  return until(
    'the retained topics',
    60_000,
    async () => {
      // Ends by itself after a second, with an exit code of its own for that.
      const argv = [
        'mosquitto_sub',
        '-h',
        address,
        '-t',
        'carp/#',
        '-V',
        '5',
        '--retained-only',
        '-W',
        '1',
        '-F',
        '%t %p',
      ];
      const text = await lan
        .exec(lan.client, ...argv)
        .catch((error: { readonly stdout?: string }) => error.stdout ?? '');
      kept = new Map(
        text.split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)] as const),
      );
      return fits(kept) ? kept : undefined;
    },
    () => `${JSON.stringify([...kept], undefined, 1)}${lan.report()}`,
  );
};

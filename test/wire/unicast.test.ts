/** Unicast peers on real wires: on a segment, beyond a router, by link-local addresses, and beside multicast groups. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { Carp, type GroupText } from '../support/carp.ts';
import { Lan, type Machine } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { until } from '../support/wait.ts';

const skip = missingForAgent('tcpdump');
const START_MS = 15_000;
const GROUPS = ['224.0.0.18', 'ff02::12'];

const plant = (more: GroupText): GroupText => ({ name: 'plant', interface: 'eth0', vhid: 10, pass: 'secret', ...more });

/** Puts the second host into subnets of its own, which the first one reaches through the client alone. */
const routed = async (lan: Lan): Promise<void> => {
  const [first, second, router] = [lan.host(1), lan.host(2), lan.client];
  const sysctl = (on: Machine, ...settings: readonly string[]) => lan.exec(on, 'sysctl', '-qw', ...settings);
  await sysctl(router, 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
  // All of them share one wire here: nobody is to be told of the shorter way.
  await sysctl(router, 'net.ipv4.conf.all.send_redirects=0', 'net.ipv4.conf.eth0.send_redirects=0');
  for (const host of [first, second])
    await sysctl(host, 'net.ipv4.conf.all.accept_redirects=0', 'net.ipv6.conf.eth0.accept_redirects=0');
  await lan.exec(router, 'ip', 'addr', 'add', '198.51.100.1/24', 'dev', 'eth0');
  await lan.exec(router, 'ip', 'addr', 'add', '2001:db8:1::1/64', 'dev', 'eth0', 'nodad');
  await lan.exec(second, 'ip', 'addr', 'del', '192.0.2.12/24', 'dev', 'eth0');
  await lan.exec(second, 'ip', 'addr', 'del', '2001:db8::12/64', 'dev', 'eth0');
  await lan.exec(second, 'ip', 'addr', 'add', '198.51.100.12/24', 'dev', 'eth0');
  await lan.exec(second, 'ip', 'addr', 'add', '2001:db8:1::12/64', 'dev', 'eth0', 'nodad');
  await lan.exec(first, 'ip', 'route', 'add', '198.51.100.0/24', 'via', router.ipv4);
  await lan.exec(first, 'ip', 'route', 'add', '2001:db8:1::/64', 'via', router.ipv6);
  await lan.exec(second, 'ip', 'route', 'add', '192.0.2.0/24', 'via', '198.51.100.1');
  await lan.exec(second, 'ip', 'route', 'add', '2001:db8::/64', 'via', '2001:db8:1::1');
};

const pair = async (
  t: { after(undo: () => void | Promise<void>): void },
  groupOf: (own: Machine, other: Machine, advskew: number) => readonly GroupText[],
  prepare: (lan: Lan) => Promise<void> = async () => {},
) => {
  const lan = await Lan.create(t, 2);
  await prepare(lan);
  const [first, second] = [lan.host(1), lan.host(2)];
  const capture = await Capture.start(lan);
  const start = (own: Machine, other: Machine, advskew: number): Carp =>
    Carp.start(lan, own, groupOf(own, other, advskew));
  return { lan, first, second, capture, start };
};

describe('unicast peers', { concurrency: 2 }, () => {
  for (const { family, own, cidr } of [
    { family: 'IPv4', own: ({ ipv4 }: Machine) => ipv4, cidr: '192.0.2.100/24' },
    { family: 'IPv6', own: ({ ipv6 }: Machine) => ipv6, cidr: '2001:db8::64/64' },
    { family: 'IPv6 by link-local addresses', own: ({ linkLocal }: Machine) => linkLocal, cidr: '2001:db8::64/64' },
  ])
    test(`over ${family} two hosts speak to each other alone: takeover, return, hand-over`, {
      skip,
      timeout: 90_000,
    }, async (t) => {
      const { lan, first, second, capture, start } = await pair(t, (_, other, advskew) => [
        plant({ addresses: [cidr], peers: [own(other)], advskew }),
      ]);
      const one = start(first, second, 0);
      await one.untilRole('MASTER', START_MS);
      const two = start(second, first, 100);
      await two.untilRole('BACKUP', START_MS);
      await capture.untilAdverts(first, 5, START_MS);
      assert.equal(two.role(), 'BACKUP', lan.report());
      await lan.powerOff(first);
      assert.equal((await two.untilRole('MASTER', START_MS)).event.reason, 'master-timeout');
      await lan.unsilence(first);
      const back = start(first, second, 0);
      await back.untilRole('BACKUP', START_MS);
      // Only the farewell of a MASTER that it follows counts.
      await capture.untilAdverts(second, 3, START_MS);
      await two.terminate();
      assert.equal((await back.untilRole('MASTER', 3000)).event.reason, 'bow-out-heard');
      const adverts = [...capture.advertsOf(first), ...capture.advertsOf(second)];
      assert.ok(adverts.length > 5);
      assert.deepEqual(
        [...new Set(adverts.map(({ destination }) => destination))].toSorted(),
        [own(first), own(second)].toSorted(),
        'nothing goes to the group',
      );
      assert.ok(adverts.every(({ source }) => [own(first), own(second)].includes(source)));
    });

  for (const { family, peer, cidr } of [
    {
      family: 'IPv4',
      cidr: '203.0.113.1/32',
      peer: ({ name }: Machine) => (name === 'h1' ? '192.0.2.11' : '198.51.100.12'),
    },
    {
      family: 'IPv6',
      cidr: '2001:db8:ff::1/128',
      peer: ({ name }: Machine) => (name === 'h1' ? '2001:db8::11' : '2001:db8:1::12'),
    },
  ])
    test(`over ${family} and a router, adverts are refused for their TTL unless checkTtl is never`, {
      skip,
      timeout: 90_000,
    }, async (t) => {
      const checkTtl = new Map<string, string>([
        ['h1', 'never'],
        ['h2', 'always'],
      ]);
      const { lan, first, second, capture, start } = await pair(
        t,
        (own, other, advskew) => [
          plant({ addresses: [cidr], peers: [peer(other)], advskew, checkTtl: checkTtl.get(own.name) }),
        ],
        routed,
      );
      const one = start(first, second, 0);
      await one.untilRole('MASTER', START_MS);
      const deaf = start(second, first, 100);
      await deaf.untilRole('MASTER', START_MS);
      const refusals = () => deaf.child.stderr.filter(({ text }) => text.includes('badttl'));
      await until(
        'badttl to be told',
        5000,
        () => refusals().length > 0,
        () => deaf.child.report(),
      );
      await deaf.terminate();
      checkTtl.set('h2', 'never');
      const two = start(second, first, 100);
      await two.untilRole('BACKUP', START_MS);
      // As many as it would take to time out, had they not been heard; each is seen before and behind the router.
      await capture.untilAdverts(first, 10, START_MS);
      assert.equal(two.role(), 'BACKUP', lan.report());
      await lan.powerOff(first);
      const taken = await two.untilRole('MASTER', START_MS);
      assert.match(String(taken.event['detail']), new RegExp(`no advert of ${peer(first)} for`));
    });

  test('a multicast and a unicast group, and one that is both, live beside each other on one interface', {
    skip,
    timeout: 90_000,
  }, async (t) => {
    // On a busy machine one agent starts half a second after the other: the better one takes over all the same.
    const preempt = true;
    const { lan, first, second, capture, start } = await pair(t, (_, { ipv4 }, advskew) => [
      plant({ name: 'multicast', vhid: 10, addresses: ['192.0.2.100/24'], advskew, preempt }),
      plant({
        ...{ name: 'unicast', vhid: 11, addresses: ['192.0.2.101/24'] },
        ...{ peers: [ipv4], advskew: 100 - advskew, preempt },
      }),
      plant({
        ...{ name: 'both', vhid: 12, addresses: ['192.0.2.102/24', '2001:db8::66/64'] },
        ...{ peers: [ipv4], advskew, preempt },
      }),
    ]);
    const [one, two] = [start(first, second, 0), start(second, first, 100)];
    const roles = (carp: Carp) => ['multicast', 'unicast', 'both'].map((group) => carp.role(group)).join();
    await until(
      'each host to be MASTER of what it is better for',
      START_MS,
      () => roles(one) === 'MASTER,BACKUP,MASTER' && roles(two) === 'BACKUP,MASTER,BACKUP',
      () => `${roles(one)} ${roles(two)} ${lan.report()}`,
    );
    await capture.untilAdverts(first, 12, START_MS);
    assert.deepEqual([roles(one), roles(two)], ['MASTER,BACKUP,MASTER', 'BACKUP,MASTER,BACKUP']);
    const destinations = (on: Machine, vhid: number) =>
      [
        ...new Set(capture.advertsOf(on).flatMap((advert) => (advert.vhid === vhid ? advert.destination : []))),
      ].toSorted();
    assert.deepEqual(destinations(first, 10), [GROUPS[0]]);
    assert.deepEqual(destinations(second, 11), [first.ipv4]);
    assert.deepEqual(destinations(first, 12), [second.ipv4, GROUPS[1]].toSorted());
    await one.terminate();
    await until('the second host to have all', 5000, () => roles(two) === 'MASTER,MASTER,MASTER');
  });
});

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { missingForAgent } from '../support/requirements.ts';
import { type AdapterChild, ip, VethPair } from '../support/veth-pair.ts';
import { until } from '../support/wait.ts';

const WRONG_MAC = '02:00:00:00:00:99';
const MAC_OF_A = '02:00:00:00:00:0a';
const VIP4 = '192.0.2.100';
const VIP6 = '2001:db8::100';

describe('announcements on a cable', { skip: missingForAgent('sysctl') }, () => {
  let pair: VethPair;
  let announcer: AdapterChild;

  const macAtB = (address: string): string | undefined =>
    / lladdr (\S+)/.exec(ip('-n', pair.b, 'neigh', 'show', 'to', address, 'dev', 'eth0'))?.[1];
  /** As B would have it from the host that served the address before. */
  const misleadB = (address: string): void => {
    ip('-n', pair.b, 'neigh', 'replace', address, 'lladdr', WRONG_MAC, 'dev', 'eth0', 'nud', 'reachable');
    assert.equal(macAtB(address), WRONG_MAC);
  };
  const untilMac = (address: string, mac: string): Promise<boolean> =>
    until(
      `${address} at ${mac}`,
      5000,
      () => macAtB(address) === mac,
      () => `It is at ${macAtB(address)}`,
    );

  before(async () => {
    pair = new VethPair();
    await pair.settled();
    announcer = await pair.child(pair.a);
  });
  after(() => pair?.close());

  test('a gratuitous ARP turns the neighbours over to this host', async () => {
    misleadB(VIP4);
    await announcer.tell({ type: 'announce', interface: 'eth0', addresses: [VIP4] });
    await untilMac(VIP4, MAC_OF_A);
  });

  test('an unsolicited neighbour advertisement does so for IPv6', async () => {
    misleadB(VIP6);
    await announcer.tell({ type: 'announce', interface: 'eth0', addresses: [VIP6] });
    await untilMac(VIP6, MAC_OF_A);
  });

  test('all addresses of a call are announced, from the MAC that the interface has by then', async () => {
    const changed = '02:00:00:00:00:1a';
    for (const vip of [VIP4, VIP6]) misleadB(vip);
    ip('-n', pair.a, 'link', 'set', 'eth0', 'address', changed);
    try {
      await announcer.tell({ type: 'announce', interface: 'eth0', addresses: [VIP4, VIP6] });
      await untilMac(VIP4, changed);
      await untilMac(VIP6, changed);
    } finally {
      ip('-n', pair.a, 'link', 'set', 'eth0', 'address', MAC_OF_A);
    }
  });

  test('an interface that is down cannot announce, and the message says so', async () => {
    ip('-n', pair.a, 'link', 'add', 'down0', 'type', 'veth', 'peer', 'name', 'down1');
    const problem = await announcer.fails({ type: 'announce', interface: 'down0', addresses: [VIP4] });
    assert.equal(problem.code, 'CARP_SEND');
    assert.match(problem.message, /down0: .*ENETDOWN/);
    assert.equal(problem.remedy, 'ip link set down0 up');
  });

  test('an interface that does not exist cannot announce either', async () => {
    const problem = await announcer.fails({ type: 'announce', interface: 'nowhere0', addresses: [VIP4] });
    assert.equal(problem.code, 'CARP_SEND');
    assert.match(problem.message, /nowhere0: .*ENODEV/);
  });

  test('an interface without Ethernet addresses has nobody to tell', async () => {
    await announcer.tell({ type: 'announce', interface: 'lo', addresses: [VIP4] });
  });
});

import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { batchOutcomes, commandLine } from '../../src/adapters/linux/iproute-commands.ts';
import { createIprouteKernel } from '../../src/adapters/linux/iproute-kernel.ts';
import { messageIn, networkIn } from '../../src/adapters/linux/iproute-output.ts';
import { noSpawnPermission } from '../../src/adapters/linux/no-spawn-permission.ts';
import { openNotify } from '../../src/adapters/linux/notify-program.ts';
import {
  type AddressEntry,
  AddressFlag,
  addAddress,
  deleteAddress,
  LinkFlag,
} from '../../src/adapters/linux/rtnetlink.ts';
import { CarpError } from '../../src/ports/error.ts';
import { type Cidr, formatCidr, parseCidr } from '../../src/protocol/address.ts';
import { until } from '../support/wait.ts';

const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  assert.ok(parsed);
  return parsed;
};
const place = (text: string, index = 7) => ({ ...cidr(text), index });
const log = (): void => undefined;

const failure = (call: () => unknown): CarpError => {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof CarpError, String(error));
    return error;
  }
  throw new Error('it did not fail');
};

/** A program that stands in for ip(8) or another. */
const program = (t: TestContext, script: string, name = 'ip'): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-program-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
};

const VERSION = 'if [ "$1" = -V ]; then echo "ip utility, iproute2-6.1.0, libbpf 1.1.2"; exit; fi';

describe('a change of addresses as a line for ip -batch', () => {
  const lineOf = (request: ReturnType<typeof addAddress>): string => {
    assert.ok(request.change);
    return commandLine(request.change);
  };

  test('names the interface by its index, and says what netlink would', () => {
    assert.equal(
      lineOf(addAddress(place('192.0.2.100/32'), 2, 'exclusive')),
      'addr add 192.0.2.100/32 dev if7 valid_lft 2 preferred_lft 2\n',
    );
    assert.equal(
      lineOf(addAddress(place('2001:db8::100/64'), 60, 'replace')),
      'addr replace 2001:db8::100/64 dev if7 valid_lft 60 nodad preferred_lft 0\n',
    );
    assert.equal(lineOf(deleteAddress(place('192.0.2.100/24'))), 'addr del 192.0.2.100/24 dev if7\n');
  });

  test('whatever ip could not parse is refused before: it would end the batch', () => {
    const address = { family: 4, bytes: Uint8Array.of(192, 0, 2, 1), text: '192.0.2.1' } as const;
    for (const bad of [
      { index: 0, address, prefix: 32 },
      { index: 1.5, address, prefix: 32 },
      { index: 1, address, prefix: 33 },
      { index: 1, address, prefix: -1 },
      { index: 1, address: { ...address, text: '192.0.2.1 dev lo' }, prefix: 32 },
      { index: 1, address: { ...address, text: '192.0.2.1\nlink' }, prefix: 32 },
    ])
      assert.throws(() => commandLine({ type: 'delete', place: bad }), RangeError, JSON.stringify(bad));
    for (const seconds of [0, -1, 1.5, Number.NaN, 2 ** 32])
      assert.throws(
        () => commandLine({ type: 'replace', place: { index: 1, address, prefix: 32 }, seconds }),
        RangeError,
      );
  });
});

describe('what ip -batch says of failures', () => {
  const names = (complaints: string, count = 3, code = 1): readonly number[] | undefined =>
    batchOutcomes(count, code, complaints)?.map(({ errno }) => errno);

  test('silence is success', () => {
    assert.deepEqual(names('', 2, 0), [0, 0]);
  });

  test('each failure is that of its line, by the words of the kernel, of glibc or of musl', () => {
    for (const [said, errno] of [
      ['Error: ipv4: Address already assigned.', 17],
      ['Error: ipv6: address already assigned.', 17],
      ['RTNETLINK answers: File exists', 17],
      ['Error: ipv4: Address not found.', 99],
      ['RTNETLINK answers: Cannot assign requested address', 99],
      ['RTNETLINK answers: Address not available', 99],
      ['Error: ipv4: Device not found.', 19],
      ['Error: ipv6: Unable to find the interface.', 19],
      ['Cannot find device "if9"', 19],
      ['RTNETLINK answers: No such device', 19],
      ['RTNETLINK answers: Operation not permitted', 1],
      ['RTNETLINK answers: Permission denied', 13],
      ['Error: ipv6: IPv6 is disabled on this device.', 13],
      ['RTNETLINK answers: Cannot allocate memory', 12],
      ['RTNETLINK answers: No buffer space available', 105],
      ['Error: something new.', 22],
    ] as const)
      assert.deepEqual(names(`${said}\nCommand failed -:2\n`), [0, errno, 0], said);
  });

  test('several failures do not get mixed up, and the reason wins over a hint behind it', () => {
    const complaints = [
      'Error: ipv4: Address already assigned.',
      'Command failed -:1',
      'Error: ipv6: IPv6 is disabled on this device.',
      'Is it switched off?',
      'Command failed -:3',
      '',
    ].join('\n');
    assert.deepEqual(batchOutcomes(3, 1, complaints), [
      { errno: 17, text: 'ipv4: Address already assigned.' },
      { errno: 0 },
      { errno: 13, text: 'ipv6: IPv6 is disabled on this device.' },
    ]);
  });

  test('a batch that ended early leaves nothing known', () => {
    const garbage = 'Error: any valid prefix is expected rather than "300.0.2.1/32".\n';
    assert.equal(names(garbage, 3, 255), undefined);
    assert.equal(names('', 3, 1), undefined, 'it failed without saying where');
    assert.equal(names(`Error: a.\nCommand failed -:1\n${garbage}`, 3, 255), undefined);
  });
});

describe('what ip monitor says', () => {
  const entryIn = (line: string): readonly [type: string, entry: AddressEntry] => {
    const message = messageIn(line);
    assert.ok(message?.type === 'address' || message?.type === 'addressGone', JSON.stringify(message));
    return [message.type, message.entry];
  };

  test('addresses with their lifetime and flags', () => {
    const [type, four] = entryIn(
      '3: eth0    inet 192.0.2.100/24 brd 192.0.2.255 scope global secondary dynamic eth0\\       valid_lft 60sec preferred_lft 60sec',
    );
    assert.equal(type, 'address');
    assert.deepEqual([formatCidr(four), four.index, four.scope, four.validSeconds], ['192.0.2.100/24', 3, 0, 60]);
    assert.equal(four.flags, AddressFlag.SECONDARY);
    const [gone, six] = entryIn(
      'Deleted 3: eth0    inet6 fe80::1/64 scope link tentative nodad deprecated \\       valid_lft forever preferred_lft 0sec',
    );
    assert.equal(gone, 'addressGone');
    assert.deepEqual([formatCidr(six), six.scope, six.validSeconds], ['fe80::1/64', 253, undefined]);
    assert.equal(six.flags, AddressFlag.TENTATIVE | AddressFlag.NODAD | AddressFlag.DEPRECATED | AddressFlag.PERMANENT);
  });

  test('on a point-to-point link the local address, with the prefix of the peer', () => {
    const [, entry] = entryIn(
      '9: tun0    inet 198.51.100.1 peer 198.51.100.2/32 scope global tun0\\       valid_lft forever preferred_lft forever',
    );
    assert.equal(formatCidr(entry), '198.51.100.1/32');
  });

  test('links: up and running, without carrier, gone', () => {
    const rest =
      'mtu 1500 qdisc noqueue state UP group default \\    link/ether 5A:e9:6c:cf:ed:b2 brd ff:ff:ff:ff:ff:ff';
    const up = messageIn(`3: eth0@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> ${rest}`);
    assert.ok(up?.type === 'link');
    assert.deepEqual([up.link.index, up.link.name, up.link.mac], [3, 'eth0', '5a:e9:6c:cf:ed:b2']);
    assert.equal(up.link.flags & (LinkFlag.UP | LinkFlag.RUNNING), LinkFlag.UP | LinkFlag.RUNNING);
    const pulled = messageIn(`3: eth0.5: <NO-CARRIER,BROADCAST,MULTICAST,UP> ${rest}`);
    assert.ok(pulled?.type === 'link');
    assert.deepEqual([pulled.link.name, pulled.link.flags & (LinkFlag.UP | LinkFlag.RUNNING)], ['eth0.5', LinkFlag.UP]);
    assert.deepEqual(messageIn(`Deleted 3: eth0@NONE: <BROADCAST,MULTICAST> ${rest}`), { type: 'linkGone', index: 3 });
  });

  test('a port that leaves a bridge is not gone, and what is not understood is a reason to look', () => {
    for (const line of [
      'Deleted 2: far0@eth0: <BROADCAST,MULTICAST,UP> mtu 1500 master br0 state UP \\    link/ether 52:5c:4f:14:a5:97',
      '2: far0@eth0: <BROADCAST,MULTICAST,UP> mtu 1500 master br0 state UP \\    link/ether 52:5c:4f:14:a5:97',
      '3: eth0    inet 300.0.2.1/32 scope global eth0\\       valid_lft forever preferred_lft forever',
      'second line of an alias',
      '',
      ' '.repeat(50_000),
      `3: eth0    inet 192.0.2.1/32${' scope'.repeat(10_000)}`,
    ])
      assert.equal(messageIn(line), undefined, line.slice(0, 80));
  });
});

describe('what ip -j addr says', () => {
  test('nothing but what is understood is taken', () => {
    const { links, addresses } = networkIn(
      JSON.stringify([
        {
          ifindex: 1,
          ifname: 'lo',
          flags: ['LOOPBACK', 'UP', 'LOWER_UP'],
          address: '00:00:00:00:00:00',
          addr_info: [],
        },
        {
          ifindex: 2,
          ifname: 'eth0.5',
          link: 'lo',
          flags: ['NO-CARRIER', 'UP'],
          ifalias: 'an alias',
          addr_info: [
            { family: 'inet', local: '192.0.2.1', prefixlen: 24, scope: 'global', dynamic: true, valid_life_time: 9 },
            { family: 'inet', local: '192.0.2.2', prefixlen: 24, scope: 'global', valid_life_time: 4294967295 },
            { family: 'inet6', local: 'nonsense', prefixlen: 24 },
            null,
          ],
        },
        { ifindex: 'x', ifname: 'odd', flags: [] },
        {},
        7,
      ]),
    );
    assert.deepEqual([...links.keys()], [1, 2]);
    const vlan = links.get(2);
    assert.deepEqual([vlan?.lower, vlan?.alias, vlan?.flags], [1, 'an alias', LinkFlag.UP]);
    assert.deepEqual(
      addresses.get(2)?.map((entry) => [formatCidr(entry), entry.validSeconds]),
      [
        ['192.0.2.1/24', 9],
        ['192.0.2.2/24', undefined],
      ],
    );
  });

  test('what is no list of interfaces is refused', () => {
    for (const text of ['{}', 'null', '7', '[', 'lo: <LOOPBACK>'])
      assert.throws(() => networkIn(text), SyntaxError, text);
    assert.equal(networkIn('').links.size, 0);
  });
});

describe('the program ip', () => {
  test('of busybox is refused, with what to install', (t) => {
    const busybox = 'echo "BusyBox v1.36.1 multi-call binary." >&2; exit 1';
    const { code, message, remedy } = failure(() => createIprouteKernel({ log, ip: program(t, busybox) }));
    assert.equal(code, 'CARP_NO_TRANSPORT');
    assert.match(message, /busybox, which cannot give addresses a lifetime/);
    assert.match(remedy ?? '', /apk add iproute2/);
  });

  test('of somebody else is refused too', (t) => {
    const { message } = failure(() => createIprouteKernel({ log, ip: program(t, 'echo "ip 1.0"') }));
    assert.match(message, /not that of iproute2/);
  });

  test('that does not answer is killed, and nothing of it can happen later', { timeout: 20_000 }, (t) => {
    const kernel = createIprouteKernel({ log, ip: program(t, `${VERSION}; exec sleep 30`) });
    const { code, message } = failure(() => kernel.transact([deleteAddress(place('192.0.2.1/32'))]));
    assert.equal(code, 'CARP_ADDRESS');
    assert.match(message, /did not answer within 1000 ms/);
  });

  test('that is too old for JSON is named with the version that is needed', (t) => {
    const kernel = createIprouteKernel({
      log,
      ip: program(t, `${VERSION}; echo "Option -j is unknown" >&2; exit 255`),
    });
    const { message, remedy } = failure(() => kernel.read());
    assert.match(message, /Option -j is unknown/);
    assert.match(remedy ?? '', /4\.13/);
  });

  test('that ends in the middle of a batch leaves the outcome unknown, which is an error', (t) => {
    const kernel = createIprouteKernel({ log, ip: program(t, `${VERSION}; echo "Error: what?" >&2; exit 255`) });
    assert.match(
      failure(() => kernel.transact([deleteAddress(place('192.0.2.1/32'))])).message,
      /code 255: Error: what\?/,
    );
  });

  test('makes no macvlan, and the error says what does', (t) => {
    const kernel = createIprouteKernel({ log, ip: program(t, VERSION) });
    const request = { type: 16, flags: 1, payload: new Uint8Array(16) };
    const { code, remedy } = failure(() => kernel.transact([request]));
    assert.equal(code, 'CARP_NO_TRANSPORT');
    assert.match(remedy ?? '', /npm install koffi.*addressing: interface/);
  });
});

describe('the service manager without koffi', () => {
  const noKoffi = (): never => {
    throw new CarpError('CARP_NO_TRANSPORT', 'the module koffi is not installed');
  };
  const way = { name: '@notify', address: new Uint8Array(), log };

  test('is told through systemd-notify, one message after the other', { timeout: 20_000 }, async (t) => {
    const file = program(t, '', 'said');
    const teller = program(t, `{ echo "$NOTIFY_SOCKET"; printf '%s|' "$@"; echo; } >> ${file}; sleep 0.2`, 'notify');
    const socket = openNotify(way, { open: noKoffi, find: () => teller });
    assert.equal(socket.send('RELOADING=1\nMONOTONIC_USEC=5'), 'sent');
    assert.equal(socket.send('READY=1'), 'full', 'the other is under way');
    await until('the next to be taken', 10_000, () => socket.send('STATUS=plant MASTER, cell BACKUP') === 'sent');
    const said = (): readonly string[] => readFileSync(file, 'utf8').split('\n').slice(1, -1);
    await until('both to arrive', 10_000, () => said().length >= 5);
    assert.deepEqual(said().slice(1), [
      '@notify',
      'RELOADING=1|MONOTONIC_USEC=5|',
      '@notify',
      'STATUS=plant MASTER, cell BACKUP|',
    ]);
    socket.close();
  });

  test('is not told at all where that is missing too, and other failures are not covered up', () => {
    assert.equal(failure(() => openNotify(way, { open: noKoffi, find: () => undefined })).code, 'CARP_NO_TRANSPORT');
    const broken = (): never => {
      throw new Error('EMFILE');
    };
    assert.throws(() => openNotify(way, { open: broken, find: () => '/bin/true' }), /EMFILE/);
  });
});

describe('capabilities that are not passed on', () => {
  const status = (effective: string, ambient: string): string => `CapEff:\t${effective}\nCapAmb:\t${ambient}\n`;
  const NET_ADMIN = '0000000000001000';
  const NONE = '0000000000000000';

  test('are those of a file: root and ambient ones are fine, and without any it is another error', () => {
    const problem = noSpawnPermission('changing addresses', { status: status(NET_ADMIN, NONE), uid: 1000 });
    assert.equal(problem?.code, 'CARP_NO_PERMISSION');
    assert.match(problem?.message ?? '', /setcap are not passed on/);
    assert.match(problem?.remedy ?? '', /koffi.*AmbientCapabilities/);
    assert.equal(noSpawnPermission('x', { status: status(NET_ADMIN, NET_ADMIN), uid: 1000 }), undefined);
    assert.equal(noSpawnPermission('x', { status: status(NET_ADMIN, NONE), uid: 0 }), undefined);
    assert.equal(noSpawnPermission('x', { status: status(NONE, NONE), uid: 1000 }), undefined);
  });
});

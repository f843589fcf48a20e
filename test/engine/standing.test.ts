import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BehaviorSubject, NEVER, Subject, VirtualAction, VirtualTimeScheduler } from 'rxjs';
import type { GroupSettings } from '../../src/engine/settings.ts';
import { type Standing, sourcesOf, standings } from '../../src/engine/standing.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { InterfaceAddress, InterfaceState } from '../../src/ports/interfaces.ts';
import type { Packet, Transport } from '../../src/ports/transport.ts';
import { millis } from '../../src/protocol/units.ts';
import { cidr, groupSettings } from '../support/virtual-lan.ts';

const owned = (text: string, changes: Partial<InterfaceAddress> = {}): InterfaceAddress => ({
  ...cidr(text),
  tentative: false,
  deprecated: false,
  permanent: true,
  ...changes,
});
const eth0 = (...addresses: readonly InterfaceAddress[]): InterfaceState => ({
  name: 'eth0',
  exists: true,
  up: true,
  enabled: true,
  addresses,
});
const own = owned('192.0.2.11/24');

const world = (state: InterfaceState) => {
  const scheduler = new VirtualTimeScheduler(VirtualAction, 0);
  const state$ = new BehaviorSubject(state);
  const packets$ = new Subject<Packet>();
  const opened: string[] = [];
  let failure: CarpError | undefined;
  const transport: Transport = {
    name: 'memory',
    open: () => {
      if (failure !== undefined) throw failure;
      opened.push('open');
      return {
        packets$,
        dropped: () => 0,
        send: () => undefined,
        drain: () => undefined,
        close: () => opened.push('close'),
      };
    },
  };
  const needs = {
    interfaces: { watch: () => state$ },
    transport,
    addresses: {
      check: () => undefined,
      take: () => ({ events$: NEVER, release: () => undefined }),
      inherits: () => false,
      disinherit: () => undefined,
    },
    scheduler,
  };
  const seen: Standing[] = [];
  return {
    state$,
    packets$,
    opened,
    seen,
    fail: (error: CarpError | undefined) => {
      failure = error;
    },
    run: (startDelay = 0, changes: Partial<GroupSettings> = {}) =>
      standings(groupSettings(changes), undefined, needs, millis(startDelay)).subscribe((standing) =>
        seen.push(standing),
      ),
    pass: (ms: number) => {
      scheduler.maxFrames = scheduler.frame + ms;
      scheduler.flush();
      scheduler.frame = scheduler.maxFrames;
    },
    last: () => seen.at(-1),
  };
};

const detail = (standing: Standing | undefined): string =>
  standing === undefined || standing.ready ? 'ready' : standing.detail;

test('the source is the first address that is neither shared nor tentative nor deprecated', () => {
  const settings = groupSettings({ addresses: [cidr('192.0.2.100/24'), cidr('2001:db8::100/64')] });
  const state = eth0(
    owned('192.0.2.100/32'),
    owned('192.0.2.9/24', { tentative: true }),
    owned('192.0.2.10/24', { deprecated: true }),
    own,
    owned('2001:db8::11/64'),
    owned('fe80::11/64'),
  );
  const sources = sourcesOf(settings, state);
  assert.equal(sources[4]?.text, '192.0.2.11');
  assert.equal(sources[6]?.text, 'fe80::11', 'link-local comes first for IPv6');
});

test('the source is global where an IPv6 peer is, and link-local where all peers are', () => {
  const sourceFor = (...peers: readonly string[]) =>
    sourcesOf(
      groupSettings({ addresses: [cidr('2001:db8::100/64')], peers: peers.map((text) => cidr(text).address) }),
      eth0(owned('fe80::11/64'), owned('2001:db8::11/64')),
    )[6]?.text;
  assert.equal(sourceFor('2001:db8:1::12/64'), '2001:db8::11');
  assert.equal(sourceFor('fe80::12/64', '2001:db8:1::12/64'), '2001:db8::11');
  assert.equal(sourceFor('fe80::12/64'), 'fe80::11');
  assert.equal(sourceFor('192.0.2.12/24'), 'fe80::11', 'peers of the other family do not matter');
});

test('with ignoreLink a group stays ready without carrier, and not on an interface that is set down', () => {
  const unplugged = { ...eth0(own), up: false };
  const standing = (state: InterfaceState, ignoreLink: boolean): string => {
    const { run, last } = world(state);
    run(0, { ignoreLink });
    return detail(last());
  };
  assert.equal(standing(unplugged, true), 'ready');
  assert.match(standing(unplugged, false), /eth0 is down or has no carrier/);
  assert.match(standing({ ...unplugged, enabled: false }, true), /eth0 is down$/);
});

test('a configured source must be there', () => {
  const settings = groupSettings({ sources: [cidr('192.0.2.12/24').address] });
  assert.deepEqual(sourcesOf(settings, eth0(own)), {});
  assert.equal(sourcesOf(settings, eth0(own, owned('192.0.2.12/24')))[4]?.text, '192.0.2.12');
});

test('a group is ready while its interface is up and has an address to send from', () => {
  const { state$, run, last, seen } = world(eth0());
  run();
  assert.match(detail(last()), /eth0 has no usable IPv4 address/);
  state$.next(eth0(own));
  assert.equal(detail(last()), 'ready');
  const count = seen.length;
  state$.next(eth0(own, owned('192.0.2.13/24')));
  assert.equal(seen.length, count, 'what does not matter is not told');
  state$.next({ ...eth0(own), up: false });
  assert.match(detail(last()), /eth0 is down/);
});

test('the wire is open while the interface exists, also while the link is down', () => {
  const { state$, run, opened, last } = world(eth0(own));
  const running = run();
  state$.next({ ...eth0(own), up: false });
  assert.deepEqual(opened, ['open']);
  state$.next({ ...eth0(), exists: false, up: false });
  assert.deepEqual(opened, ['open', 'close']);
  assert.match(detail(last()), /there is no interface eth0/);
  state$.next(eth0(own));
  running.unsubscribe();
  assert.deepEqual(opened, ['open', 'close', 'open', 'close']);
});

test('a wire that cannot be opened, or breaks, is a problem and is opened again after two seconds', () => {
  const { run, fail, last, pass, packets$, opened } = world(eth0(own));
  fail(new CarpError('CARP_NO_PERMISSION', 'not permitted'));
  run();
  assert.equal(detail(last()), 'not permitted');
  fail(undefined);
  pass(2001);
  assert.equal(detail(last()), 'ready');
  packets$.error(new CarpError('CARP_NO_INTERFACE', 'it has gone'));
  assert.equal(detail(last()), 'it has gone');
  assert.deepEqual(opened, ['open', 'close']);
});

test('a start delay holds readiness back, at the start and after each loss, but not when a source changes', () => {
  const { state$, run, last, pass } = world(eth0(own));
  run(5000);
  assert.match(detail(last()), /waits 5 s/);
  pass(4999);
  assert.match(detail(last()), /waits 5 s/);
  pass(2);
  assert.equal(detail(last()), 'ready');
  state$.next(eth0(owned('192.0.2.12/24')));
  assert.equal(detail(last()), 'ready');
  state$.next({ ...eth0(own), up: false });
  state$.next(eth0(own));
  assert.match(detail(last()), /waits 5 s/);
});

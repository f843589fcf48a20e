import type { CarpEvent } from '../../src/engine/status.ts';

/** An event of group `plant` on host rpi1, with what the test is about. */
export const carpEvent = (about: Partial<CarpEvent> = {}): CarpEvent => ({
  event: 'transition',
  group: 'plant',
  interface: 'eth0',
  vhid: 10,
  node: 'rpi1',
  role: 'MASTER',
  previous: 'BACKUP',
  reason: 'master-timeout',
  detail: 'no advert for 3004 ms',
  at: '2026-11-22T12:00:00.123Z',
  seq: 1,
  advbase: 1,
  advskew: 0,
  demotion: 0,
  addresses: ['192.0.2.100/24'],
  ...about,
});

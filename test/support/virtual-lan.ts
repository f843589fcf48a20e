/** Whole hosts of the engine on an in-memory LAN, in virtual time. */
import { VirtualAction, VirtualTimeScheduler } from 'rxjs';
import { createMemoryLan, type MemoryLan } from '../../src/adapters/memory/lan.ts';
import { createSigner } from '../../src/adapters/node/hmac.ts';
import { createHost } from '../../src/engine/create-host.ts';
import type { Host } from '../../src/engine/host.ts';
import type { GroupSettings, HostSettings } from '../../src/engine/settings.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import type { Environment } from '../../src/ports/environment.ts';
import { type Cidr, parseCidr } from '../../src/protocol/address.ts';
import { keyOf } from '../../src/protocol/authentication.ts';
import { advBase, advSkew, millis, seconds, vhid } from '../../src/protocol/units.ts';

export const cidr = (text: string): Cidr => {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new RangeError(`${text} is no address with a prefix`);
  return parsed;
};

export const groupSettings = (changes: Partial<GroupSettings> = {}): GroupSettings => ({
  name: 'plant',
  interface: 'eth0',
  vhid: vhid(10),
  key: keyOf(new TextEncoder().encode('secret')),
  addresses: [cidr('192.0.2.100/24')],
  sources: [],
  advbase: advBase(1),
  advskew: advSkew(0),
  deadratio: 3,
  preempt: false,
  preemptDelay: millis(0),
  peers: [],
  addressing: 'interface',
  compatibility: 'auto',
  checkTtl: 'always',
  replay: 'auto',
  broadcast: false,
  ignoreLink: false,
  announceRefresh: seconds(10),
  ...changes,
});

export interface VirtualHost {
  readonly host: Host;
  readonly events: CarpEvent[];
  readonly apply: (changes?: Partial<GroupSettings> | readonly Partial<GroupSettings>[]) => void;
  /** Everything the host has logged. */
  readonly lines: string[];
}

export interface VirtualLan {
  readonly lan: MemoryLan;
  readonly scheduler: VirtualTimeScheduler;
  /** Lets this much time pass, in ms. */
  readonly pass: (ms: number) => Promise<void>;
  /** Starts a host with one group. */
  readonly start: (
    node: string,
    changes?: Partial<GroupSettings> | readonly Partial<GroupSettings>[],
    world?: Partial<Environment>,
  ) => VirtualHost;
  readonly holders: () => readonly string[];
}

export const virtualLan = (address = '192.0.2.100'): VirtualLan => {
  const scheduler = new VirtualTimeScheduler(VirtualAction, 0);
  const lan = createMemoryLan(scheduler);
  let next = 1n;
  const start: VirtualLan['start'] = (node, changes = {}, world = {}) => {
    const lines: string[] = [];
    const { transport, interfaces, addresses, announcer } = lan.host(node);
    const environment: Environment = {
      transport,
      interfaces,
      addresses,
      announcer,
      scheduler,
      wallClock: () => new Date(Date.UTC(2026, 0, 1) + scheduler.now()),
      signer: createSigner,
      random64: () => {
        next += 0x9e37_79b9_7f4a_7c15n;
        return BigInt.asUintN(64, next);
      },
      log: (level, message) => lines.push(`${level} ${message}`),
      ...world,
    };
    const settings = (groups: Partial<GroupSettings> | readonly Partial<GroupSettings>[]): HostSettings => ({
      node,
      startDelay: millis(0),
      demotion: { linkDown: 240, sendErrors: 240, stalled: 240, scope: 'sync' },
      groups: [groups].flat().map(groupSettings),
    });
    const events: CarpEvent[] = [];
    const host = createHost(settings(changes), () => environment, environment);
    host.events$.subscribe((event) => events.push(event));
    host.apply(settings(changes));
    return { host, events, lines, apply: (groups = {}) => host.apply(settings(groups)) };
  };
  return {
    lan,
    scheduler,
    start,
    holders: () => lan.holders(address),
    pass: async (ms) => {
      scheduler.maxFrames = scheduler.frame + ms;
      scheduler.flush();
      scheduler.frame = scheduler.maxFrames;
      // Promises of the engine (hand-over, stop) settle between two stretches of virtual time.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
};

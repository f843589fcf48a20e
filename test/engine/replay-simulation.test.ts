/** Machines, models of other systems, and an attacker who repeats whatever he has heard, in virtual time and from seeds. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ReplayGuard } from '../../src/engine/replay-guard.ts';
import { ReplayMemory } from '../../src/engine/replay-memory.ts';
import { challengeMs, masterDownMs } from '../../src/machine/timings.ts';
import type { IpAddress } from '../../src/protocol/address.ts';
import { advertInterval } from '../../src/protocol/timing.ts';
import { advBase, advSkew, toMillis } from '../../src/protocol/units.ts';
import { MachineHost } from '../support/machine-host.ts';
import { Lan, type LanAdvert, type LanHost } from '../support/machine-lan.ts';
import { ip, type Rank, settingsOf } from '../support/machine-words.ts';
import type { Peer } from '../support/model-peer.ts';
import { modelOf, type System } from '../support/model-peers.ts';
import { forSeeds } from '../support/model-watch.ts';

/** Better than all, in sub-second mode, a farewell, and too slow. */
const RANKS: readonly [readonly [number, number], ...(readonly [number, number])[]] = [
  [1, 0],
  [0, 1],
  [255, 255],
  [100, 0],
];

const addressOf = (last: number): IpAddress => ip(`192.0.2.${last}`);

/**
 * Repeats adverts under any rank, and from any address; he reaches only who has a guard. He is not quicker than the advert
 * itself: whoever is can rewrite it before it was heard, and no guard can tell.
 */
class Attacker implements LanHost {
  readonly name = 'the attacker';
  readonly captured: LanAdvert[] = [];
  sent = 0;
  readonly #lan: Lan;

  constructor(lan: Lan, mayReach: (host: LanHost) => boolean) {
    this.#lan = lan;
    lan.join(this);
    lan.reaches = (from, to) => from !== this || mayReach(to);
  }

  holds(): boolean {
    return false;
  }

  hear(advert: LanAdvert): void {
    const [, longest] = this.#lan.latency;
    this.#lan.at(this.#lan.now + longest, () => this.captured.push(advert));
  }

  attack(lan: Lan): void {
    const { random } = lan;
    const [first, ...more] = this.captured;
    if (first !== undefined) {
      // Mostly what the MASTER has just said.
      const advert = random.chance(0.5) ? random.pick([first, ...more]) : (more.at(-1) ?? first);
      const [base, skew] = random.pick(RANKS);
      const rank = random.chance(0.3)
        ? {}
        : { advbase: advBase(base), advskew: advSkew(skew), interval: advertInterval(advBase(base), advSkew(skew)) };
      const source = random.chance(0.7) ? advert.source : addressOf(random.whole(1, 254));
      lan.send(this, { ...advert, ...rank, source });
      this.sent += 1;
    }
    lan.at(lan.now + random.between(1, 100), () => this.attack(lan));
  }
}

/** Who guards itself knows its own adverts as well. */
const guarded = (lan: Lan, last: number, rank: Rank): MachineHost => {
  const settings = settingsOf(rank);
  const guard = new ReplayGuard(new ReplayMemory());
  const own = new Set<bigint>();
  const host: MachineHost = new MachineHost(lan, [addressOf(last)], settings, {
    claimCopies: 2,
    guard: ({ counter, source, interval }, at) =>
      !own.has(counter) &&
      guard.isFresh(
        { counter, source: source.text, at, interval: toMillis(interval) },
        'auto',
        masterDownMs(host.state, settings),
      ),
  });
  const { reaches } = lan;
  lan.reaches = (from, to, advert) => {
    if (from === host) own.add(advert.counter);
    return reaches(from, to, advert);
  };
  return host;
};

const names = (hosts: readonly LanHost[]): string => hosts.map(({ name }) => name).join(' and ') || 'nobody';

const holderOf = (lan: Lan): LanHost => {
  const [holder, ...more] = lan.holders();
  assert.ok(holder !== undefined && more.length === 0, `${names(lan.holders())} at ${lan.now} ms`);
  return holder;
};

const steady = (lan: Lan, forMs: number): LanHost => {
  const holder = holderOf(lan);
  lan.run(lan.now + forMs, () => assert.equal(names(lan.holders()), holder.name, `at ${lan.now} ms`));
  return holder;
};

describe('an attacker who repeats adverts', () => {
  test('changes nothing among hosts of ours, and delays a takeover by a challenge', () => {
    forSeeds(150, (seed) => {
      const lan = new Lan(seed);
      const ours = new Set<LanHost>();
      const attacker = new Attacker(lan, (host) => ours.has(host));
      const hosts = Array.from({ length: lan.random.whole(2, 4) }, (_, i) =>
        guarded(lan, 10 + i, `1/${lan.random.pick([0, 0, 50, 100])}`),
      );
      for (const host of hosts) ours.add(host);
      for (const host of hosts) lan.at(lan.random.between(0, 3000), () => host.start());
      lan.at(lan.random.between(0, 10_000), () => attacker.attack(lan));
      lan.run(15_000);
      for (let crashes = hosts.length - 1; crashes > 0; crashes -= 1) {
        const dead = steady(lan, 20_000 + lan.random.between(0, 1000));
        const survivors = hosts.filter((host) => host !== dead && lan.hosts.includes(host));
        const nominal = Math.min(...survivors.map(({ state, settings }) => masterDownMs(state, settings)));
        const question = Math.max(...survivors.map(({ state, settings }) => challengeMs(state, settings)));
        lan.crash(dead);
        const [, latency] = lan.latency;
        lan.run(lan.now + nominal + question + 3 * latency + 1);
        holderOf(lan);
      }
      steady(lan, 20_000);
      assert.ok(attacker.sent > 500);
    });
  });

  for (const system of ['freebsd', 'netbsd', 'ucarp'] as const satisfies readonly System[])
    test(`changes nothing for ours beside ${system}, whoever is MASTER and whoever dies`, () => {
      forSeeds(100, (seed) => {
        const lan = new Lan(seed);
        const { random } = lan;
        const ours = new Set<LanHost>();
        const attacker = new Attacker(lan, (host) => ours.has(host));
        const host = guarded(lan, 10, `1/${random.pick([0, 100])}`);
        ours.add(host);
        const theirs: Peer = modelOf(system, lan, [addressOf(20)], {
          base: 1,
          skew: random.pick([1, 50]),
          preempt: false,
        });
        const [first, second] = random.chance(0.5) ? [host, theirs] : [theirs, host];
        first.start();
        lan.at(random.between(0, 8000), () => second.start());
        lan.at(random.between(6000, 10_000), () => attacker.attack(lan));
        lan.run(20_000);
        const dead = steady(lan, 30_000 + random.between(0, 1000));
        lan.crash(dead);
        // ucarp needs up to two seconds more than its time.
        lan.run(lan.now + (dead === theirs ? 3400 + 1411 + 10 : 6500));
        assert.equal(steady(lan, 30_000), dead === theirs ? host : theirs);
      });
    });
});

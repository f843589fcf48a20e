/**
 * One group of our hosts and of Debian's ucarp, through all that happens to a group: one holder at the end of each, and
 * where we are the ones who take over, no later than the rules say.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Capture } from '../support/capture.ts';
import { Carp } from '../support/carp.ts';
import type { Child } from '../support/child.ts';
import { Lan, type Machine, run, type Scope } from '../support/netns.ts';
import { missingForAgent } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { until } from '../support/wait.ts';

const VIP = '192.0.2.100';
const VHID = 7;
const skip = missingForAgent('ucarp', 'tcpdump', 'ping');
/** ucarp waits up to two seconds longer than its master-down time (its timer and its packet buffer are coarse). */
const SETTLE_MS = 30_000;
/** Enough of a MASTER's adverts for a BACKUP that does not accept them to have taken over, ucarp's delays included. */
const ADVERTS_OF_PEACE = 6;

/** Between claim and addresses (DESIGN D4). */
const HOLD_MS = 3;
/** What our share of a takeover may add to master-down and hold. */
const SHARE_MS = 30;
/** One interval: so late is no single takeover, however busy the machine is. */
const WORST_MS = 1000;
/** A timer of the kernel, and the clock of the capture, are never more than this ahead. */
const EARLY_MS = 2;

interface Plan {
  readonly kind: 'ours' | 'ucarp';
  readonly advskew: number;
  readonly preempt?: boolean;
}

/** How late one of our hosts was, in ms: its claim after master-down, and the news of its address after the hold, too. */
interface Lateness {
  readonly after: string;
  readonly claim: number;
  readonly announcement: number;
}

const latenesses: Lateness[] = [];

/** A host of the group, whatever it runs. */
class Member {
  readonly on: Machine;
  readonly plan: Plan;
  readonly #lan: Lan;
  #carp: Carp | undefined;
  #ucarp: Child | undefined;

  constructor(lan: Lan, on: Machine, plan: Plan) {
    this.#lan = lan;
    this.on = on;
    this.plan = plan;
  }

  get name(): string {
    return this.on.name;
  }

  start(): void {
    const { advskew, kind, preempt = false } = this.plan;
    if (kind === 'ucarp')
      this.#ucarp = startUcarp(this.#lan, this.on, { vhid: VHID, pass: 'secret', address: VIP, advskew, preempt });
    else
      this.#carp = Carp.start(this.#lan, this.on, [
        {
          name: 'group',
          interface: 'eth0',
          vhid: VHID,
          pass: 'secret',
          addresses: [`${VIP}/32`],
          advskew,
          preempt,
        },
      ]);
  }

  /** It has begun to listen: from now on it counts. */
  async untilReady(): Promise<void> {
    if (this.plan.kind === 'ucarp') await this.#ucarp?.untilLine(/Switching to state: BACKUP/, SETTLE_MS);
    else
      await until(
        `${this.name} to be in the group`,
        SETTLE_MS,
        () => ['BACKUP', 'MASTER'].includes(this.#carp?.role() ?? ''),
        () => this.#lan.report(),
      );
  }

  /** Power cut: no more frames, dead processes, and what the kernel had in memory is gone. */
  async crash(): Promise<void> {
    await this.#lan.powerOff(this.on);
    await this.forget();
  }

  /** Orderly, as a service manager does it. */
  async stop(): Promise<void> {
    const child = this.plan.kind === 'ucarp' ? this.#ucarp : this.#carp?.child;
    child?.signal('SIGTERM');
    await child?.untilExit(SETTLE_MS);
  }

  async comeBack(): Promise<void> {
    await this.#lan.unsilence(this.on);
    this.start();
    await this.untilReady();
  }

  /** The leases of ours would expire; ucarp's script has added its address for ever. */
  async forget(): Promise<void> {
    await run('ip', '-n', this.on.namespace, 'addr', 'del', `${VIP}/32`, 'dev', 'eth0').catch(() => {});
  }

  /** ucarp says of each packet what it does not like about it. */
  assertContent(): void {
    assert.equal(this.#ucarp?.line(/Bad (digest|TTL|version|IP checksum)/), undefined, this.#ucarp?.report());
  }
}

/** A LAN with its group. */
class Party {
  readonly lan: Lan;
  readonly capture: Capture;
  readonly members: readonly Member[];

  private constructor(lan: Lan, capture: Capture, members: readonly Member[]) {
    this.lan = lan;
    this.capture = capture;
    this.members = members;
  }

  static async create(scope: Scope, plans: readonly Plan[]): Promise<Party> {
    const lan = await Lan.create(scope, plans.length);
    const members = plans.map((plan, index) => new Member(lan, lan.host(index + 1), plan));
    return new Party(lan, await Capture.start(lan), members);
  }

  member(name: string): Member {
    const found = this.members.find((each) => each.name === name);
    assert.ok(found);
    return found;
  }

  async start(...members: readonly Member[]): Promise<void> {
    for (const member of members) member.start();
    for (const member of members) await member.untilReady();
  }

  /**
   * One of these, and no other, has the address and answers for it, and it stays so.
   * @returns who it is
   */
  async settled(...candidates: readonly Member[]): Promise<Member> {
    const names = candidates.map(({ name }) => name);
    let present = '';
    let adverts = 0;
    const holder = await until(
      `one of ${names} to be the only holder, for good`,
      SETTLE_MS,
      async () => {
        const holders = await this.lan.holders(VIP);
        const [only = ''] = holders;
        // ucarp reads up to a second late: one that has missed a takeover may take over once more.
        if (holders.length !== 1 || !names.includes(only)) {
          present = '';
          return undefined;
        }
        const sent = this.capture.advertsOf(this.member(only).on).length;
        if (only !== present) {
          present = only;
          adverts = sent;
        }
        return sent >= adverts + ADVERTS_OF_PEACE ? this.member(only) : undefined;
      },
      () => this.lan.report(),
    );
    assert.equal(await this.whoAnswers(), holder.name);
    for (const each of this.members) each.assertContent();
    return holder;
  }

  /** Whose MAC address a client gets that has just been switched on, and pings. */
  async whoAnswers(): Promise<string | undefined> {
    const { lan } = this;
    const inside = ['ip', '-n', lan.client.namespace];
    await run(...inside, 'neigh', 'flush', 'dev', 'eth0');
    const answered = await lan.exec(lan.client, 'ping', '-c', '1', '-W', '1', '-n', VIP).then(
      () => true,
      () => false,
    );
    const entries = JSON.parse(await run(...inside, '-j', 'neigh', 'show', VIP)) as readonly { lladdr?: string }[];
    return answered ? lan.hosts.find(({ mac }) => mac === entries[0]?.lladdr)?.name : undefined;
  }

  /** Notes how late one of ours was after the last word of another; both as the kernel saw them on the wire. */
  noteLateness(what: string, dead: Member, taker: Member): void {
    if (taker.plan.kind !== 'ours') return;
    const masterDownMs = 3000 + (taker.plan.advskew * 1000) / 256;
    const last = this.capture.advertsOf(dead.on).at(-1);
    assert.ok(last);
    const claim = this.capture.advertsOf(taker.on).find(({ at }) => at > last.at);
    const news = this.capture.announcements().find(({ at, mac }) => at > last.at && mac === taker.on.mac);
    assert.ok(claim);
    assert.ok(news);
    latenesses.push({
      after: what,
      claim: claim.at - last.at - masterDownMs,
      announcement: news.at - last.at - masterDownMs - HOLD_MS,
    });
  }
}

/** Both kinds of MASTER lose the address in this way, and both kinds of BACKUP get it. */
const inTurn = async (
  party: Party,
  what: string,
  lose: (holder: Member) => Promise<void>,
  turns: number,
): Promise<void> => {
  let holder = await party.settled(...party.members);
  for (let turn = 0; turn < turns; turn += 1) {
    const loser = holder;
    await lose(loser);
    holder = await party.settled(...party.members.filter((member) => member !== loser));
    party.noteLateness(`${what} of ${loser.plan.kind}`, loser, holder);
    await loser.comeBack();
    assert.equal(await party.settled(...party.members), holder, 'who comes back is content with being BACKUP');
  }
};

// Each has a LAN of its own and mostly waits.
describe('a group of ours and ucarp', { concurrency: 7 }, () => {
  const ours = (advskew: number, preempt = false): Plan => ({ kind: 'ours', advskew, preempt });
  const ucarp = (advskew: number, preempt = false): Plan => ({ kind: 'ucarp', advskew, preempt });

  for (const [title, plans] of [
    ['ours is preferred', [ours(0), ucarp(20)]],
    ['ucarp is preferred', [ucarp(0), ours(20)]],
  ] as const) {
    test(`${title}: whoever crashes, the other takes over, and keeps the address when it comes back`, {
      skip,
      timeout: 150_000,
    }, async (t) => {
      const party = await Party.create(t, plans);
      await party.start(...party.members);
      await inTurn(party, 'crash', (holder) => holder.crash(), 2);
    });

    test(`${title}: whoever is stopped in order, the other takes over, and keeps the address when it comes back`, {
      skip,
      timeout: 150_000,
    }, async (t) => {
      const party = await Party.create(t, plans);
      await party.start(...party.members);
      await inTurn(party, 'stop', (holder) => holder.stop(), 2);
    });
  }

  for (const [title, better, worse] of [
    ['ours that preempts takes the address from a ucarp that is worse', ours(0, true), ucarp(100)],
    ['a ucarp that preempts takes the address from ours that is worse', ucarp(0, true), ours(100)],
    ['ours and ucarp that both preempt agree on the better, which is ours', ours(0, true), ucarp(100, true)],
    ['ours and ucarp that both preempt agree on the better, which is ucarp', ucarp(0, true), ours(100, true)],
  ] as const)
    test(title, { skip, timeout: 120_000 }, async (t) => {
      const party = await Party.create(t, [better, worse]);
      const [first, second] = party.members;
      assert.ok(first && second);
      await party.start(second);
      assert.equal(await party.settled(second), second);
      await party.start(first);
      await party.settled(first);
      await first.crash();
      await party.settled(second);
      party.noteLateness(`crash of ${first.plan.kind}`, first, second);
      await first.comeBack();
      await party.settled(first);
    });

  for (const [title, plans] of [
    ['ours has the lower address', [ours(50), ucarp(50)]],
    ['ucarp has the lower address', [ucarp(50), ours(50)]],
  ] as const)
    test(`of equals one is the holder, and the lower address after a healed partition: ${title}`, {
      skip,
      timeout: 120_000,
    }, async (t) => {
      const party = await Party.create(t, plans);
      const [lower, higher] = party.members;
      assert.ok(lower && higher);
      await party.start(...party.members);
      await party.settled(...party.members);
      await party.lan.silence(higher.on);
      await party.lan.untilHolders(VIP, ['h1', 'h2'], SETTLE_MS);
      await party.lan.unsilence(higher.on);
      await party.settled(lower);
    });

  for (const [title, plans] of [
    ['two of ours and one ucarp', [ours(0), ucarp(0), ours(0)]],
    ['one of ours and two ucarps', [ucarp(0), ours(0), ucarp(0)]],
    ['two of ours and one ucarp, of different skews', [ucarp(0), ours(20), ours(60)]],
  ] as const)
    test(`${title} have one holder after start, crash, return and stop`, { skip, timeout: 170_000 }, async (t) => {
      const party = await Party.create(t, plans);
      await party.start(...party.members);
      const first = await party.settled(...party.members);
      await first.crash();
      const second = await party.settled(...party.members.filter((member) => member !== first));
      party.noteLateness(`crash of ${first.plan.kind}`, first, second);
      await first.comeBack();
      await second.stop();
      const rest = party.members.filter((member) => member !== second);
      const third = await party.settled(...rest);
      await third.crash();
      const last = rest.filter((member) => member !== third);
      assert.deepEqual([await party.settled(...last)], last, 'the last host that is left is the holder');
    });
});

test('ours takes over from ucarps that die one after another, each within its master-down time', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [dying, taking] = [lan.host(1), lan.host(2)];
  const capture = await Capture.start(lan);
  const groups = [0, 100, 200, 254].map((advskew, index) => ({
    name: `group${index + 1}`,
    vhid: index + 1,
    address: `192.0.2.${101 + index}`,
    advskew,
  }));
  const ucarps = groups.map(({ vhid, address }) =>
    startUcarp(lan, dying, { vhid, pass: 'secret', address, advskew: 0 }),
  );
  for (const { address } of groups) await lan.untilHolders(address, ['h1'], SETTLE_MS);
  const carp = Carp.start(
    lan,
    taking,
    groups.map(({ address, ...group }) => ({
      ...group,
      interface: 'eth0',
      pass: 'secret',
      addresses: [`${address}/32`],
    })),
  );
  for (const { name } of groups) await carp.untilRole('BACKUP', SETTLE_MS, name);
  await capture.untilAdverts(dying, ADVERTS_OF_PEACE * groups.length, SETTLE_MS);

  for (const [index, { name, vhid, address, advskew }] of groups.entries()) {
    assert.equal(carp.role(name), 'BACKUP');
    ucarps[index]?.signal('SIGKILL');
    await carp.untilRole('MASTER', SETTLE_MS, name);
    const masterDownMs = 3000 + (advskew * 1000) / 256;
    const last = capture.advertsOf(dying).findLast((advert) => advert.vhid === vhid);
    assert.ok(last);
    const isLater = ({ at }: { readonly at: number }): boolean => at > last.at;
    const claim = capture.advertsOf(taking).find((advert) => advert.vhid === vhid && isLater(advert));
    const news = await until('the announcement', SETTLE_MS, () =>
      capture.announcements().find((each) => each.address === address && each.mac === taking.mac),
    );
    assert.ok(claim);
    latenesses.push({
      after: `death of ucarp, skew ${advskew}`,
      claim: claim.at - last.at - masterDownMs,
      announcement: news.at - last.at - masterDownMs - HOLD_MS,
    });
    await run('ip', '-n', dying.namespace, 'addr', 'del', `${address}/32`, 'dev', 'eth0');
    assert.deepEqual(await lan.holders(address), ['h2']);
  }
});

test('our share of these takeovers is within 30 ms of master-down and hold', { skip }, (t) => {
  for (const { after, claim, announcement } of latenesses)
    t.diagnostic(`${after}: claim ${claim.toFixed(1)} ms late, announcement ${announcement.toFixed(1)} ms`);
  assert.ok(latenesses.length >= 10, `only ${latenesses.length} takeovers were ours`);
  // A busy machine adds to some, and never takes away: what all of them have is ours. There is more to be added between
  // claim and announcement, where the kernel is asked several times, so the quarter with the least noise is looked at.
  for (const [part, rank] of [
    ['claim', 1 / 2],
    ['announcement', 1 / 4],
  ] as const) {
    const sorted = latenesses.map((lateness) => lateness[part]).toSorted((a, b) => a - b);
    const share = sorted[Math.floor(sorted.length * rank)] ?? Number.POSITIVE_INFINITY;
    const [worst = 0] = sorted.slice(-1);
    t.diagnostic(`${part}: our share ${share.toFixed(1)} ms, worst of ${sorted.length} ${worst.toFixed(1)} ms`);
    assert.ok(share <= SHARE_MS, `the ${part} came ${share} ms late`);
    for (const lateness of sorted)
      assert.ok(lateness > -EARLY_MS && lateness < WORST_MS, `one ${part} came ${lateness} ms late`);
  }
});

/**
 * What has to be on a broker while these hosts run: written from the documented topics, not from the code that fills
 * them. What it is held against is `carp status --json`.
 */

/** A host of `carp status --json`, as far as it matters here. */
export interface HostView {
  readonly node: string;
  readonly groups: readonly GroupView[];
}

export interface GroupView {
  readonly group: string;
  readonly role: string;
  readonly seq: number;
  readonly vhid: number;
  readonly advskew: number;
  readonly since: string;
  readonly addresses: readonly string[];
  readonly master?: { readonly address: string; readonly self: boolean };
}

export interface ModelOptions {
  readonly base?: string;
  /** Whether flows or hooks hold the addresses: then nothing is said of them. */
  readonly manual?: boolean;
  /** What is told ten seconds apart, `stats`, may be missing or old. */
  readonly soon?: boolean;
}

type Check = (payload: string) => string | undefined;
interface Expectation {
  readonly check: Check;
  readonly optional: boolean;
}

const text =
  (expected: string): Check =>
  (payload) =>
    payload === expected ? undefined : `"${payload}" instead of "${expected}"`;

/** A JSON object with at least these members. */
const json =
  (expected: Readonly<Record<string, unknown>>): Check =>
  (payload) => {
    let told: unknown;
    try {
      told = JSON.parse(payload);
    } catch {
      return `no JSON: ${payload.slice(0, 80)}`;
    }
    if (typeof told !== 'object' || told === null) return `no object: ${payload.slice(0, 80)}`;
    const members = told as Readonly<Record<string, unknown>>;
    const wrong = Object.entries(expected).filter(
      ([key, value]) => JSON.stringify(members[key]) !== JSON.stringify(value),
    );
    return wrong.length === 0
      ? undefined
      : wrong.map(([key, value]) => `${key} is ${JSON.stringify(members[key])}, not ${JSON.stringify(value)}`).join();
  };

/** Everything that has to be there, and everything that may. */
const expectations = (hosts: readonly HostView[], options: ModelOptions): ReadonlyMap<string, Expectation> => {
  const { base = 'carp', manual = false, soon = false } = options;
  const all = new Map<string, Expectation>();
  const has = (topic: string, check: Check): void => void all.set(`${base}/${topic}`, { check, optional: false });
  const may = (topic: string, check: Check): void => void all.set(`${base}/${topic}`, { check, optional: true });
  for (const { node, groups } of hosts) {
    has(`node/${node}/status`, text('online'));
    has(`node/${node}/info`, json({ node }));
    for (const one of groups) {
      const member = `${one.group}/node/${node}`;
      has(`${member}/role`, text(one.role));
      has(
        `${member}/state`,
        json({ group: one.group, node, role: one.role, seq: one.seq, vhid: one.vhid, addresses: one.addresses }),
      );
      has(`${member}/mode`, text('normal'));
      has(`${member}/advskew`, text(String(one.advskew)));
      (soon ? may : has)(`${member}/stats`, json(soon ? {} : { transitions: one.seq }));
      for (const address of manual ? [] : one.addresses)
        has(`${member}/vip/${address.replace(/\/\d+$/, '')}`, text(one.role === 'MASTER' ? 'held' : 'absent'));
      if (one.role === 'MASTER')
        has(
          `${one.group}/master`,
          json({ node, vhid: one.vhid, seq: one.seq, since: one.since, address: one.master?.address }),
        );
      may(`${one.group}/alarm`, json({ group: one.group, active: false, alarms: [] }));
    }
  }
  return all;
};

/** What is missing, wrong or too much among what a broker keeps; empty: every retained topic is right. */
export const retainedProblems = (
  retained: ReadonlyMap<string, string>,
  hosts: readonly HostView[],
  options: ModelOptions = {},
): readonly string[] => {
  const { base = 'carp' } = options;
  const expected = expectations(hosts, options);
  const missing = [...expected]
    .filter(([topic, { optional }]) => !optional && !retained.has(topic))
    .map(([topic]) => `${topic} is missing`);
  const others = [...retained].flatMap(([topic, payload]) => {
    // Whom a host hears is its own affair; that it is somebody else is not.
    if (isPeer(base, topic, hosts)) return [];
    const expectation = expected.get(topic);
    if (expectation === undefined) return [`${topic} should not be there: ${payload.slice(0, 80)}`];
    const wrong = expectation.check(payload);
    return wrong === undefined ? [] : [`${topic}: ${wrong}`];
  });
  return [...missing, ...others].toSorted();
};

const isPeer = (base: string, topic: string, hosts: readonly HostView[]): boolean =>
  hosts.some(({ node, groups }) =>
    groups.some(({ group, master }) => {
      const path = `${base}/${group}/node/${node}/peers/`;
      return topic.startsWith(path) && !(master?.self === true && topic === `${path}${master.address}`);
    }),
  );

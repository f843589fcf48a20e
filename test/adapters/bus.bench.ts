/**
 * How long a change of role takes from the agent's decision to a subscriber of a Mosquitto on loopback: `npm run bench`.
 * One group at first, which two simulated hosts hand to each other; then 255 groups that all move at once, because the
 * host that is MASTER of all of them loses its power. Agent, broker and subscriber are three processes on one clock.
 *
 * Once with Mosquitto as it comes, and once with `set_tcp_nodelay true`: without it Nagle's algorithm of the broker waits
 * for what delays acknowledgements in TCP, up to 40 ms each time.
 *
 * The agent tells its time in whole milliseconds, so up to one of those that are printed is none.
 */
import { Socket } from 'node:net';
import mqtt, { type MqttClient } from 'mqtt';
import type { CarpEvent } from '../../src/engine/status.ts';
import { memoryGroup, mqttOf, SimulatedHosts } from '../support/broker-hosts.ts';
import { LocalBroker, missingForBroker } from '../support/broker-local.ts';
import { retainedProblems } from '../support/broker-model.ts';
import { retainedOn } from '../support/broker-retained.ts';
import { until } from '../support/wait.ts';

const HAND_OVERS = 160;
const WARM_UP = 10;
const P99_MS_MAX = 20;
const GROUPS = 255;
const MOVES = 6;
const ALL_MS_MAX = 500;
const WAIT_MS = 30_000;
const START_MS = 90_000;

interface HeardEvent {
  /** Wall clock, as `event.at`, in ms. */
  readonly at: number;
  readonly event: CarpEvent;
}

const percentile = (values: readonly number[], part: number): number => {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
};
const ms = (value: number): string => `${value.toFixed(1)} ms`;
const verdict = (kept: boolean): string => (kept ? 'kept' : 'MISSED');

/** Undone at the end, last first. */
const undo: (() => unknown)[] = [];
const scope = { after: (step: () => unknown): void => void undo.push(step) };

/** Hears every event as it comes. */
const listen = async (broker: LocalBroker): Promise<readonly HeardEvent[]> => {
  const heard: HeardEvent[] = [];
  const client: MqttClient = await mqtt.connectAsync(broker.url, {
    protocolVersion: 5,
    properties: { receiveMaximum: 65_535 },
  });
  if (client.stream instanceof Socket) client.stream.setNoDelay(true);
  scope.after(() => client.endAsync(true));
  client.on('message', (_topic, payload) => {
    const at = performance.timeOrigin + performance.now();
    heard.push({ at, event: JSON.parse(payload.toString('utf8')) });
  });
  await client.subscribeAsync('carp/+/node/+/event', { qos: 1 });
  return heard;
};

const delayOf = ({ at, event }: HeardEvent): number => at - Date.parse(event.at);

/** A broker, and how it is called in the output. */
interface Setting {
  readonly name: string;
  readonly lines: readonly string[];
}
const SETTINGS: readonly Setting[] = [
  { name: 'Mosquitto as it comes', lines: [] },
  { name: 'Mosquitto with set_tcp_nodelay', lines: ['set_tcp_nodelay true'] },
];

const oneGroup = async ({ name, lines }: Setting): Promise<void> => {
  const broker = await LocalBroker.start(scope, { lines });
  const heard = await listen(broker);
  const mqttHere = mqttOf(broker);
  const hosts = await SimulatedHosts.start(scope, [
    { node: 'a', groups: [memoryGroup('plant')], more: { mqtt: mqttHere } },
    { node: 'b', groups: [memoryGroup('plant', { advskew: 100 })], more: { mqtt: mqttHere } },
  ]);
  await hosts.untilRole('a', 'MASTER');
  await hosts.untilRole('b', 'BACKUP');
  let from = 0;
  for (let i = 0; i < HAND_OVERS + WARM_UP; i += 1) {
    if (i === WARM_UP) from = heard.length;
    const [old, next] = i % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
    const before = heard.length;
    await hosts.supervisor.handOver({ node: old ?? '', group: 'plant' });
    const hasHeard = (node: string | undefined, role: string): boolean =>
      heard.slice(before).some(({ event }) => event.node === node && event.role === role);
    await until('both events', WAIT_MS, () => hasHeard(next, 'MASTER') && hasHeard(old, 'BACKUP'));
  }
  await hosts.supervisor.stop();
  const delays = heard.slice(from, from + 2 * HAND_OVERS).map(delayOf);
  const p99 = percentile(delays, 0.99);
  console.log(
    `${name}: transition to subscriber, ${delays.length} of them: median ${ms(percentile(delays, 0.5))}, p99 ${ms(p99)}, ` +
      `worst ${ms(percentile(delays, 1))}; p99 under ${P99_MS_MAX} ms: ${verdict(p99 < P99_MS_MAX)}`,
  );
};

const manyGroups = async ({ name, lines }: Setting): Promise<void> => {
  // Who comes to a full house is told all of it: more than what Mosquitto keeps for a client by default.
  const broker = await LocalBroker.start(scope, { lines: ['max_queued_messages 0', ...lines] });
  const heard = await listen(broker);
  const groups = (advskew: number): readonly object[] =>
    Array.from({ length: GROUPS }, (_, i) =>
      memoryGroup(`g${i + 1}`, { vhid: i + 1, addresses: [`198.51.100.${i + 1}/32`], advskew }),
    );
  const more = { mqtt: mqttOf(broker) };
  const hosts = await SimulatedHosts.start(scope, [
    { node: 'a', groups: groups(0), more },
    { node: 'b', groups: groups(100), more },
  ]);
  const roles = async (node: string, role: string): Promise<boolean> => {
    const view = (await hosts.views()).find((one) => one.node === node);
    return view?.groups.length === GROUPS && view.groups.every((one) => one.role === role);
  };
  await until(
    'all groups on a',
    START_MS,
    () => roles('a', 'MASTER').catch(() => false),
    () => hosts.logs.slice(-20).join('\n'),
  );
  const all: number[] = [];
  const delays: number[] = [];
  const spans: number[] = [];
  for (let i = 0; i < MOVES; i += 1) {
    const [old, next] = i % 2 === 0 ? ['a', 'b'] : ['b', 'a'];
    const before = heard.length;
    const gained = (): readonly HeardEvent[] =>
      heard.slice(before).filter(({ event }) => event.node === next && event.role === 'MASTER');
    await hosts.supervisor.simulate({ node: old ?? '', action: 'crash' });
    await until('all groups to move', WAIT_MS, () => gained().length >= GROUPS);
    const moved = gained().map(({ event }) => Date.parse(event.at));
    const first = Math.min(...moved);
    all.push(Math.max(...gained().map(({ at }) => at)) - first);
    spans.push(Math.max(...moved) - first);
    delays.push(...gained().map(delayOf));
    await hosts.supervisor.simulate({ node: old ?? '', action: 'revive' });
    await until('the other half', WAIT_MS, () => roles(old ?? '', 'BACKUP'));
  }
  const worst = Math.max(...delays);
  console.log(
    `${name}: ${GROUPS} groups moving at once, ${MOVES} times, transition to subscriber: median ${ms(percentile(delays, 0.5))}, ` +
      `p99 ${ms(percentile(delays, 0.99))}, worst ${ms(worst)}; all ${GROUPS} within ${ALL_MS_MAX} ms: ${verdict(worst < ALL_MS_MAX)}`,
  );
  console.log(
    `from the first transition to the last event heard: median ${ms(percentile(all, 0.5))}, worst ${ms(percentile(all, 1))}; ` +
      `the groups themselves, whose timers differ, took ${ms(percentile(spans, 0.5))} and ${ms(percentile(spans, 1))} of it`,
  );
  let wrong: readonly string[] = [];
  await until('the retained topics', WAIT_MS, async () => {
    wrong = retainedProblems(await retainedOn(broker, 'carp/#'), await hosts.views(), { soon: true });
    return wrong.length === 0;
  }).catch(() => undefined);
  console.log(
    `retained topics that are wrong afterwards: ${wrong.length}${wrong
      .slice(0, 5)
      .map((one) => `\n  ${one}`)
      .join('')}`,
  );
};

const missing = missingForBroker();
try {
  if (missing !== false) console.log(`no benchmark of the bus: ${missing}`);
  else {
    for (const setting of SETTINGS) {
      await oneGroup(setting);
      await manyGroups(setting);
    }
  }
} finally {
  for (const step of undo.reverse()) await step();
}

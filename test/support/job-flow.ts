/** One flow for every host: a clock that ticks on all of them, a gate, and a job that runs where the gate is open. */
import type { Machine } from './netns.ts';
import type { NodeRed } from './node-red.ts';

/** Between two ticks, in ms. */
export const TICK_MS = 100;
export const GROUP = { vhid: 10, address: '192.0.2.100' } as const;

const variable = (name: string): string => `$\{${name}}`;

/** Everything in it is the same on all hosts: what differs comes from the environment, as the README advises. */
export const jobFlow: readonly object[] = [
  { id: 'tab', type: 'tab', label: 'jobs' },
  {
    id: 'group',
    type: 'carp-group',
    name: '',
    group: 'jobs',
    host: variable('CARP_NODE'),
    mode: 'run',
    interface: 'eth0',
    vhid: GROUP.vhid,
    addresses: [`${GROUP.address}/24`],
    advbase: 1,
    advskew: variable('CARP_SKEW'),
    deadratio: 3,
    addressing: 'interface',
    credentials: { passphrase: variable('CARP_PASS') },
  },
  {
    id: 'tick',
    type: 'inject',
    z: 'tab',
    name: '',
    props: [{ p: 'payload' }],
    payload: '',
    payloadType: 'date',
    repeat: String(TICK_MS / 1000),
    once: true,
    onceDelay: 0.1,
    topic: '',
    x: 100,
    y: 100,
    wires: [['gate', 'count']],
  },
  {
    id: 'gate',
    type: 'carp-gate',
    z: 'tab',
    name: '',
    group: 'group',
    roles: ['MASTER'],
    mode: 'drop',
    limit: '100',
    x: 300,
    y: 100,
    wires: [['job'], []],
  },
  {
    id: 'role',
    type: 'carp-role',
    z: 'tab',
    name: '',
    group: 'group',
    outputs: 1,
    x: 100,
    y: 340,
    wires: [['say']],
  },
  {
    id: 'say',
    type: 'function',
    z: 'tab',
    name: 'role',
    func: "node.log('role ' + msg.payload + ' ' + msg.carp.reason + ' ' + Date.now()); return null;",
    outputs: 0,
    x: 300,
    y: 340,
    wires: [],
  },
  logs('job', 500, 100),
  logs('count', 300, 160),
  {
    id: 'hand-over',
    type: 'inject',
    z: 'tab',
    name: '',
    props: [],
    repeat: '',
    once: false,
    onceDelay: 0,
    topic: '',
    x: 100,
    y: 220,
    wires: [['control']],
  },
  {
    id: 'control',
    type: 'carp-control',
    z: 'tab',
    name: '',
    group: 'group',
    action: 'hand-over',
    force: false,
    x: 300,
    y: 220,
    wires: [[]],
  },
  {
    id: 'button',
    type: 'inject',
    z: 'tab',
    name: '',
    props: [],
    repeat: '',
    once: false,
    onceDelay: 0,
    topic: '',
    x: 100,
    y: 280,
    wires: [['spin']],
  },
  {
    id: 'spin',
    type: 'function',
    z: 'tab',
    name: '',
    func: "node.log('spins'); const end = Date.now() + 10000; while (Date.now() < end); node.log('has spun'); return null;",
    outputs: 0,
    x: 300,
    y: 280,
    wires: [],
  },
];

/** A Function node that logs its name and the time at which it ran; both hosts have the same clock. */
function logs(id: string, x: number, y: number): object {
  const func = `node.log('${id} ' + Date.now()); return null;`;
  return { id, type: 'function', z: 'tab', name: id, func, outputs: 0, x, y, wires: [] };
}

/** What differs between the hosts. */
export const environmentOf = ({ name }: Machine, advskew: number): Readonly<Record<string, string>> => ({
  CARP_NODE: name,
  CARP_SKEW: String(advskew),
  CARP_PASS: 'of both hosts',
});

/** When the jobs of a host ran (`job`), or its ticks (`count`), in ms of the wall clock, in order. */
export const timesOf = ({ child }: NodeRed, what: 'job' | 'count' = 'job'): readonly number[] =>
  child.stdout.flatMap(({ text }) => {
    const at = new RegExp(`\\[function:${what}\\] ${what} (\\d+)$`).exec(text)?.[1];
    return at === undefined ? [] : [Number(at)];
  });

/** What a host has told of its roles, with reason and time, in order. */
export const rolesOf = ({ child }: NodeRed): readonly string[] =>
  child.stdout.flatMap(({ text }) => /\[function:role\] role (.*)$/.exec(text)?.[1] ?? []);

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Observable } from 'rxjs';
import type { Page, PageRequest, ServedAddress } from '../../src/adapters/metrics/server.ts';
import { LISTEN_RETRY_MS, READING_MS_MAX, type Serve } from '../../src/agent/metrics.ts';
import { CarpError } from '../../src/ports/error.ts';
import { type ExpositionFormat, type ReadFamily, readExposition, samplesOf, valueIn } from '../support/exposition.ts';
import { configOf, groupText, SECRET, stage } from './fakes.ts';
import { type SimulatedAgent, simulatedAgent, stateFolder } from './simulated-agent.ts';

const ADDRESS: ServedAddress = { address: '127.0.0.1', port: 9112 };
const ACCEPT = { prometheus: 'text/plain', openmetrics: 'application/openmetrics-text;version=1.0.0' } as const;

interface Scraper {
  readonly serve: Serve;
  /** What is served now, and was. */
  readonly log: string[];
  /** Set, listening fails with it. */
  failure: CarpError | undefined;
  readonly get: (path: string, accept?: string) => Promise<Page>;
  readonly scrape: (format?: ExpositionFormat) => Promise<readonly ReadFamily[]>;
  readonly health: (query?: string) => Promise<{ readonly status: number; readonly body: Record<string, unknown> }>;
}

/** Asks without a network. */
const scraper = (): Scraper => {
  let answer: ((request: PageRequest) => Promise<Page>) | undefined;
  const log: string[] = [];
  const text = ({ body }: Page): string => Buffer.from(body).toString();
  const it: Scraper = {
    log,
    failure: undefined,
    serve: ({ address, port }, pageOf) =>
      new Observable((subscriber) => {
        if (it.failure !== undefined) {
          log.push(`fail ${address} ${port}`);
          return subscriber.error(it.failure);
        }
        log.push(`open ${address} ${port}`);
        answer = pageOf;
        subscriber.next();
        return () => {
          answer = undefined;
          log.push(`close ${address} ${port}`);
        };
      }),
    get: async (target, accept) => {
      const { pathname: path, searchParams: query } = new URL(target, 'http://x');
      if (answer === undefined) throw new Error('nobody listens');
      return answer({ path, query, accept });
    },
    scrape: async (format = 'prometheus') => readExposition(text(await it.get('/metrics', ACCEPT[format])), format),
    health: async (query = '') => {
      const page = await it.get(`/healthz${query}`);
      return { status: page.status, body: JSON.parse(text(page)) };
    },
  };
  return it;
};

interface Bench {
  readonly sim: SimulatedAgent;
  readonly scraper: Scraper;
}

/** Two hosts in one group: `a` is MASTER and serves the metrics, `b` its BACKUP. */
const pair = async (t: TestContext): Promise<Bench> => {
  const web = scraper();
  const sim = simulatedAgent({ serveMetrics: web.serve });
  const hosts = [
    configOf('a', [groupText('plant')], { metrics: ADDRESS }),
    configOf('b', [groupText('plant', { advskew: 100 })]),
  ];
  await sim.answer(sim.agent.configure({ state: stateFolder(t), hosts }));
  t.after(() => sim.answer(sim.agent.stop()));
  await sim.pass(4000);
  return { sim, scraper: web };
};

test('both formats are valid in every word, and tell the same', async (t) => {
  const { scraper: web, sim } = await pair(t);
  await sim.pass(2000);
  const plain = await web.scrape('prometheus');
  const open = await web.scrape('openmetrics');
  const values = (families: readonly ReadFamily[]): readonly string[] =>
    families.flatMap(({ samples }) =>
      samples
        .filter(({ name }) => !name.startsWith('process_') && !name.startsWith('carp_event_loop'))
        .map(({ name, labels: { le, ...labels }, value }) => JSON.stringify([name, Number(le ?? 0), labels, value])),
    );
  assert.deepEqual(values(open), values(plain));
  for (const { name, help } of plain) {
    assert.match(name, /^(carp|process)_[a-z_]+$/);
    assert.match(help, /\.$/, name);
  }
  assert.equal(samplesOf(plain, 'carp_build_info', { version: '0.0.0', nodejs: process.versions.node }).length, 1);
  assert.ok(Math.abs(valueIn(plain, 'process_start_time_seconds') - performance.timeOrigin / 1000) < 1);
});

test('the role of each group of each host is a set of states', async (t) => {
  const { scraper: web } = await pair(t);
  const families = await web.scrape();
  const role = (node: string): readonly (readonly [string | undefined, number])[] =>
    samplesOf(families, 'carp_group_role', { node, group: 'plant', vhid: '10', interface: 'lan' }).map((sample) => [
      sample.labels['role'],
      sample.value,
    ]);
  const states = (is: string) => ['INIT', 'BACKUP', 'MASTER', 'STOPPED'].map((one) => [one, one === is ? 1 : 0]);
  assert.deepEqual(role('a'), states('MASTER'));
  assert.deepEqual(role('b'), states('BACKUP'));
});

test('transitions are counted by the role that they lead to, and adverts as they are sent and heard', async (t) => {
  const { sim, scraper: web } = await pair(t);
  const before = await web.scrape();
  await sim.answer(sim.agent.handOver({ node: 'a', group: 'plant' }));
  await sim.pass(3000);
  const after = await web.scrape();
  const moved = (name: string, labels: Readonly<Record<string, string>>): number =>
    valueIn(after, name, labels) - valueIn(before, name, labels);
  assert.equal(moved('carp_group_transitions_total', { node: 'a', to: 'BACKUP' }), 1);
  assert.equal(moved('carp_group_transitions_total', { node: 'b', to: 'MASTER' }), 1);
  assert.equal(moved('carp_group_transitions_total', { node: 'b', to: 'STOPPED' }), 0);
  assert.ok(moved('carp_adverts_sent_total', { node: 'b' }) >= 3);
  assert.ok(moved('carp_adverts_received_total', { node: 'a' }) >= 3);
  assert.equal(moved('carp_adverts_refused_total', { node: 'a', reason: 'badauth' }), 0);
});

test('adverts that the clock asked for are in the histogram, all of them punctual in virtual time', async (t) => {
  const { sim, scraper: web } = await pair(t);
  const count = async (): Promise<number> =>
    valueIn(await web.scrape(), 'carp_advert_lateness_seconds_count', { node: 'a' });
  const before = await count();
  await sim.pass(5000);
  assert.equal((await count()) - before, 5);
  const families = await web.scrape();
  assert.equal(
    valueIn(families, 'carp_advert_lateness_seconds_bucket', { node: 'a', le: '0.0005' }),
    valueIn(families, 'carp_advert_lateness_seconds_count', { node: 'a' }),
  );
  assert.equal(valueIn(families, 'carp_advert_lateness_seconds_count', { node: 'b' }), 0);
});

test('rank, demotion and times are told in base units', async (t) => {
  const { sim, scraper: web } = await pair(t);
  await sim.outcome(sim.agent.demote({ node: 'b', reason: 'nightly "job"', weight: 20, group: 'plant' }));
  await sim.outcome(sim.agent.demote({ node: 'b', reason: 'nightly "job"', weight: 5 }));
  await sim.pass(100);
  const families = await web.scrape();
  assert.equal(valueIn(families, 'carp_group_advskew', { node: 'b' }), 100);
  assert.equal(valueIn(families, 'carp_group_demotion', { node: 'b' }), 25);
  // The same reason twice, for the host and for a group: one series.
  assert.equal(valueIn(families, 'carp_group_demotion_weight', { node: 'b', reason: 'nightly "job"' }), 25);
  assert.equal(valueIn(families, 'carp_group_interval_seconds', { node: 'a' }), 1);
  assert.equal(valueIn(families, 'carp_group_master_down_seconds', { node: 'a' }), 3);
  assert.equal(valueIn(families, 'carp_group_lease_seconds', { node: 'a' }), 2);
  assert.equal(samplesOf(families, 'carp_group_lease_seconds', { node: 'b' }).length, 0);
  const silence = valueIn(families, 'carp_group_master_silence_seconds', { node: 'b' });
  assert.ok(silence >= 0 && silence <= 1.1, `${silence} s`);
  assert.equal(samplesOf(families, 'carp_group_master_silence_seconds', { node: 'a' }).length, 0);
});

test('a group that works is healthy, as MASTER, as BACKUP, demoted and in maintenance', async (t) => {
  const { sim, scraper: web } = await pair(t);
  assert.deepEqual(await web.health(), { status: 200, body: { status: 'ok', groups: 2, master: 1 } });
  await sim.outcome(sim.agent.maintenance({ node: 'a', on: true }));
  await sim.pass(2000);
  assert.equal((await web.health()).status, 200);
  const modes = samplesOf(await web.scrape(), 'carp_group_mode', { node: 'a' });
  assert.deepEqual(
    modes.map(({ labels, value }) => [labels['mode'], value]),
    [
      ['normal', 0],
      ['maintenance', 1],
      ['observe', 0],
    ],
  );
  assert.equal(valueIn(await web.scrape(), 'carp_group_mode', { node: 'b', mode: 'normal' }), 1);
  assert.equal(valueIn(await web.scrape(), 'carp_group_healthy', { node: 'a' }), 1);
  assert.equal(valueIn(await web.scrape(), 'carp_group_role', { node: 'b', role: 'MASTER' }), 1);
});

test('a host that was switched off is not healthy, and the answer says which group and why', async (t) => {
  const { sim, scraper: web } = await pair(t);
  await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
  const { status, body } = await web.health();
  assert.equal(status, 503);
  const why = 'the simulated host was switched off';
  const failures = [{ node: 'b', group: 'plant', role: 'STOPPED', why }];
  assert.deepEqual(body, { status: 'failing', groups: 2, failing: 1, failures });
  assert.equal(valueIn(await web.scrape(), 'carp_group_healthy', { node: 'b' }), 0);
  assert.equal((await web.health('?node=a')).status, 200);
  assert.equal((await web.health('?group=plant&node=b')).status, 503);
});

test('only the MASTER of a group says yes to ?master=, and a typing mistake never means yes', async (t) => {
  const { sim, scraper: web } = await pair(t);
  assert.deepEqual(await web.health('?master=plant'), {
    status: 200,
    body: { status: 'ok', node: 'a', group: 'plant', role: 'MASTER' },
  });
  assert.equal((await web.health('?master=plant&node=a')).status, 200);
  assert.deepEqual(await web.health('?master=plant&node=b'), {
    status: 503,
    body: { status: 'failing', node: 'b', group: 'plant', role: 'BACKUP' },
  });
  assert.equal((await web.health('?master=plnat')).status, 404);
  assert.equal((await web.health('?master=')).status, 404);
  assert.equal((await web.health('?mastr=plant')).status, 400);
  await sim.answer(sim.agent.handOver({ node: 'a', group: 'plant' }));
  assert.equal((await web.health('?master=plant&node=a')).status, 503);
  assert.equal((await web.health('?master=plant&node=b')).status, 200);
});

test('an agent whose owner hangs is not healthy until it answers again', async (t) => {
  const web = scraper();
  const sim = simulatedAgent({ serveMetrics: web.serve });
  t.after(() => sim.answer(sim.agent.stop()));
  const hosts = [configOf('a', [groupText('plant')])];
  await sim.answer(sim.agent.configure({ state: stateFolder(t), hosts, stallTimeout: 1, metrics: ADDRESS }));
  for (let beat = 0; beat < 8; beat += 1) {
    sim.agent.heartbeat();
    await sim.pass(500);
  }
  assert.equal((await web.health()).status, 200);
  await sim.pass(1200);
  const { status, body } = await web.health();
  assert.equal(status, 503);
  assert.match(JSON.stringify(body), /the process that owns the agent does not answer/);
  // It is the only host, and MASTER as a last resort: that is still told to whoever asks who is MASTER.
  assert.equal((await web.health('?master=plant')).status, 200);
  sim.agent.heartbeat();
  await sim.pass(1);
  assert.equal((await web.health()).status, 200);
});

test('an agent that says farewell is not healthy any more, and then answers nobody', async (t) => {
  const { sim, scraper: web } = await pair(t);
  const stopping = sim.agent.stop();
  const asked = web.health();
  await sim.answer(stopping);
  const { status, body } = await asked;
  assert.equal(status, 503);
  assert.match(JSON.stringify(body), /about to stop/);
  assert.deepEqual(web.log, ['open 127.0.0.1 9112', 'close 127.0.0.1 9112']);
  await assert.rejects(web.get('/metrics'), /nobody listens/);
});

test('who asks often is told the same, unless something has happened', async (t) => {
  const { sim, scraper: web } = await pair(t);
  const first = (await web.get('/metrics')).body;
  assert.equal((await web.get('/metrics')).body, first);
  await sim.pass(READING_MS_MAX);
  assert.notEqual((await web.get('/metrics')).body, first);
  const second = (await web.get('/metrics')).body;
  await sim.answer(sim.agent.simulate({ node: 'b', action: 'crash' }));
  assert.notEqual((await web.get('/metrics')).body, second);
});

test('neither passwords nor what they are made into are on any page', async (t) => {
  const { scraper: web } = await pair(t);
  for (const path of ['/metrics', '/healthz', '/healthz?master=plant', '/', '/nowhere'])
    assert.ok(
      !Buffer.from((await web.get(path)).body)
        .toString()
        .includes(SECRET),
      path,
    );
  assert.equal((await web.get('/')).status, 200);
  assert.equal((await web.get('/nowhere')).status, 404);
  assert.equal((await web.get('/metrics/')).status, 404);
});

const state = '/nonexistent/state';

test('a group without an environment is a problem with a code, and not healthy', async () => {
  const web = scraper();
  const { agent, world } = stage({ serveMetrics: web.serve });
  world.refused.set('lab', new CarpError('CARP_NO_PERMISSION', 'not permitted', { remedy: 'sudo' }));
  const lab = groupText('lab', { vhid: 11, addresses: [] });
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant'), lab], { metrics: ADDRESS })] });
  const families = await web.scrape();
  assert.deepEqual(
    samplesOf(families, 'carp_group_problem').map(({ labels }) => labels),
    [{ node: 'a', group: 'lab', code: 'CARP_NO_PERMISSION' }],
  );
  assert.equal(valueIn(families, 'carp_group_healthy', { group: 'lab' }), 0);
  const { status, body } = await web.health();
  assert.deepEqual([status, body['failing']], [503, 1]);
  assert.match(JSON.stringify(body), /"group":"lab","role":"INIT","why":"not permitted"/);
});

test('how a host stands with its broker is told, and nothing of hosts that have none', async () => {
  const web = scraper();
  const broker = { broker: 'mqtt://192.0.2.1:1883', connected: true, queued: 3, dropped: 7, troubles: [] };
  const createPublisher = () => ({ status: () => broker, close: async () => undefined, kill: () => undefined });
  const { agent } = stage({ serveMetrics: web.serve, createPublisher });
  const mqtt = { url: 'mqtt://192.0.2.1' };
  const hosts = [configOf('a', [groupText('plant')], { mqtt, metrics: ADDRESS }), configOf('b', [groupText('plant')])];
  await agent.configure({ state, hosts });
  const families = await web.scrape();
  assert.equal(valueIn(families, 'carp_mqtt_connected'), 1);
  assert.equal(valueIn(families, 'carp_mqtt_queue_length', { node: 'a' }), 3);
  assert.equal(valueIn(families, 'carp_mqtt_queue_dropped_total', { node: 'a' }), 7);
  // The election does not depend on it, and neither does health.
  broker.connected = false;
  await agent.configure({ state, hosts });
  assert.equal(valueIn(await web.scrape(), 'carp_mqtt_connected', { node: 'a' }), 0);
  assert.equal((await web.health()).status, 200);
});

test('nothing is served without the setting; it can come, move, stay and go with each configuration', async () => {
  const web = scraper();
  const { agent } = stage({ serveMetrics: web.serve });
  const run = (metrics?: object) =>
    agent.configure({ state, hosts: [configOf('a', [groupText('plant')], metrics === undefined ? {} : { metrics })] });
  await run();
  assert.deepEqual(web.log, []);
  await run({ port: 9112 });
  await run({ port: 9112, address: '127.0.0.1' });
  assert.deepEqual(web.log.splice(0), ['open 127.0.0.1 9112']);
  await run({ port: 9113, address: '::1' });
  assert.deepEqual(web.log.splice(0), ['close 127.0.0.1 9112', 'open ::1 9113']);
  await run();
  assert.deepEqual(web.log.splice(0), ['close ::1 9113']);
});

test('a port that is taken is one line, and is tried again until it is free; the groups run', async () => {
  const web = scraper();
  web.failure = new CarpError('CARP_FAILED', 'http://127.0.0.1:9112: another program has this port', {
    remedy: 'choose another `port`',
  });
  const { agent, hosts, logged, scheduler } = stage({ serveMetrics: web.serve });
  const pass = (ms: number): void => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.flush();
  };
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')], { metrics: ADDRESS })] });
  pass(3 * LISTEN_RETRY_MS);
  assert.equal(web.log.length, 4);
  assert.deepEqual(hosts[0]?.applied, [['plant']]);
  const told = (): readonly string[] => logged.filter((line) => line.includes('metrics'));
  assert.deepEqual(told(), [
    '["error","no metrics: http://127.0.0.1:9112: another program has this port; choose another `port` (tried again every 5 s)",null]',
  ]);
  web.failure = undefined;
  pass(LISTEN_RETRY_MS);
  assert.equal(web.log.at(-1), 'open 127.0.0.1 9112');
  assert.match(told()[1] ?? '', /"warn","metrics are served on 127\.0\.0\.1, port 9112"/);
  assert.equal(told().length, 2);
});

test('hosts of one agent share an address: the first one counts, and another one is refused by name', async () => {
  const web = scraper();
  const { agent, hosts, logged } = stage({ serveMetrics: web.serve });
  const all = [
    configOf('a', [groupText('plant')], { metrics: ADDRESS }),
    configOf('b', [groupText('plant')], { metrics: ADDRESS }),
    configOf('c', [groupText('plant')], { metrics: { port: 9113 } }),
  ];
  await agent.configure({ state, hosts: all });
  assert.deepEqual(web.log, ['open 127.0.0.1 9112']);
  assert.equal(hosts.length, 3);
  const refused = logged.filter((line) => line.startsWith('["error"'));
  assert.equal(refused.length, 1);
  assert.match(
    refused[0] ?? '',
    /no metrics on 127\.0\.0\.1, port 9113, for node c: .*node a has named 127\.0\.0\.1, port 9112/,
  );
  // What the owner of the agent says comes first.
  await agent.configure({ state, hosts: all, metrics: { address: '::1', port: 9114 } });
  assert.equal(web.log.at(-1), 'open ::1 9114');
});

test('a defect in a page costs that page and no address', async () => {
  const web = scraper();
  const { agent, hosts, logged } = stage({ serveMetrics: web.serve });
  await agent.configure({ state, hosts: [configOf('a', [groupText('plant')], { metrics: ADDRESS })] });
  const [host] = hosts;
  if (host === undefined) throw new Error('no host');
  host.status = () => {
    throw new Error('broken');
  };
  assert.equal((await web.get('/metrics')).status, 500);
  assert.ok(logged.some((line) => line.includes('defect in metrics')));
});

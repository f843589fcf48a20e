/** The routes of the editor, on a registry whose agent only notes what it is told. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';
import type { NodeAPI } from 'node-red';
import { of, Subject, VirtualTimeScheduler } from 'rxjs';
import { changeNumbers, registerAdmin } from '../../nodes/admin.ts';
import type { SidebarStatus } from '../../nodes/admin-api.ts';
import { CarpError } from '../../src/ports/error.ts';
import { type FakeAgents, fakeAgents, group, helper, nodesOn, registryFor, tab, until } from './fakes.ts';

interface Response {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly text: string;
}
interface Request extends Promise<Response> {
  readonly send: (body: string | object) => Request;
  readonly type: (type: string) => Request;
}
const http = (): { readonly get: (path: string) => Request; readonly post: (path: string) => Request } =>
  (helper as unknown as { readonly request: () => ReturnType<typeof http> }).request();

const SECRET = 'do not tell this 19';

describe('the admin routes', () => {
  let agents: FakeAgents;
  let permissions: string[] = [];
  const published: { readonly topic: string; readonly data: unknown }[] = [];
  let end = (): void => undefined;
  let changes = 0;

  const load = async (...groups: readonly object[]): Promise<void> => {
    agents = fakeAgents();
    const registryOf = registryFor(agents);
    changes = 0;
    const admin = (RED: NodeAPI): void => {
      const auth = {
        needsPermission: (permission: string) => {
          permissions.push(permission);
          return (_request: unknown, _response: unknown, next: () => void) => next();
        },
      };
      const comms = { publish: (topic: string, data: unknown) => void published.push({ topic, data }) };
      end = registerAdmin({ httpAdmin: RED.httpAdmin, auth, comms } as never, registryOf(RED), { statusMs: 50 });
      registryOf(RED).changes$.subscribe(() => changes++);
    };
    await helper.load([...nodesOn(registryOf), admin], [tab, ...groups], { g: { passphrase: SECRET } });
    if (groups.length > 0) await until(() => agents.forked.length === 1, 'the agent');
  };

  beforeEach(async () => {
    permissions = [];
    published.length = 0;
    await new Promise<void>((resolve) => {
      helper.startServer(resolve);
    });
  });
  afterEach(async () => {
    end();
    await helper.unload();
    await new Promise<void>((resolve) => {
      helper.stopServer(resolve);
    });
  });

  test('reading and changing need different permissions', async () => {
    await load();
    assert.deepEqual([...new Set(permissions)].sort(), ['carp.read', 'carp.write']);
  });

  test('without a group the status is an empty list', async () => {
    await load();
    const { status, body } = await http().get('/carp/status');
    assert.deepEqual([status, body['groups']], [200, []]);
    assert.ok(Date.parse(String(body['at'])) > 0);
  });

  test('a group is shown with its settings and its last event, and without its passphrase', async () => {
    await load(group());
    agents.own().tell({ node: 'rpi1', group: 'plant' }, 'MASTER');
    const { text } = await http().get('/carp/status');
    const { groups } = JSON.parse(text) as SidebarStatus;
    assert.deepEqual(
      groups.map(({ id, node, view, settings }) => [id, node, view.event?.role, settings?.vhid]),
      [['g', 'rpi1', 'MASTER', 10]],
    );
    assert.ok(!text.includes(SECRET));
  });

  test('an agent that never answers keeps nobody waiting', async () => {
    await load(group());
    agents.own().status = () => new Promise(() => undefined);
    const { status, body } = await http().get('/carp/status');
    assert.equal(status, 200);
    assert.equal((body as unknown as SidebarStatus).groups[0]?.status, undefined);
  });

  test('the interfaces of the host are listed', async () => {
    await load();
    const { status, body } = await http().get('/carp/interfaces');
    assert.equal(status, 200);
    assert.ok(Array.isArray(body['interfaces']));
  });

  test('a hand-over is passed on, and the answer is its receipt', async () => {
    await load(group());
    const { status, body } = await http().post('/carp/hand-over').send({ id: 'g', force: true });
    assert.deepEqual([status, body], [200, { address: '192.0.2.12', afterMs: 7 }]);
    assert.deepEqual(agents.own().commands, [{ node: 'rpi1', group: 'plant', force: true }]);
  });

  test('maintenance is that of the group, or of the host where that is said', async () => {
    await load(group());
    await http().post('/carp/maintenance').send({ id: 'g', on: true });
    await http().post('/carp/maintenance').send({ id: 'g', on: false, scope: 'host' });
    assert.deepEqual(agents.own().commands, [
      { maintenance: { on: true, node: 'rpi1', group: 'plant' } },
      { maintenance: { on: false, node: 'rpi1' } },
    ]);
  });

  test('observing is that of the group, or of the host where that is said', async () => {
    await load(group());
    const { status, body } = await http().post('/carp/observe').send({ id: 'g', on: true });
    await http().post('/carp/observe').send({ id: 'g', on: false, scope: 'host' });
    assert.deepEqual([status, body], [200, { node: 'rpi1', changed: true, groups: [] }]);
    assert.deepEqual(agents.own().commands, [
      { observe: { on: true, node: 'rpi1', group: 'plant' } },
      { observe: { on: false, node: 'rpi1' } },
    ]);
  });

  for (const body of [{ id: 'g' }, { id: 'g', on: 'on' }, { id: 'g', on: true, scope: 'all' }])
    test(`an order to observe with ${JSON.stringify(body)} is refused, and nothing happens`, async () => {
      await load(group());
      const answer = await http().post('/carp/observe').send(body);
      assert.deepEqual([answer.status, answer.body['code']], [400, 'CARP_BAD_REQUEST']);
      assert.deepEqual(agents.own().commands, []);
    });

  test('an entry of the ledger is taken back by its reason', async () => {
    await load(group());
    await http().post('/carp/restore').send({ id: 'g', reason: 'flow' });
    assert.deepEqual(agents.own().commands, [{ restore: { reason: 'flow', node: 'rpi1', group: 'plant' } }]);
  });

  test('what fails is told with code, message and remedy', async () => {
    await load(group());
    agents.own().failure = new CarpError('CARP_NOBODY', 'nobody took over', { remedy: 'use force' });
    const failed = await http().post('/carp/hand-over').send({ id: 'g' });
    assert.deepEqual(
      [failed.status, failed.body],
      [409, { code: 'CARP_NOBODY', message: 'nobody took over', remedy: 'use force' }],
    );
    const unknown = await http().post('/carp/hand-over').send({ id: 'no such node' });
    assert.deepEqual([unknown.status, unknown.body['code']], [404, 'CARP_NO_GROUP']);
  });

  for (const [what, body] of [
    ['no id', {}],
    ['an id that is no text', { id: 7 }],
    ['an id without end', { id: 'x'.repeat(256) }],
    ['a field that it does not know', { id: 'g', toString: 1 }],
    ['a list', []],
    ['force that is no truth value', { id: 'g', force: 'yes' }],
  ] as const)
    test(`a body with ${what} is refused, and nothing happens`, async () => {
      await load(group());
      const { status, body: answer } = await http().post('/carp/hand-over').send(body);
      assert.deepEqual([status, answer['code']], [400, 'CARP_BAD_REQUEST']);
      assert.equal(typeof answer['remedy'], 'string');
      assert.deepEqual(agents.own().commands, []);
    });

  test('a form of another page is refused, although its fields are right', async () => {
    await load(group());
    const { status } = await http().post('/carp/hand-over').type('form').send('id=g');
    assert.equal(status, 415);
    assert.deepEqual(agents.own().commands, []);
  });

  test('nothing is changed by a GET', async () => {
    await load(group());
    for (const path of ['hand-over', 'maintenance', 'observe', 'restore'])
      assert.equal((await http().get(`/carp/${path}?id=g&on=true`)).status, 404);
    assert.deepEqual(agents.own().commands, []);
  });

  test('editors hear that something changed, and not what', async () => {
    await load(group());
    agents.own().tell({ node: 'rpi1', group: 'plant' }, 'MASTER');
    await until(() => published.length > 0, 'news');
    for (const { topic, data } of published) {
      assert.equal(topic, 'carp/changed');
      assert.deepEqual(Object.keys(data as object), ['change']);
    }
  });

  test('a diagnosis of a peer is a change, although no role is another', async () => {
    await load(group());
    const before = changes;
    agents.own().findings$.next({
      event: 'auth-mismatch',
      ...{ group: 'plant', interface: 'eth0', vhid: 10, node: 'rpi1', at: '2026-11-22T12:00:00.123Z' },
      ...{ source: '192.0.2.13', kind: 'unknown', detail: 'signs with another password', remedy: 'compare passwords' },
    });
    assert.equal(changes, before + 1);
  });
});

describe('the news of changes', () => {
  const timesOf = (changesAt: readonly number[]): readonly number[] => {
    const scheduler = new VirtualTimeScheduler();
    const changes$ = new Subject<void>();
    const times: number[] = [];
    changeNumbers(changes$, scheduler).subscribe(() => times.push(scheduler.now()));
    for (const at of changesAt) scheduler.schedule(() => changes$.next(), at);
    scheduler.flush();
    return times;
  };

  test('are at most two a second, however much happens, and the last change is told', () => {
    const many = Array.from({ length: 200 }, (_, i) => i * 10);
    const times = timesOf(many);
    assert.deepEqual(times, [0, 500, 1000, 1500, 2000]);
  });

  test('come at once after a silence', () => {
    assert.deepEqual(timesOf([0, 5000]), [0, 5000]);
  });

  test('have a number that grows', () => {
    const numbers: number[] = [];
    changeNumbers(of(undefined), new VirtualTimeScheduler()).subscribe((number) => numbers.push(number));
    assert.deepEqual(numbers, [1]);
  });
});

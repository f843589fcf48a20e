import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Subject } from 'rxjs';
import type { Agent } from '../../src/agent/agent.ts';
import { connectService, connectSocket } from '../../src/agent/client.ts';
import { UNREAD_BYTES_MAX } from '../../src/agent/line-connection.ts';
import { MESSAGE_BYTES_MAX } from '../../src/agent/rpc.ts';
import { CONNECTIONS_MAX, listenOnSocket } from '../../src/agent/socket-server.ts';
import type { CarpEvent } from '../../src/engine/status.ts';
import { Child } from '../support/child.ts';
import { until } from '../support/wait.ts';
import { eventOf, idleAgent } from './fakes.ts';

const folder = mkdtempSync(join(tmpdir(), 'carp-socket-'));
const closers: (() => Promise<void>)[] = [];
after(() => Promise.all(closers.map((close) => close())));
after(() => rmSync(folder, { recursive: true, force: true }));
let sockets = 0;

interface Answer {
  readonly id?: unknown;
  readonly result?: unknown;
  readonly method?: string;
  readonly error?: { readonly code: number; readonly message: string; readonly data?: { readonly code: string } };
}

/** A client that writes what it likes. */
class Raw {
  readonly socket: Socket;
  closed = false;
  #text = '';

  constructor(path: string) {
    this.socket = createConnection(path);
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
    });
    this.socket.setEncoding('utf8').on('data', (text) => {
      this.#text += text;
    });
  }

  get answers(): readonly Answer[] {
    return this.#text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  async ask(line: string): Promise<Answer> {
    const before = this.answers.length;
    this.socket.write(`${line}\n`);
    return until(`an answer to ${line.slice(0, 60)}`, 2000, () => this.answers[before]);
  }
}

const request = (method: string, params?: unknown, id: unknown = 1): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params });

interface Served {
  readonly path: string;
  readonly logged: string[];
  readonly close: () => Promise<void>;
}

const serving = async (agent: Agent = idleAgent(), name?: string): Promise<Served> => {
  sockets += 1;
  const path = name ?? join(folder, `${sockets}`, 'agent.sock');
  const logged: string[] = [];
  const server = await listenOnSocket({ path, agent, log: (level, message) => logged.push(`${level} ${message}`) });
  closers.push(server.close);
  return { path, logged, close: server.close };
};

test('the socket is made with its folder, for owner and group alone, and is removed at the end', async () => {
  const { path, close } = await serving();
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal(statSync(join(path, '..')).mode & 0o777, 0o755);
  await close();
  assert.equal(existsSync(path), false);
});

test('garbage, half messages and unknown methods are answered with the errors of JSON-RPC', async () => {
  const { path, close } = await serving();
  const client = new Raw(path);
  assert.equal((await client.ask('{"jsonrpc": garbage')).error?.code, -32700);
  assert.equal((await client.ask('42')).error?.code, -32600);
  assert.equal((await client.ask('[]')).error?.code, -32600);
  assert.equal((await client.ask('{"jsonrpc":"2.0","method":"info","id":null}')).error?.code, -32600);
  assert.equal((await client.ask('{"jsonrpc":"2.0","method":"info","id":{}}')).error?.code, -32600);
  assert.equal((await client.ask('{"jsonrpc":"1.0","method":"info","id":1}')).error?.code, -32600);
  assert.equal((await client.ask(request('no-such-method'))).error?.code, -32601);
  // Nothing of this has an answer: notifications never have.
  client.socket.write(
    '{"jsonrpc":"2.0","method":"$/cancelRequest"}\n{"jsonrpc":"2.0","method":"event","params":{}}\n\n',
  );
  const answer = await client.ask(request('info', undefined, 'still there?'));
  assert.equal(answer.id, 'still there?');
  assert.deepEqual(answer.result, { version: '0.0.0', pid: process.pid, nodes: ['a'] });
  client.socket.destroy();
  await close();
});

test('parameters are checked before they are used', async () => {
  const asked: unknown[] = [];
  const handOver: Agent['handOver'] = async (params) => {
    asked.push(params);
    return { address: '192.0.2.12', afterMs: 7 };
  };
  const { path, close } = await serving(idleAgent({ handOver }));
  const client = new Raw(path);
  for (const params of [
    undefined,
    {},
    { node: 'a' },
    { node: 'a', group: 1 },
    { node: 'a', group: 'g', x: 1 },
    ['a', 'g'],
  ]) {
    const { error } = await client.ask(request('hand-over', params));
    assert.equal(error?.code, -32602, JSON.stringify(params));
  }
  assert.deepEqual(asked, []);
  const { result } = await client.ask(request('hand-over', { node: 'a', group: 'plant', force: true }));
  assert.deepEqual(result, { address: '192.0.2.12', afterMs: 7 });
  assert.deepEqual(asked, [{ node: 'a', group: 'plant', force: true }]);
  client.socket.destroy();
  await close();
});

test('who comes over the socket cannot configure or stop the agent', async () => {
  const called: string[] = [];
  const note = (name: string) => async (): Promise<void> => void called.push(name);
  const { path, close } = await serving(idleAgent({ configure: note('configure'), stop: note('stop') }));
  const client = new Raw(path);
  const configured = await client.ask(request('configure', { state: '/tmp', hosts: [] }));
  const stopped = await client.ask(request('stop'));
  assert.equal(configured.error?.data?.code, 'CARP_NO_PERMISSION');
  assert.equal(stopped.error?.data?.code, 'CARP_NO_PERMISSION');
  assert.deepEqual(called, []);
  client.socket.destroy();
  await close();
});

test('a message that is too long ends its connection, with one log line, and no other connection', async () => {
  const { path, logged, close } = await serving();
  const [loud, quiet] = [new Raw(path), new Raw(path)];
  const exact = request(
    'info',
    undefined,
    'x'.repeat(MESSAGE_BYTES_MAX - Buffer.byteLength(request('info', undefined, ''))),
  );
  assert.equal(Buffer.byteLength(exact), MESSAGE_BYTES_MAX);
  assert.ok((await loud.ask(exact)).result);
  loud.socket.write('y'.repeat(MESSAGE_BYTES_MAX + 1));
  await until('the end of the connection', 2000, () => loud.closed);
  assert.equal(logged.length, 1);
  assert.match(logged[0] ?? '', /longer than 1048576 bytes/);
  assert.ok((await quiet.ask(request('info'))).result);
  quiet.socket.destroy();
  await close();
});

test('a client that does not read is disconnected before its messages fill the memory', async () => {
  const events$ = new Subject<CarpEvent>();
  const { path, logged, close } = await serving(idleAgent({ events$ }));
  const client = new Raw(path);
  await client.ask(request('subscribe'));
  client.socket.pause();
  const event = eventOf('a', 'plant', { detail: 'z'.repeat(10_000) });
  let sent = 0;
  await until('the end of the connection', 5000, () => {
    for (let i = 0; i < 50; i += 1) events$.next(event);
    sent += 50 * 10_000;
    return logged.length > 0;
  });
  assert.match(logged[0] ?? '', new RegExp(`more than ${UNREAD_BYTES_MAX} bytes were left unread`));
  assert.ok(sent < 3 * UNREAD_BYTES_MAX, `${sent} bytes`);
  for (let i = 0; i < 50; i += 1) events$.next(event);
  assert.equal(logged.length, 1);
  await until('the end of its subscription', 2000, () => !events$.observed);
  client.socket.destroy();
  await close();
});

test('thousands of requests at once are all answered, in order', async () => {
  const { path, close } = await serving();
  const client = new Raw(path);
  const count = 5000;
  client.socket.write(Array.from({ length: count }, (_, id) => `${request('info', undefined, id)}\n`).join(''));
  await until('all answers', 10_000, () => client.answers.length === count);
  assert.deepEqual(
    client.answers.map(({ id }) => id),
    Array.from({ length: count }, (_, id) => id),
  );
  client.socket.destroy();
  await close();
});

test('sixty-four clients are served, and the next one is told why it is not', async () => {
  const { path, close } = await serving();
  const clients = Array.from({ length: CONNECTIONS_MAX }, () => new Raw(path));
  for (const client of clients) assert.ok((await client.ask(request('info'))).result);
  const late = new Raw(path);
  await until('the refusal', 2000, () => late.closed);
  assert.match(late.answers[0]?.error?.message ?? '', /64 connections/);
  clients[0]?.socket.destroy();
  const next = await until('a place', 2000, async () => {
    const client = await connectSocket(path);
    return client
      .info()
      .finally(client.close)
      .catch(() => undefined);
  });
  assert.deepEqual(next.nodes, ['a']);
  for (const client of clients) client.socket.destroy();
  await close();
});

test('a socket on which an agent answers is not taken over', async () => {
  const { path, close } = await serving();
  await assert.rejects(serving(idleAgent(), path), { code: 'CARP_DUPLICATE' });
  const client = await connectSocket(path);
  assert.deepEqual((await client.info()).nodes, ['a']);
  client.close();
  await close();
});

test('the socket of an agent that was killed is replaced, and a file that is no socket is not', async () => {
  const path = join(folder, 'dead.sock');
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('ready'))`;
  const owner = new Child('owner', [process.execPath, '-e', script]);
  await owner.untilLine(/ready/, 5000);
  await owner.stop('SIGKILL');
  assert.ok(existsSync(path));
  const { close } = await serving(idleAgent(), path);
  const client = await connectSocket(path);
  assert.deepEqual((await client.info()).nodes, ['a']);
  client.close();
  await close();

  const file = join(folder, 'notes.txt');
  writeFileSync(file, 'mine');
  await assert.rejects(serving(idleAgent(), file), /is there and is no socket/);
  assert.ok(existsSync(file));
});

test('a path that is too long for a socket is named as such, by the server and by clients', async () => {
  const path = join(folder, 'x'.repeat(108));
  await assert.rejects(serving(idleAgent(), path), /bytes, and the system allows 107/);
  await assert.rejects(connectSocket(path), { code: 'CARP_CONFIG' });
});

test('where no agent listens, a client says how to start one', async () => {
  await assert.rejects(
    connectSocket(join(folder, 'nobody.sock')),
    (error: Error & { code: string; remedy: string }) => {
      assert.equal(error.code, 'CARP_NO_AGENT');
      assert.match(error.remedy, /systemctl start carp/);
      return true;
    },
  );
});

test('a failure of the agent reaches the client with its code and its remedy', async () => {
  const { path, close } = await serving();
  const client = await connectSocket(path);
  await assert.rejects(client.handOver({ node: 'a', group: 'plant' }), {
    code: 'CARP_NOBODY',
    message: 'nobody took over',
    remedy: 'try --force',
  });
  client.close();
  await assert.rejects(client.info(), { code: 'CARP_NO_AGENT' });
  await close();
});

test('a request that is under way when the agent goes is refused, not left hanging', async () => {
  const { path, close } = await serving(idleAgent({ handOver: () => new Promise(() => undefined) }));
  const client = await connectSocket(path);
  const refused = assert.rejects(client.handOver({ node: 'a', group: 'plant' }), { code: 'CARP_NO_AGENT' });
  await client.info();
  await close();
  await refused;
});

test('a client of a service shows STOPPED while the service is away, and a snapshot when it is back', async () => {
  const problem = { code: 'CARP_ADDRESS', message: 'gone wrong' } as const;
  const first = await serving(idleAgent({ problems: () => [{ node: 'a', group: 'plant', problem }] }));
  const seen: string[] = [];
  const link = connectService({ path: first.path });
  link.events$.subscribe(({ event, role }) => seen.push(`${event} ${role}`));
  link.problems$.subscribe((notice) => seen.push(`problem ${notice.problem?.code ?? 'gone'}`));
  const states: string[] = [];
  link.state$.subscribe(({ state }) => states.push(state));
  await until('the first snapshot', 2000, () => states.at(-1) === 'running');
  assert.deepEqual(seen, ['snapshot BACKUP', 'problem CARP_ADDRESS']);

  await first.close();
  await until('the loss', 2000, () => states.at(-1) === 'failed');
  assert.deepEqual(seen.slice(2), ['transition STOPPED', 'problem CARP_NO_AGENT']);
  await assert.rejects(link.status(), { code: 'CARP_NO_AGENT' });

  const second = await serving(idleAgent(), first.path);
  await until('the return', 5000, () => states.at(-1) === 'running');
  assert.deepEqual(seen.slice(4), ['snapshot BACKUP', 'problem gone']);
  await link.stop();
  assert.equal(states.at(-1), 'stopped');
  await second.close();
});

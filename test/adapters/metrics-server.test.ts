import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Subscription } from 'rxjs';
import {
  CONNECTION_MS_MAX,
  CONNECTIONS_MAX,
  HEADER_BYTES_MAX,
  type Page,
  type PageRequest,
  serving,
} from '../../src/adapters/metrics/server.ts';
import { CarpError } from '../../src/ports/error.ts';
import { Child } from '../support/child.ts';
import { ask, freePort, get, hasIpv6, RawClient } from '../support/http-socket.ts';
import { until } from '../support/wait.ts';

const WAIT_MS = 15_000;
const HELLO: Page = { status: 200, type: 'text/plain', body: 'hello\n' };

interface Served {
  readonly port: number;
  readonly asked: PageRequest[];
  readonly running: Subscription;
}

const served = async (
  t: TestContext,
  pageOf: (request: PageRequest) => Page | Promise<Page> = () => HELLO,
  address = '127.0.0.1',
): Promise<Served> => {
  const port = await freePort(address);
  const asked: PageRequest[] = [];
  let listens = false;
  const running = serving({ address, port }, async (request) => {
    asked.push(request);
    return pageOf(request);
  }).subscribe(() => {
    listens = true;
  });
  t.after(() => running.unsubscribe());
  await until('the server to listen', WAIT_MS, () => listens);
  return { port, asked, running };
};

test('GET is answered with the page, its length and type, and the connection is closed', async (t) => {
  const { port, asked } = await served(t);
  const { status, headers, body } = await get(port, '/a/b?c=d%20e&f', 'Accept: text/plain\r\n');
  assert.deepEqual([status, body], [200, 'hello\n']);
  assert.equal(headers['content-type'], 'text/plain');
  assert.equal(headers['content-length'], '6');
  assert.equal(headers['connection'], 'close');
  assert.equal(headers['cache-control'], 'no-store');
  assert.deepEqual(
    asked.map(({ path, query, accept }) => [path, query.get('c'), query.has('f'), accept]),
    [['/a/b', 'd e', true, 'text/plain']],
  );
});

test('HTTP/1.0 without a host, as load balancers ask, is answered', async (t) => {
  const { port } = await served(t);
  const { status, body } = await ask(port, 'GET /healthz HTTP/1.0\r\n\r\n');
  assert.deepEqual([status, body], [200, 'hello\n']);
});

test('who leaves before the answer is there disturbs nobody', async (t) => {
  const made: (() => void)[] = [];
  const { port } = await served(t, () => new Promise<Page>((resolve) => void made.push(() => resolve(HELLO))));
  const leaving = new RawClient(port);
  leaving.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await until('the question', WAIT_MS, () => made.length === 1);
  leaving.socket.destroy();
  await leaving.untilClosed(WAIT_MS);
  const staying = get(port, '/');
  await until('another question', WAIT_MS, () => made.length === 2);
  for (const resolve of made) resolve();
  assert.equal((await staying).body, 'hello\n');
});

test('HEAD gets the headers of GET and nothing else', async (t) => {
  const { port } = await served(t);
  const { status, headers, body } = await ask(port, 'HEAD / HTTP/1.1\r\nHost: x\r\n\r\n');
  assert.deepEqual([status, headers['content-length'], body], [200, '6', '']);
});

test('other methods are refused, and say which are not', async (t) => {
  const { port, asked } = await served(t);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) {
    const { status, headers } = await ask(port, `${method} / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab`);
    assert.deepEqual([method, status, headers['allow']], [method, 405, 'GET, HEAD']);
  }
  assert.deepEqual(asked, []);
});

test('what is no HTTP, or has too long a header, is refused and asks nobody', async (t) => {
  const { port, asked } = await served(t);
  assert.equal((await ask(port, '\u0000\u0001\u0002 nonsense\r\n\r\n')).status, 400);
  const long = `GET / HTTP/1.1\r\nHost: x\r\nCookie: ${'x'.repeat(HEADER_BYTES_MAX)}\r\n\r\n`;
  assert.equal((await ask(port, long)).status, 431);
  assert.equal((await ask(port, 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n')).status, 405);
  // What begins like TLS never comes to the end of a header.
  assert.equal((await ask(port, '\u0016\u0003\u0001')).status, 400);
  assert.deepEqual(asked, []);
  assert.equal((await get(port, '/')).status, 200);
});

test('a target that is no path is one that nobody has, and a whole URL is its path', async (t) => {
  const { port, asked } = await served(t);
  await get(port, '//');
  await get(port, 'http://elsewhere/metrics?x=y');
  assert.deepEqual(
    asked.map(({ path }) => path),
    ['', '/metrics'],
  );
});

test('one connection asks once: a second request that comes along is not answered', async (t) => {
  const { port, asked } = await served(t);
  const request = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
  const client = new RawClient(port);
  // As many as are read at once: nothing of this process is to be spent on those that are not answered.
  client.say(request.repeat(2000));
  await client.untilClosed(WAIT_MS);
  assert.equal(client.received.match(/HTTP\/1\.1/g)?.length ?? 1, 1);
  assert.equal(asked.length, 1);
});

test('a request may come byte by byte, with a header in many forms, and end the side of who asks', async (t) => {
  const { port, asked } = await served(t);
  const client = new RawClient(port);
  await until('the connection', WAIT_MS, () => client.connected);
  client.socket.setNoDelay(true);
  for (const letter of 'GET /x HTTP/1.1\r\nACCEPT:a/b \r\nHost: x\r\naccept: c/d\r\n\r\n') {
    client.say(letter);
    await new Promise((resolve) => setImmediate(resolve));
  }
  client.socket.end();
  assert.equal((await client.reply()).body, 'hello\n');
  assert.deepEqual(
    asked.map(({ path, accept }) => [path, accept]),
    [['/x', 'a/b, c/d']],
  );
  const silent = new RawClient(port);
  silent.say('GET / HTTP/1.1\r\n');
  silent.socket.end();
  assert.equal((await silent.reply()).status || 0, 0);
});

test('of more connections than there may be the oldest give way, and whoever asks is answered', async (t) => {
  const { port } = await served(t);
  const idle = Array.from({ length: 4 * CONNECTIONS_MAX }, () => new RawClient(port));
  t.after(() => {
    for (const { socket } of idle) socket.destroy();
  });
  await until(
    'the oldest to be closed',
    WAIT_MS,
    () => idle.filter(({ closed }) => closed).length >= 3 * CONNECTIONS_MAX,
  );
  assert.equal((await get(port, '/')).body, 'hello\n');
  assert.equal(idle[0]?.closed, true);
  assert.ok(idle.filter(({ closed }) => !closed).length <= CONNECTIONS_MAX);
});

test('who asks slowly, or does not read the answer, is cut off in time', async (t) => {
  const { port } = await served(t, () => ({ ...HELLO, body: Buffer.alloc(64 * 1024 * 1024, 'x') }));
  const silent = new RawClient(port);
  const dripping = new RawClient(port);
  dripping.say('GET / HT');
  const deaf = new RawClient(port);
  deaf.socket.pause();
  deaf.say('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  const begun = performance.now();
  await Promise.all([silent.untilClosed(4 * CONNECTION_MS_MAX), dripping.untilClosed(4 * CONNECTION_MS_MAX)]);
  assert.ok(performance.now() - begun >= CONNECTION_MS_MAX - 100);
  // A reset may reach a paused socket only when it reads on.
  deaf.socket.resume();
  await deaf.untilClosed(WAIT_MS);
  assert.ok(deaf.received.length < 64 * 1024 * 1024);
});

test('an end cuts all connections, and the port is free at once', async (t) => {
  const { port, running } = await served(t);
  const idle = new RawClient(port);
  await until('a connection', WAIT_MS, () => !idle.socket.connecting);
  running.unsubscribe();
  await idle.untilClosed(WAIT_MS);
  const next = createServer().listen(port, '127.0.0.1');
  await once(next, 'listening');
  next.close();
});

test('an IPv6 address is served', async (t) => {
  if (!(await hasIpv6())) return t.skip('needs ::1 on this machine');
  const { port } = await served(t, () => HELLO, '::1');
  assert.equal((await get(port, '/', '', '::1')).body, 'hello\n');
});

const failureOf = (address: string, port: number): Promise<unknown> =>
  new Promise((resolve) => {
    serving({ address, port }, async () => HELLO).subscribe({ error: resolve });
  });

test('what is in the way of listening is told, with what to do', async (t) => {
  const { port } = await served(t);
  const taken = await failureOf('127.0.0.1', port);
  assert.ok(taken instanceof CarpError);
  assert.equal(taken.message, `http://127.0.0.1:${port}: another program has this port`);
  assert.match(taken.remedy ?? '', /another `port`/);
  const strange = await failureOf('203.0.113.77', port);
  assert.ok(strange instanceof CarpError);
  assert.match(strange.message, /does not have the address/);
});

const SCRIPT = `
import { createConnection } from 'node:net';
const { serving } = await import(process.argv[1]);
const port = Number(process.argv[2]);
const meanwhile = setInterval(() => undefined, 1000);
serving({ address: '127.0.0.1', port }, async () => ({ status: 200, type: 'text/plain', body: 'x' })).subscribe(() => {
  const client = createConnection(port, '127.0.0.1').once('connect', () => {
    client.unref();
    console.log('served');
    clearInterval(meanwhile);
  });
});
`;

test('a server with an open connection keeps no process alive', async (t) => {
  const module = fileURLToPath(new URL('../../src/adapters/metrics/server.js', import.meta.url));
  const port = await freePort();
  const argv = [process.execPath, '--input-type=module', '-e', SCRIPT, module, String(port)];
  const child = new Child('server', argv);
  t.after(() => child.stop('SIGKILL'));
  await child.untilLine(/served/, WAIT_MS);
  assert.equal((await child.untilExit(WAIT_MS)).code, 0);
});

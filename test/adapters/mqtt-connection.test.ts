import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, test } from 'node:test';
import { brokerName } from '../../src/adapters/mqtt/connection/connection.ts';
import { connectionFailure } from '../../src/adapters/mqtt/connection/connection-failure.ts';
import { parseEndpoint } from '../../src/adapters/mqtt/connection/endpoint.ts';
import { mqttFailure } from '../../src/adapters/mqtt/connection/problem.ts';
import { attemptTo, type Outcome } from '../support/mqtt-attempt.ts';
import { connack, disconnect, type ScriptedBroker, startScript } from '../support/mqtt-script.ts';
import { until } from '../support/wait.ts';
import { answers, freePort, needsMosquitto, startAedes, startMosquitto, type TestBroker } from './mqtt-brokers.ts';

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const scripted = async (answer: (socket: Socket) => void, host?: string): Promise<ScriptedBroker> => {
  const broker = await startScript(answer, host === undefined ? {} : { host });
  undo.push(broker.stop);
  return broker;
};
const urlOf = ({ port }: ScriptedBroker): string => `mqtt://127.0.0.1:${port}`;
const textOf = ({ failure }: Outcome): string => failure?.text ?? '';

describe('a URL', () => {
  test('of each kind is taken apart, with the usual port, and IPv6 without brackets', () => {
    for (const [url, protocol, host, port, path] of [
      ['mqtt://broker', 'mqtt', 'broker', 1883, '/'],
      ['mqtts://broker', 'mqtts', 'broker', 8883, '/'],
      ['ws://broker', 'ws', 'broker', 80, '/'],
      ['wss://broker/mqtt?token=x', 'wss', 'broker', 443, '/mqtt?token=x'],
      ['mqtts://[2001:db8::1]:8884', 'mqtts', '2001:db8::1', 8884, '/'],
      ['ws://[::1]:8080/a/b', 'ws', '::1', 8080, '/a/b'],
    ] as const)
      assert.deepEqual(parseEndpoint(url), {
        ...{ protocol, host, port, path },
        isTls: protocol.endsWith('s') && protocol !== 'ws',
      });
  });

  test('that leads to no broker is none', () => {
    for (const url of ['broker', 'broker:1883', 'http://broker', 'mqtt://', 'mqtt:///x', '', 'mqtt://a:99999'])
      assert.equal(parseEndpoint(url), undefined, url);
  });

  test('may hold a login, with its odd characters encoded or as they are', () => {
    const { username, password } = parseEndpoint('mqtt://a%40b:p%3Aw%2Fd%25@broker') ?? {};
    assert.deepEqual([username, password], ['a@b', 'p:w/d%']);
    assert.equal(parseEndpoint('mqtt://a:50%@broker')?.password, '50%');
  });

  test('is named in logs without login, path and query', () => {
    for (const [url, name] of [
      ['mqtt://user:hunter2@broker', 'mqtt://broker:1883'],
      ['wss://user:hunter2@[2001:db8::1]/hunter2?token=hunter2#hunter2', 'wss://[2001:db8::1]:443'],
      ['hunter2', 'the broker'],
    ] as const)
      assert.equal(brokerName(url), name);
  });
});

describe('a broker that refuses', () => {
  const LOGIN = /check mqtt\.username and mqtt\.passwordFile/;
  for (const [version, code, text] of [
    [4, 1, /^Unacceptable protocol version: set mqtt\.version to auto/],
    [4, 2, /^Identifier rejected: set mqtt\.clientId/],
    [4, 3, /^Server unavailable: it is tried again, less and less often/],
    [4, 4, LOGIN],
    [4, 5, LOGIN],
    [5, 0x80, /^Unspecified error: the log of the broker/],
    [5, 0x84, /^Unsupported protocol version: set mqtt\.version to auto/],
    [5, 0x85, /^Client identifier not valid: set mqtt\.clientId/],
    [5, 0x86, LOGIN],
    [5, 0x87, LOGIN],
    [5, 0x88, /^Server unavailable: it is tried again/],
    [5, 0x89, /^Server busy: it is tried again/],
    [5, 0x8a, /^Banned: ask the administrator/],
    [5, 0x95, /^Packet too large: raise the limits of the broker/],
    [5, 0x97, /^Quota exceeded: raise the limits of the broker for this user/],
    [5, 0x9f, /^Connection rate exceeded: it is tried again/],
    [5, 0xf3, /^the broker gives reason 243; its log says more$/],
  ] as const)
    test(`with ${code} in MQTT ${version === 5 ? '5' : '3.1.1'} is understood, with a remedy`, async () => {
      const broker = await scripted((socket) => socket.write(connack(version, code)));
      const { accepted, failure } = await attemptTo(urlOf(broker), {}, { version });
      assert.equal(accepted, false);
      assert.equal(failure?.code, code);
      assert.match(failure?.text ?? '', text);
    });

  test('and names another one is not followed: the name is shown, and what may be no name is not', async () => {
    for (const [code, reference, text] of [
      [
        0x9c,
        'other.example:8883',
        /^Use another server: .* into mqtt\.url as well \(the broker names other\.example:8883\)$/,
      ],
      [0x9d, '[2001:db8::1]:1883 b', /^Server moved: .* into mqtt\.url \(the broker names \[2001:db8::1\]:1883 b\)$/],
      [0x9d, 'a\u001b[2J', /into mqtt\.url$/],
    ] as const) {
      const broker = await scripted((socket) => socket.write(connack(5, code, reference)));
      assert.match(textOf(await attemptTo(urlOf(broker))), text);
      assert.equal(broker.connections(), 1);
    }
  });
});

describe('a broker that ends a connection', () => {
  for (const [code, text] of [
    [0x00, /^the broker ended the connection; its log says why$/],
    [0x81, /^Malformed packet: .* please report it/],
    [0x87, /^Not authorized: /],
    [0x8b, /^Server shutting down: it is tried again/],
    [0x8d, /^Keepalive timeout: .* raise mqtt\.keepalive$/],
    [0x8e, /^Session taken over: another client uses the same client id; .*mqtt\.clientId$/],
    [0x96, /^Message rate too high: /],
    [0x97, /^Quota exceeded: /],
    [0x98, /^Administrative action: .* ask its administrator$/],
    [0xa0, /^Maximum connect time: /],
  ] as const)
    test(`with 0x${code.toString(16).padStart(2, '0')} is understood, with a remedy`, async () => {
      const broker = await scripted((socket) => {
        socket.write(connack(5, 0));
        socket.end(disconnect(code));
      });
      const { accepted, failure } = await attemptTo(urlOf(broker), {}, { connected: () => undefined });
      assert.equal(accepted, true);
      assert.match(failure?.text ?? '', text);
    });

  test('because it moved says where to, and is not followed', async () => {
    const broker = await scripted((socket) => {
      socket.write(connack(5, 0));
      socket.end(disconnect(0x9d, 'new.example'));
    });
    const outcome = await attemptTo(urlOf(broker), {}, { connected: () => undefined });
    assert.match(textOf(outcome), /^Server moved: .* \(the broker names new\.example\)$/);
  });

  test('without a word is told from one that never accepted it', async () => {
    for (const end of ['end', 'resetAndDestroy'] as const) {
      const accepts = await scripted((socket) => {
        socket.write(connack(5, 0));
        setImmediate(() => socket[end]());
      });
      const lost = await attemptTo(urlOf(accepts), {}, { connected: () => undefined });
      assert.equal(lost.accepted, true);
      assert.match(
        textOf(lost),
        /^the broker (closed the connection without a reason|hung up \(ECONNRESET\)); its log says why/,
      );
      const refuses = await scripted((socket) => socket[end]());
      const { accepted, failure } = await attemptTo(urlOf(refuses));
      assert.equal(accepted, false);
      assert.match(failure?.text ?? '', /^the broker hung up without an answer; .* mqtt\.version: 3\.1\.1$/);
    }
  });
});

describe('somebody who is no broker', () => {
  test('and never answers is given up after the time for connecting', async () => {
    const broker = await scripted(() => undefined);
    const outcome = await attemptTo(urlOf(broker), {}, { timeoutMs: 300 });
    assert.deepEqual(outcome, {
      accepted: false,
      failure: {
        code: 'NO_ANSWER',
        text: 'the broker accepts connections, but did not answer within 0.3 s; does it hang, or is another service on that port?',
      },
    });
    const tls = await attemptTo(urlOf(broker).replace('mqtt:', 'mqtts:'), {}, { timeoutMs: 300 });
    assert.match(textOf(tls), /^the broker accepts connections, but did not begin TLS within 0\.3 s/);
    const web = await attemptTo(urlOf(broker).replace('mqtt:', 'ws:'), {}, { timeoutMs: 300 });
    assert.match(textOf(web), /^nobody answered within 0\.3 s; check the network, the port and the path in mqtt\.url/);
  });

  test('and speaks another protocol is told from a broker', async () => {
    const web = createServer((_request, response) => response.writeHead(404).end()).listen(0, '127.0.0.1');
    undo.push(
      () => web.closeAllConnections(),
      () => web.close(),
    );
    await until('the web server', 15_000, () => web.listening);
    const address = web.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    assert.match(textOf(await attemptTo(`mqtt://127.0.0.1:${port}`)), /^(the answer is not MQTT|the broker hung up)/);
    assert.deepEqual((await attemptTo(`ws://127.0.0.1:${port}/hunter2?token=hunter2`)).failure, {
      code: 'NO_WEBSOCKET',
      text: 'the web server answers 404 instead of opening a WebSocket; check the path in mqtt.url',
    });
    const ssh = await scripted((socket) => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'));
    assert.match(textOf(await attemptTo(urlOf(ssh))), /^the answer is not MQTT \(.*\); check the port and the path/);
  });

  test('is not there at all: the text names the port', async () => {
    const { failure } = await attemptTo(`mqtt://127.0.0.1:${await freePort()}`);
    assert.equal(failure?.code, 'ECONNREFUSED');
    assert.match(failure?.text ?? '', /nobody listens there .* is the port in mqtt\.url right\?$/);
  });

  test('does not even answer for TCP: that is the network, and not the broker', () => {
    const endpoint = parseEndpoint('mqtts://192.0.2.1');
    assert.ok(endpoint !== undefined);
    const about = { endpoint, timeoutMs: 10_000, keepalive: 5 };
    const { code, text } = connectionFailure(new Error('connack timeout'), about, { progress: 'begun' });
    assert.equal(code, 'ETIMEDOUT');
    assert.equal(text, 'the host did not answer within 10 s; check the network and the firewall of the broker');
  });

  test('has a name that DNS does not know, or an address without a way to it', () => {
    for (const [code, text] of [
      ['ENOTFOUND', /check the host name in mqtt\.url$/],
      ['EAI_AGAIN', /check DNS, or use an address in mqtt\.url$/],
      ['EHOSTUNREACH', /check the network$/],
      ['ENETUNREACH', /check the network$/],
      ['ETIMEDOUT', /check the network and the firewall of the broker$/],
    ] as const)
      assert.match(mqttFailure(Object.assign(new Error('getaddrinfo'), { code })).text, text);
  });
});

test('a broker that stops answering is noticed by the keepalive', async () => {
  const broker = await scripted((socket) => socket.write(connack(5, 0)));
  const outcome = await attemptTo(urlOf(broker), { keepalive: 1 }, { connected: () => undefined });
  assert.deepEqual(outcome, {
    accepted: true,
    failure: {
      code: 'KEEPALIVE',
      text: 'the broker stopped answering (keepalive 1 s); check the network, and whether the broker hangs',
    },
  });
});

describe('what is sent to the broker', () => {
  test('goes to an IPv6 address over mqtt:// and ws://, with the path and query of the URL', async () => {
    const raw = await scripted((socket) => socket.write(connack(5, 0)), '::1');
    assert.deepEqual(await attemptTo(`mqtt://[::1]:${raw.port}`), { accepted: true });
    const web = await scripted((socket) => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'), '::1');
    await attemptTo(`ws://name:hunter2@[::1]:${web.port}/mqtt/x?token=t%20k`);
    const request = web.received().toString('latin1');
    assert.match(request, /^GET \/mqtt\/x\?token=t%20k HTTP\/1\.1\r\n/);
    assert.match(request, /\r\nsec-websocket-protocol: mqtt\r\n/i);
    assert.doesNotMatch(request, /hunter2|authorization/i, 'the login is for the broker, not for the web server');
  });

  test('has the client id of the settings, whatever a query says', async () => {
    const broker = await scripted((socket) => socket.write(connack(5, 0)));
    await attemptTo(`${urlOf(broker)}?clientId=other`, {}, { clientId: 'carp-mine' });
    assert.match(broker.received().toString('latin1'), /carp-mine/);
    assert.doesNotMatch(broker.received().toString('latin1'), /other/);
  });

  test('is never a password without a name; the text says what to set', async () => {
    const broker = await scripted((socket) => socket.write(connack(5, 0)));
    assert.match(
      textOf(await attemptTo(urlOf(broker), { password: 'hunter2' })),
      /without a name; set mqtt\.username$/,
    );
    assert.equal(broker.connections(), 0);
  });

  test('over no TLS ignores what is set for it', async () => {
    const { url, stop } = await startAedes();
    undo.push(stop);
    const tls = { verify: true, caFile: '/no/such/file' };
    assert.deepEqual(await attemptTo(url, { tls }, { version: 4 }), { accepted: true });
  });
});

describe('a password', () => {
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'carp-login-'));
    undo.push(() => rmSync(made, { recursive: true }));
    return made;
  };

  test('that cannot be read is explained, and nobody is asked without it', async () => {
    const broker = await scripted((socket) => socket.write(connack(5, 0)));
    const at = folder();
    writeFileSync(join(at, 'large'), 'hunter2'.repeat(10_000));
    for (const [settings, text] of [
      [{ passwordFile: join(at, 'gone') }, /^cannot read mqtt\.passwordFile \(.*gone\): there is no such file; ls -l/],
      [{ passwordFile: at }, /^cannot read mqtt\.passwordFile \(.*\): it is not a file; ls -l/],
      [
        { passwordFile: join(at, 'large') },
        /^cannot read mqtt\.passwordFile \(.*large\): it has more than 65536 bytes/,
      ],
      [
        { passwordEnv: 'CARP_TEST_NOT_SET' },
        /variable CARP_TEST_NOT_SET \(mqtt\.passwordEnv\) is not set: set it where/,
      ],
    ] as const) {
      const outcome = await attemptTo(urlOf(broker), { username: 'carp', ...settings });
      assert.match(textOf(outcome), text);
      assert.doesNotMatch(textOf(outcome), /hunter2/);
    }
    assert.equal(broker.connections(), 0);
  });

  test('logs in from the settings, a file, a variable or the URL', { skip: needsMosquitto }, async () => {
    const user = { name: 'c@rp', password: 'p:w/rd% ä' };
    const broker = await startMosquitto({ user });
    undo.push(broker.stop);
    const passwordFile = join(folder(), 'password');
    writeFileSync(passwordFile, `\uFEFF${user.password}\r\nsecond line\n`);
    process.env['CARP_TEST_MQTT'] = user.password;
    undo.push(() => Reflect.deleteProperty(process.env, 'CARP_TEST_MQTT'));
    const encoded = `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}`;
    const withLogin = broker.url.replace('//', `//${encoded}@`);
    const username = user.name;
    for (const [url, settings] of [
      [broker.url, { username, password: user.password }],
      [broker.url, { username, passwordFile }],
      [broker.url, { username, passwordEnv: 'CARP_TEST_MQTT' }],
      [withLogin, {}],
      [withLogin.replace(/:[^:@]*@/, ':wrong@'), { passwordFile }],
      [withLogin.replace(/\/\/.*@/, '//other:wrong@'), { username, passwordFile }],
    ] as const)
      for (const version of [4, 5] as const)
        assert.deepEqual(await attemptTo(url, settings, { version }), { accepted: true });
    for (const [url, settings] of [
      [withLogin, { username: 'other' }],
      [withLogin.replace(/:[^:@]*@/, ':hunter2@'), {}],
      [broker.url, { username, password: 'hunter2' }],
      [broker.url, {}],
    ] as const)
      for (const version of [4, 5] as const) {
        const { accepted, failure } = await attemptTo(url, settings, { version });
        assert.equal(accepted, false);
        assert.match(
          failure?.text ?? '',
          /^(Not authorized|Bad username or password): check mqtt\.username and mqtt\.pass/,
        );
        assert.doesNotMatch(failure?.text ?? '', /hunter2/);
      }
  });
});

test('an alert of TLS has the same text, however the OpenSSL of this Node.js calls it', () => {
  const handshake = (message: string): Error => Object.assign(new Error(message), { code: 'EPROTO' });
  const coded = (code: string): Error => Object.assign(new Error('C0FE:error:0A000414:SSL routines'), { code });
  const REVOKED =
    /^the broker says that the certificate of this host \(mqtt\.tls\.certFile\) was revoked; get another$/;
  for (const [error, text] of [
    [coded('ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED'), REVOKED],
    [coded('ERR_SSL_SSL/TLS_ALERT_CERTIFICATE_REVOKED'), REVOKED],
    [handshake('write EPROTO 80EC:error:0A000414:SSL routines:x:y:z.c:1:SSL alert number 44\n'), REVOKED],
    [
      coded('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED'),
      /wants a certificate of this host; set mqtt\.tls\.certFile and/,
    ],
    [coded('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), /does not know the CA of the certificate of this host/],
    [
      coded('ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR'),
      /^the broker ended TLS with the alert internal error; its log says why$/,
    ],
    [coded('ERR_SSL_TLSV1_UNRECOGNIZED_NAME'), /does not know the server name; check mqtt\.tls\.serverName/],
    [handshake('write EPROTO 80EC:error:0A00010B:SSL routines:x:wrong version number:y'), /^the answer is not TLS; /],
    [coded('ERR_SSL_EE_KEY_TOO_SMALL'), /^a certificate or a key is too weak .* \(ERR_SSL_EE_KEY_TOO_SMALL\)$/],
    [handshake('write EPROTO'), /^the handshake of TLS failed; .* mqtt:\/\/ in mqtt\.url, and let both speak TLS 1\.2/],
  ] as const)
    assert.match(mqttFailure(error).text, text);
});

test('whatever comes as an error, nothing that was written into a URL is repeated', () => {
  for (const error of [
    new Error('Invalid URL: wss://user:hunter2@broker'),
    new Error('connect failed\n wss://user:hunter2@broker'),
    Object.assign(new Error('getaddrinfo ENOTFOUND hunter2'), { code: 'ENOTFOUND' }),
    Object.assign(new Error('mqtt://hunter2'), { code: 'ESOMETHING' }),
    'hunter2',
    { hunter2: 1 },
    undefined,
  ]) {
    const { text } = mqttFailure(error);
    assert.doesNotMatch(text, /hunter2/);
    assert.notEqual(text, '');
  }
});

describe('Mosquitto', { skip: needsMosquitto }, () => {
  const mosquitto = async (lines: readonly string[] = []): Promise<TestBroker> => {
    const broker = await startMosquitto({ lines });
    undo.push(broker.stop);
    return broker;
  };

  test('closes the connection of a client whose id another one takes, and the text says so', async () => {
    const { url } = await mosquitto();
    const first = attemptTo(url, {}, { connected: () => void attemptTo(url) });
    assert.match(textOf(await first), /another client uses the same client id/);
  });

  test('ends a connection for a packet that is too large, which is said', async () => {
    const { url } = await mosquitto(['max_packet_size 300']);
    const publish = {
      connected: (client: { publish: (topic: string, payload: string) => unknown }) =>
        client.publish('a', 'x'.repeat(400)),
    };
    assert.match(textOf(await attemptTo(url, {}, publish)), /^Packet too large: raise the limits of the broker/);
  });

  test('that has all the clients it may have is a broker that hangs up, not one with a wrong login', async () => {
    const { url } = await mosquitto(['max_connections 1']);
    let refused: Outcome | undefined;
    // Those that only looked whether it listens are counted in some way of its own.
    for (let count = 0; count < 5 && refused === undefined; count += 1)
      refused = await new Promise<Outcome | undefined>((resolve) => {
        const connected = (_client: unknown, cut: () => void): void => {
          undo.push(cut);
          resolve(undefined);
        };
        void attemptTo(url, {}, { clientId: `client-${count}`, connected }).then(resolve);
      });
    assert.equal(refused?.accepted, false);
    assert.match(refused?.failure?.text ?? '', /^the broker hung up without an answer; /);
  });

  test('speaks both versions over ws://, also with a path', async () => {
    const web = await freePort();
    await mosquitto([`listener ${web} 127.0.0.1`, 'socket_domain ipv4', 'protocol websockets']);
    await until('the listener for WebSockets', 15_000, () => answers(web));
    for (const version of [4, 5] as const)
      assert.deepEqual(await attemptTo(`ws://127.0.0.1:${web}/mqtt`, {}, { version }), { accepted: true });
  });

  test('gives no message to this host that is larger than it ever needs', async () => {
    const { url } = await mosquitto();
    let heard = '';
    await attemptTo(
      url,
      {},
      {
        connected: (client, cut) => {
          client.on('message', (topic) => {
            heard += topic;
            if (topic === 'end') cut();
          });
          client.subscribe('#', { qos: 1 }, () => {
            client.publish('large', 'x'.repeat(300_000), { qos: 1 });
            client.publish('end', 'x'.repeat(200_000), { qos: 1 });
          });
        },
      },
    );
    assert.equal(heard, 'end');
  });
});

import assert from 'node:assert/strict';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import type { MqttTlsSettings } from '../../src/adapters/mqtt/settings.ts';
import { attemptTo, type Outcome } from '../support/mqtt-attempt.ts';
import { connack, type ScriptedBroker, type ScriptOptions, startScript } from '../support/mqtt-script.ts';
import {
  createAuthority,
  type Issued,
  type IssueOptions,
  needsOpenssl,
  type TestAuthority,
  tlsLines,
} from '../support/mqtt-tls.ts';
import { until } from '../support/wait.ts';
import { answers, freePort, needsMosquitto, startMosquitto, type TestBroker } from './mqtt-brokers.ts';

const LOCALHOST = { name: 'localhost' } as const;

/** Undone after each test, last first, also when it failed. */
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

describe('a connection with TLS', { skip: needsOpenssl }, () => {
  let authority: TestAuthority;
  let other: TestAuthority;
  before(() => {
    authority = createAuthority();
    other = createAuthority('Other CA');
  });
  after(() => {
    authority?.remove();
    other?.remove();
  });

  const trust = (more: Partial<MqttTlsSettings> = {}): { readonly tls: MqttTlsSettings } => ({
    tls: { verify: true, caFile: authority.caFile, ...more },
  });
  const pair = ({ certFile, keyFile }: Issued): Partial<MqttTlsSettings> => ({ certFile, keyFile });
  const reason = ({ accepted, failure }: Outcome): string => {
    assert.equal(accepted, false);
    return failure?.text ?? '';
  };
  /** A broker of our own that accepts everybody. */
  const scripted = async (
    issue: IssueOptions,
    more: ScriptOptions['tls'] = {},
    version: 4 | 5 = 5,
  ): Promise<ScriptedBroker> => {
    const { cert, key } = authority.issue(issue);
    const broker = await startScript((socket) => socket.write(connack(version, 0)), { tls: { cert, key, ...more } });
    undo.push(broker.stop);
    return broker;
  };

  for (const [what, issue, text] of [
    ['has expired', { ...LOCALHOST, when: 'expired' }, /^the certificate of the broker has expired; renew it/],
    [
      'is not valid yet',
      { ...LOCALHOST, when: 'future' },
      /^the certificate of the broker is not valid yet; check the c/,
    ],
    [
      'is for another name',
      { name: 'broker', names: ['DNS:broker.example'] },
      /^the certificate of the broker is for another name; use that name in mqtt\.url, or give it as mqtt\.tls\.serverName$/,
    ],
  ] as const)
    test(`a certificate of the broker that ${what} is refused, unless nothing is verified`, async () => {
      const { port } = await scripted(issue);
      assert.match(reason(await attemptTo(`mqtts://localhost:${port}`, trust())), text);
      assert.equal((await attemptTo(`mqtts://localhost:${port}`, trust({ verify: false }))).accepted, true);
    });

  test('a broker whose CA nobody knows is refused; its file or its text makes it known', async () => {
    const { port } = await scripted(LOCALHOST);
    const url = `mqtts://localhost:${port}`;
    for (const settings of [{}, { tls: { verify: true } }, trust({ caFile: other.caFile })])
      assert.match(
        reason(await attemptTo(url, settings)),
        /is not trusted; give the CA that signed it in mqtt\.tls\.caFile/,
      );
    assert.equal((await attemptTo(url, trust())).accepted, true);
    assert.equal((await attemptTo(url, { tls: { verify: true, ca: authority.ca } })).accepted, true);
  });

  test('the server name is what the certificate has to be for, whatever the URL says; it may be an address', async () => {
    const named = await scripted({ name: 'broker', names: ['DNS:broker.example'] });
    const numbered = await scripted({ name: 'broker', names: ['IP:192.0.2.10'] });
    const sixth = await scripted({ name: 'broker', names: ['IP:2001:db8::a'] });
    for (const [{ port }, serverName, accepted] of [
      [named, 'broker.example', true],
      [named, 'other.example', false],
      [numbered, '192.0.2.10', true],
      [numbered, '192.0.2.11', false],
      [sixth, '2001:db8::a', true],
      [sixth, '2001:db8::b', false],
    ] as const)
      assert.equal(
        (await attemptTo(`mqtts://127.0.0.1:${port}`, trust({ serverName }))).accepted,
        accepted,
        serverName,
      );
  });

  test('an address in the URL is found among the addresses of the certificate, also in IPv6', async () => {
    const { cert, key } = authority.issue(LOCALHOST);
    const broker = await startScript((socket) => socket.write(connack(5, 0)), { host: '::1', tls: { cert, key } });
    undo.push(broker.stop);
    assert.deepEqual(await attemptTo(`mqtts://[::1]:${broker.port}`, trust()), { accepted: true });
    assert.match(reason(await attemptTo(`mqtts://[::1]:${broker.port}`)), /is not trusted/);
    const web = await startScript((socket) => socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'), {
      host: '::1',
      tls: { cert, key },
    });
    undo.push(web.stop);
    assert.match(reason(await attemptTo(`wss://[::1]:${web.port}/mqtt`, trust())), /^the web server answers 403/);
  });

  test('the protocol that ALPN asks for is told to the broker, and one that it does not have is explained', async () => {
    const { port } = await scripted(LOCALHOST, { ALPNProtocols: ['mqtt'] });
    assert.deepEqual(await attemptTo(`mqtts://localhost:${port}`, trust({ alpn: 'mqtt' })), { accepted: true });
    const refused = await attemptTo(`mqtts://localhost:${port}`, trust({ alpn: 'x-amzn-mqtt-ca' }));
    assert.match(reason(refused), /does not know the protocol in mqtt\.tls\.alpn; correct or remove it$/);
  });

  test('TLS 1.2 is good enough, and an outdated version is named', async () => {
    const { port } = await scripted(LOCALHOST, { maxVersion: 'TLSv1.2' });
    assert.deepEqual(await attemptTo(`mqtts://localhost:${port}`, trust()), { accepted: true });
    const old = await scripted(LOCALHOST, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' });
    assert.match(
      reason(await attemptTo(`mqtts://localhost:${old.port}`, trust())),
      /version of TLS; let it speak 1\.2 or/,
    );
  });

  test('a broker that wants a certificate in TLS 1.2 ends the handshake, and the text says what it may want', async () => {
    const { ca } = authority;
    const { port } = await scripted(LOCALHOST, {
      maxVersion: 'TLSv1.2',
      ca,
      requestCert: true,
      rejectUnauthorized: true,
    });
    assert.match(reason(await attemptTo(`mqtts://localhost:${port}`, trust())), /wants? a certificate/);
    const settings = trust(pair(authority.issue({ name: 'client' })));
    assert.deepEqual(await attemptTo(`mqtts://localhost:${port}`, settings), { accepted: true });
  });

  test('a renewed CA, certificate or key is used at the next attempt, without a restart', async () => {
    const [old, renewed, broker] = [
      authority.issue({ name: 'client', when: 'expired' }),
      authority.issue({ name: 'client' }),
      authority.issue(LOCALHOST),
    ];
    const { ca, folder } = authority;
    const { cert, key } = broker;
    const script = await startScript((socket) => socket.write(connack(5, 0)), {
      tls: { cert, key, ca, requestCert: true, rejectUnauthorized: true },
    });
    undo.push(script.stop);
    const at = (name: string): string => join(folder, name);
    const settings = {
      tls: { verify: true, caFile: at('used.ca'), certFile: at('used.crt'), keyFile: at('used.key') },
    };
    const url = `mqtts://localhost:${script.port}`;
    copyFileSync(other.caFile, at('used.ca'));
    copyFileSync(old.certFile, at('used.crt'));
    copyFileSync(old.keyFile, at('used.key'));
    assert.match(reason(await attemptTo(url, settings)), /is not trusted/);
    copyFileSync(authority.caFile, at('used.ca'));
    assert.match(
      reason(await attemptTo(url, settings)),
      /certificate of this host \(CN=client, which expired on .* 2021/,
    );
    copyFileSync(renewed.certFile, at('used.crt'));
    copyFileSync(renewed.keyFile, at('used.key'));
    assert.deepEqual(await attemptTo(url, settings), { accepted: true });
  });

  test('files that do not fit together are explained before anybody is asked', async () => {
    const broker = await scripted(LOCALHOST);
    const url = `mqtts://localhost:${broker.port}`;
    const client = authority.issue({ name: 'client' });
    const locked = authority.issue({ name: 'locked', passphrase: 'correct horse' });
    const nonsense = join(authority.folder, 'nonsense');
    writeFileSync(nonsense, 'hunter2');
    for (const [tls, text] of [
      [
        { ...pair(client), keyFile: locked.keyFile },
        /the key in .* is encrypted, and mqtt\.tls\.keyPassphrase does not open/,
      ],
      [
        { ...pair(locked), keyPassphrase: 'battery' },
        /is encrypted, and mqtt\.tls\.keyPassphrase does not open it; correct it$/,
      ],
      [
        { ...pair(client), keyFile: authority.issue({ name: 'x' }).keyFile },
        /does not belong to the certificate in mqtt\.tls\.certFile/,
      ],
      [{ ...pair(client), keyFile: nonsense }, /^mqtt\.tls\.keyFile \(.*nonsense\) is no private key/],
      [{ ...pair(client), certFile: nonsense }, /^mqtt\.tls\.certFile \(.*nonsense\) is no certificate/],
      [
        { cert: 'hunter2', key: client.key },
        /^mqtt\.tls\.cert is no certificate; it has to contain -----BEGIN CERTIFICATE/,
      ],
      [{ caFile: nonsense }, /^mqtt\.tls\.caFile \(.*nonsense\) is no certificate/],
      [{ caFile: authority.folder }, /^cannot read mqtt\.tls\.caFile \(.*\): it is not a file; ls -l/],
      [
        { ...pair(client), keyFile: `${nonsense}-gone` },
        /^cannot read mqtt\.tls\.keyFile \(.*\): there is no such file; ls -l/,
      ],
    ] as const) {
      const said = reason(await attemptTo(url, trust(tls)));
      assert.match(said, text);
      assert.doesNotMatch(said, /hunter2|battery|horse/);
    }
    assert.equal(broker.connections(), 0);
    const opened = await attemptTo(url, trust({ ...pair(locked), keyPassphrase: 'correct horse' }));
    assert.deepEqual(opened, { accepted: true });
  });

  test('a port without TLS is told from one with it, from both sides', async () => {
    const plain = await startScript((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    undo.push(plain.stop);
    assert.match(
      reason(await attemptTo(`mqtts://127.0.0.1:${plain.port}`, trust())),
      /not TLS; .* use mqtt:\/\/ in mqtt\.url$/,
    );
    const hangsUp = await startScript((socket) => socket.destroy());
    undo.push(hangsUp.stop);
    assert.match(
      reason(await attemptTo(`mqtts://127.0.0.1:${hangsUp.port}`, trust())),
      /hung up .* one for TLS\? If not, use mqtt:/,
    );
    const { port } = await scripted(LOCALHOST);
    assert.match(reason(await attemptTo(`mqtt://127.0.0.1:${port}`)), /hung up .* is the port one for TLS|is not MQTT/);
  });

  describe('to Mosquitto', { skip: needsMosquitto }, () => {
    const mosquitto = async (requireCertificate = false, more: readonly string[] = []): Promise<TestBroker> => {
      const lines = [...tlsLines({ authority, broker: authority.issue(LOCALHOST), requireCertificate }), ...more];
      const broker = await startMosquitto({ lines });
      undo.push(broker.stop);
      return broker;
    };

    /** Mosquitto 2.0.11 does not start with listeners for WebSockets alone. */
    const mosquittoOnWeb = async (): Promise<{ readonly raw: number; readonly web: number }> => {
      const web = await freePort();
      const lines = tlsLines({ authority, broker: authority.issue(LOCALHOST) });
      const listener = [`listener ${web} 127.0.0.1`, 'socket_domain ipv4', 'protocol websockets', ...lines];
      const { port } = await mosquitto(false, listener);
      await until('the listener for WebSockets', 15_000, () => answers(web));
      return { raw: port, web };
    };

    test('both versions of MQTT go over mqtts:// and wss://', async () => {
      const { raw, web } = await mosquittoOnWeb();
      for (const url of [`mqtts://localhost:${raw}`, `wss://localhost:${web}/mqtt`])
        for (const version of [4, 5] as const)
          assert.deepEqual(await attemptTo(url, trust(), { version }), { accepted: true }, `${url} ${version}`);
    });

    test('what is wrong with the certificate of the broker is explained over wss:// as well', async () => {
      const url = `wss://127.0.0.1:${(await mosquittoOnWeb()).web}/`;
      assert.match(reason(await attemptTo(url, {})), /is not trusted/);
      assert.match(reason(await attemptTo(url, trust({ serverName: 'other.example' }))), /is for another name/);
    });

    // With TLS 1.3 the answer comes after the handshake, together with the end of the connection. Should the end be seen
    // first, the text is that of a broker which hung up, and names the certificate as well.
    test('a broker that wants certificates of hosts says what is wrong with theirs', async () => {
      const revoked = authority.issue({ name: 'revoked' });
      authority.revoke(revoked);
      const { port } = await mosquitto(true);
      const url = `mqtts://localhost:${port}`;
      for (const [client, text] of [
        [undefined, /want(s)? a certificate of this host; set mqtt\.tls\.certFile and mqtt\.tls\.keyFile/],
        [
          authority.issue({ name: 'client', when: 'expired' }),
          /certificate of this host.*CN=client, which expired on .* 2021/,
        ],
        [
          authority.issue({ name: 'client', when: 'future' }),
          /certificate of this host.*CN=client, which is not valid before/,
        ],
        [revoked, /(was revoked; get another|refuse the certificate of this host).*CN=revoked, valid until/],
        [other.issue({ name: 'stranger' }), /(does not know the CA|refuse the certificate).*CN=stranger, valid until/],
      ] as const)
        assert.match(reason(await attemptTo(url, trust(client === undefined ? {} : pair(client)))), text);
      assert.deepEqual(await attemptTo(url, trust(pair(authority.issue({ name: 'client' })))), { accepted: true });
    });

    test('the name in a certificate can be the login', async () => {
      const { port } = await mosquitto(true, ['use_identity_as_username true']);
      const outcome = await attemptTo(`mqtts://localhost:${port}`, trust(pair(authority.issue({ name: 'rpi1' }))));
      assert.deepEqual(outcome, { accepted: true });
    });
  });
});

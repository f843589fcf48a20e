/** What a carp-mqtt makes of an mqtt-broker and a tls-config of Node-RED, which are the real ones, and of its own fields. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import type { NodeAPI } from 'node-red';
import type { Registry } from '../../nodes/registry.ts';
import type { MqttConfig } from '../../src/config/types.ts';
import { createAuthority, needsOpenssl, type TestAuthority } from '../support/mqtt-tls.ts';
import { calls, type FakeAgents, fakeAgents, group, helper, nodesOn, registryFor, tab, until } from './fakes.ts';

type CoreNodes = (RED: NodeAPI) => void;
const core = (file: string): CoreNodes => createRequire(import.meta.url)(`@node-red/nodes/core/network/${file}`);
const CORE = [core('05-tls.js'), core('10-mqtt.js')];

/** As it is written in a form: `${NAME}`. */
const env = (name: string): string => `\${${name}}`;

/** An mqtt-broker as the editor stores a new one. */
const broker = (more: object = {}): object => ({
  id: 'b',
  type: 'mqtt-broker',
  name: 'site',
  broker: '192.0.2.9',
  port: '1883',
  clientid: 'flows',
  autoConnect: true,
  usetls: false,
  protocolVersion: '5',
  keepalive: '60',
  cleansession: true,
  willTopic: 'flows/gone',
  willPayload: 'x',
  ...more,
});
const tls = (more: object = {}): object => ({
  id: 'tls',
  type: 'tls-config',
  name: 'site CA',
  cert: '',
  key: '',
  ca: '',
  servername: '',
  alpnprotocol: '',
  verifyservercert: true,
  ...more,
});
const mqtt = (more: object = {}): object => ({
  id: 'm',
  type: 'carp-mqtt',
  name: '',
  connection: 'broker',
  broker: 'b',
  url: '',
  base: 'carp',
  ...more,
});
const own = (more: object = {}): object => mqtt({ connection: 'own', broker: '', ...more });
const withMqtt = group({ mqtt: 'm' });

describe('carp-mqtt', { skip: needsOpenssl }, () => {
  let authority: TestAuthority;
  let agents: FakeAgents;
  let registry: Registry;
  before(() => {
    authority = createAuthority();
  });
  after(() => authority.remove());
  beforeEach(() => {
    agents = fakeAgents();
  });
  afterEach(() => helper.unload());

  const load = async (flow: readonly object[], credentials: object = {}): Promise<void> => {
    const registryOf = registryFor(agents);
    const nodes = nodesOn((RED) => {
      registry = registryOf(RED);
      return registry;
    });
    await helper.load([...CORE, ...nodes], [tab, ...flow], credentials);
    await untilConfigured(1);
  };
  const untilConfigured = (times: number): Promise<void> =>
    until(
      () => agents.forked.length === 1 && agents.own().configured.length === times,
      `an agent that was configured ${times} times`,
    );
  const deploy = async (type: 'full' | 'nodes' | 'flows', flow: readonly object[], credentials: object = {}) => {
    await helper.setFlows([tab, ...flow], type, credentials);
    // A turn of the event loop for what the deploy set off.
    await new Promise((resolve) => setImmediate(resolve));
  };
  /** The connection that the agent was told of last. */
  const told = (): MqttConfig | undefined => agents.own().configured.at(-1)?.hosts[0]?.mqtt;
  const errors = (id = 'm'): readonly string[] => calls(id, 'error').map(String);

  describe('on an mqtt-broker node', () => {
    test('has its address, user, password and version, and neither its client id, will nor keepalive', async () => {
      await load([broker(), mqtt(), withMqtt], { b: { user: 'plc', password: ' two blanks ' } });
      assert.deepEqual(told(), {
        url: 'mqtt://192.0.2.9:1883',
        version: '5',
        username: 'plc',
        password: ' two blanks ',
        base: 'carp',
        keepalive: 5,
        refresh: 10,
        expiry: 30,
        homeAssistant: false,
        homeAssistantPrefix: 'homeassistant',
        commands: false,
        alarms: true,
      });
      assert.doesNotMatch(JSON.stringify(agents.own().configured), /flows/);
    });

    test('makes it open no connection', async () => {
      await load([broker(), mqtt(), withMqtt]);
      const node = helper.getNode('b') as unknown as { readonly users: object; readonly client?: unknown };
      assert.deepEqual([node.users, node.client], [{}, undefined]);
    });

    const addresses: readonly (readonly [string, object, string])[] = [
      ['a name, and no port', { broker: 'broker.example', port: '' }, 'mqtt://broker.example:1883'],
      ['nothing', { broker: '' }, 'mqtt://localhost:1883'],
      ['an IPv6 address', { broker: '2001:db8::9' }, 'mqtt://[2001:db8::9]:1883'],
      ['TLS', { usetls: true, port: '8883' }, 'mqtts://192.0.2.9:8883'],
      ['a WebSocket', { broker: 'ws://192.0.2.9:9001/mqtt' }, 'ws://192.0.2.9:9001/mqtt'],
      ['a WebSocket with TLS', { broker: 'wss://broker.example/mqtt', usetls: true }, 'wss://broker.example/mqtt'],
      ['a URL of its own', { url: 'mqtt://192.0.2.8:2883' }, 'mqtt://192.0.2.8:2883'],
      ['another name of the scheme', { broker: 'tcp://192.0.2.9:1884' }, 'mqtt://192.0.2.9:1884'],
      ['another name of TLS', { broker: 'ssl://192.0.2.9:8884' }, 'mqtts://192.0.2.9:8884'],
    ];
    for (const [what, settings, url] of addresses)
      test(`that has ${what} connects to ${url}`, async () => {
        await load([broker(settings), mqtt(), withMqtt]);
        assert.equal(told()?.url, url);
        assert.deepEqual(errors(), []);
      });

    for (const [protocolVersion, version] of [
      ['4', '3.1.1'],
      [4, '3.1.1'],
      [undefined, '3.1.1'],
      [5, '5'],
    ])
      test(`of protocolVersion ${protocolVersion} speaks MQTT ${version}`, async () => {
        await load([broker({ protocolVersion }), mqtt(), withMqtt]);
        assert.equal(told()?.version, version);
      });

    test('whose fields are variables has their values', async (t) => {
      Object.assign(process.env, { CARP_TEST_BROKER: '192.0.2.7', CARP_TEST_PORT: '1999', CARP_TEST_USER: 'env' });
      t.after(() => {
        for (const name of ['BROKER', 'PORT', 'USER']) Reflect.deleteProperty(process.env, `CARP_TEST_${name}`);
      });
      const flow = [broker({ broker: env('CARP_TEST_BROKER'), port: env('CARP_TEST_PORT') }), mqtt(), withMqtt];
      await load(flow, { b: { user: env('CARP_TEST_USER'), password: 'p' } });
      assert.deepEqual([told()?.url, told()?.username], ['mqtt://192.0.2.7:1999', 'env']);
    });

    test('has what was uploaded into its TLS configuration, as text', async () => {
      const settings = { servername: 'broker.example', alpnprotocol: 'mqtt', verifyservercert: true };
      const passphrase = 'open sesame';
      const { cert, key } = authority.issue({ name: 'plc', passphrase });
      await load([tls(settings), broker({ usetls: true, tls: 'tls' }), mqtt(), withMqtt], {
        tls: { certdata: cert, keydata: key, cadata: authority.ca, passphrase },
      });
      assert.deepEqual(errors(), []);
      assert.equal(told()?.url, 'mqtts://192.0.2.9:1883');
      assert.deepEqual(told()?.tls, {
        ca: authority.ca.trim(),
        cert: cert.trim(),
        key: key.trim(),
        keyPassphrase: passphrase,
        serverName: 'broker.example',
        alpn: 'mqtt',
        verify: true,
      });
    });

    test('has the content of the files that its TLS configuration names', async (t) => {
      const folder = mkdtempSync(join(tmpdir(), 'carp-tls-'));
      t.after(() => rmSync(folder, { recursive: true, force: true }));
      writeFileSync(join(folder, 'ca.pem'), authority.ca);
      const flow = [
        tls({ ca: join(folder, 'ca.pem'), verifyservercert: false }),
        broker({ usetls: true, tls: 'tls' }),
        mqtt(),
        withMqtt,
      ];
      await load(flow);
      assert.deepEqual(told()?.tls, { ca: authority.ca.trim(), verify: false });
      // A renewed file counts from the next deploy on.
      const { cert } = authority.issue({ name: 'a newer CA' });
      writeFileSync(join(folder, 'ca.pem'), cert);
      await deploy('full', flow);
      await untilConfigured(2);
      assert.equal(told()?.tls?.ca, cert.trim());
    });

    test('without a TLS configuration accepts any certificate, as Node-RED does', async () => {
      await load([broker({ usetls: true }), mqtt(), withMqtt]);
      assert.deepEqual(told()?.tls, { verify: false });
    });

    describe('that cannot be used', () => {
      const cases: readonly {
        readonly what: string;
        readonly flow: readonly object[];
        readonly credentials?: object;
        readonly says: RegExp;
      }[] = [
        { what: 'is not chosen', flow: [mqtt({ broker: '' })], says: /no broker is chosen.*choose an mqtt-broker/ },
        { what: 'was deleted', flow: [mqtt()], says: /mqtt-broker node .* is not there.*deleted/ },
        {
          what: 'is disabled',
          flow: [broker({ d: true }), mqtt()],
          says: /mqtt-broker node .* is not there.*disabled/,
        },
        { what: 'is something else', flow: [tls({ id: 'b' }), mqtt()], says: /mqtt-broker node .* is not there/ },
        {
          what: 'has lost its TLS configuration',
          flow: [broker({ usetls: true, tls: 'gone' }), mqtt()],
          says: /TLS configuration of the mqtt-broker node "site" is not there/,
        },
        {
          what: 'has a disabled TLS configuration',
          flow: [tls({ d: true }), broker({ usetls: true, tls: 'tls' }), mqtt()],
          says: /TLS configuration of the mqtt-broker node "site" is not there/,
        },
        {
          what: 'has a TLS configuration without its files',
          flow: [tls({ ca: '/nonexistent/ca.pem' }), broker({ usetls: true, tls: 'tls' }), mqtt()],
          says: /TLS configuration "site CA" of .*"site" has a certificate or key that cannot be read/,
        },
        {
          what: 'asks for MQTT 3.1',
          flow: [broker({ protocolVersion: 3 }), mqtt()],
          says: /"site" asks for MQTT 3\.1,/,
        },
        { what: 'is older than MQTT 3.1.1', flow: [broker({ compatmode: true }), mqtt()], says: /MQTT 3\.1,/ },
        {
          what: 'has a certificate that is none',
          flow: [tls(), broker({ usetls: true, tls: 'tls' }), mqtt()],
          credentials: { tls: { cadata: 'SECRET, by mistake' } },
          says: /^this connection to a broker is not valid: tls\.ca: tls\.ca is no certificate/,
        },
        {
          what: 'uses a variable that is not set',
          flow: [broker({ broker: env('CARP_TEST_UNSET') }), mqtt()],
          says: /"site" uses CARP_TEST_UNSET, and there is no such environment variable/,
        },
        { what: 'has nonsense as address', flow: [broker({ broker: 'http://b' }), mqtt()], says: /url: must be a URL/ },
      ];
      for (const { what, flow, credentials, says } of cases)
        test(`because it ${what}: said once, with what to do, and the group runs`, async () => {
          await load([...flow, withMqtt], credentials);
          assert.equal(told(), undefined);
          assert.doesNotMatch(errors().join(), /SECRET|\bmqtt\./);
          assert.equal(agents.own().configured[0]?.hosts[0]?.groups.length, 1);
          assert.equal(errors().length, 1, errors().join('\n'));
          assert.match(errors()[0] ?? '', says);
          assert.deepEqual(calls('g', 'error'), []);
          assert.match(registry.overview()[0]?.mqttProblem?.message ?? '', /./);
          assert.equal(registry.overview()[0]?.view.problem, undefined);
          await deploy('full', [...flow, withMqtt], credentials);
          assert.deepEqual(errors(), []);
          assert.equal(agents.own().configured.length, 1);
        });

      test('and a carp-mqtt that is not there itself: the group says so, and runs', async () => {
        await load([withMqtt]);
        assert.match(String(calls('g', 'error')), /carp-mqtt node .* is not there/);
        assert.equal(told(), undefined);
      });

      test('and one that is mended is used at the next deploy, and may fail again', async () => {
        await load([mqtt(), withMqtt]);
        assert.equal(errors().length, 1);
        await deploy('full', [broker(), mqtt(), withMqtt]);
        await untilConfigured(2);
        assert.equal(told()?.url, 'mqtt://192.0.2.9:1883');
        assert.deepEqual(errors(), []);
        await deploy('full', [mqtt(), withMqtt]);
        await untilConfigured(3);
        assert.equal(told(), undefined);
        assert.equal(errors().length, 1);
      });
    });

    for (const type of ['full', 'nodes', 'flows'] as const)
      describe(`in a deploy of ${type}`, () => {
        const secured = [tls(), broker({ usetls: true, tls: 'tls' }), mqtt(), withMqtt];

        test('what is changed there, or in its TLS configuration, or a password, is told to the agent', async () => {
          await load(secured, { b: { user: 'u', password: 'old' } });
          const moved = [tls(), broker({ usetls: true, tls: 'tls', port: '8884' }), mqtt(), withMqtt];
          await deploy(type, moved, { b: { user: 'u', password: 'old' } });
          await untilConfigured(2);
          assert.equal(told()?.url, 'mqtts://192.0.2.9:8884');
          const named = [tls({ servername: 'other.example' }), ...moved.slice(1)];
          await deploy(type, named, { b: { user: 'u', password: 'old' } });
          await untilConfigured(3);
          assert.equal(told()?.tls?.serverName, 'other.example');
        });

        test('another node, and another name of the broker, are no news to the agent', async () => {
          await load(secured);
          const other = { id: 'x', type: 'helper', z: 't', x: 1, y: 1, wires: [] };
          await deploy(type, [...secured, other]);
          await deploy(type, [
            tls(),
            broker({ usetls: true, tls: 'tls', name: 'better', keepalive: '30' }),
            mqtt(),
            withMqtt,
            other,
          ]);
          assert.equal(agents.own().configured.length, 1);
        });
      });
  });

  describe('with its own fields', () => {
    test('of an older flow has its URL and base, and the defaults', async () => {
      const old = { id: 'm', type: 'carp-mqtt', name: '', url: 'mqtts://192.0.2.9', base: 'acme/carp' };
      await load([old, withMqtt], { m: { username: 'u', password: ' p ' } });
      const { url, base, username, password, version, commands, alarms } = told() ?? {};
      assert.deepEqual([url, base, username, password], ['mqtts://192.0.2.9', 'acme/carp', 'u', ' p ']);
      assert.deepEqual([version, commands, alarms], ['auto', false, true]);
    });

    test('has several brokers, one on each line, also from a variable', async (t) => {
      Object.assign(process.env, { CARP_TEST_SECOND: 'mqtt://192.0.2.8' });
      t.after(() => Reflect.deleteProperty(process.env, 'CARP_TEST_SECOND'));
      await load([own({ url: `mqtt://192.0.2.9\n${env('CARP_TEST_SECOND')}\n` }), withMqtt]);
      assert.deepEqual(told()?.url, ['mqtt://192.0.2.9', 'mqtt://192.0.2.8']);
    });

    test('of which one is a variable that is not set is a mistake', async () => {
      await load([own({ url: `mqtt://192.0.2.9\n${env('CARP_TEST_SECOND')}` }), withMqtt]);
      assert.match(errors()[0] ?? '', /this carp-mqtt node uses CARP_TEST_SECOND/);
      assert.equal(told(), undefined);
    });

    test('has a TLS configuration of Node-RED', async () => {
      const flow = [tls({ servername: 'broker.example' }), own({ url: 'wss://192.0.2.9/mqtt', tls: 'tls' }), withMqtt];
      await load(flow, { tls: { cadata: authority.ca } });
      assert.deepEqual(told()?.tls, { ca: authority.ca.trim(), serverName: 'broker.example', verify: true });
    });

    test('says that its TLS configuration is gone', async () => {
      await load([own({ url: 'mqtts://192.0.2.9', tls: 'gone' }), withMqtt]);
      assert.match(errors()[0] ?? '', /TLS configuration that this carp-mqtt node uses is not there/);
    });

    test('says what the check of the configuration says, and where', async () => {
      await load([own({ url: 'http://192.0.2.9', base: 'a/#', keepalive: '0' }), withMqtt]);
      for (const wrong of [/\burl: must be a URL/, /\bbase: must be/, /\bkeepalive: must be/])
        assert.match(errors()[0] ?? '', wrong);
      assert.doesNotMatch(errors()[0] ?? '', /mqtt\.|groups/);
      assert.equal(told(), undefined);
    });
  });

  test('of two groups of one node that differ in it, the first is used for both, and the second says so', async () => {
    const first = own({ url: 'mqtt://192.0.2.9' });
    const second = own({ id: 'n', url: 'mqtt://192.0.2.8' });
    const twin = group({ id: 'h', group: 'office', vhid: 20, addresses: ['192.0.2.200/24'], mqtt: 'n' });
    await load([first, second, withMqtt, twin]);
    assert.equal(told()?.url, 'mqtt://192.0.2.9');
    assert.deepEqual(
      agents.own().configured[0]?.hosts.flatMap(({ groups }) => groups.map(({ name }) => name)),
      ['plant', 'office'],
    );
    assert.match(String(calls('h', 'error')), /share one MQTT connection/);
    assert.deepEqual(
      registry.overview().map(({ mqttProblem, view }) => [mqttProblem?.code, view.problem]),
      [
        [undefined, undefined],
        ['CARP_CONFIG', undefined],
      ],
    );
    await deploy('full', [first, second, withMqtt, twin]);
    assert.deepEqual(calls('h', 'error'), []);
    await deploy('full', [first, withMqtt, { ...twin, mqtt: 'm' }]);
    assert.deepEqual(calls('h', 'error'), []);
    assert.equal(registry.overview()[1]?.mqttProblem, undefined);
  });

  test('tells the agent what is published and obeyed, whichever broker it is', async () => {
    const said = {
      base: 'acme/carp',
      homeAssistant: true,
      homeAssistantPrefix: 'ha',
      commands: ['mode', 'hand-over'],
      alarms: false,
      sparkplug: 'Plant 1',
      keepalive: '7',
      refresh: '20.5',
      expiry: '60',
    };
    await load([broker(), mqtt(said), withMqtt]);
    const { url: _url, version: _version, ...rest } = told() ?? {};
    assert.deepEqual(rest, {
      ...said,
      sparkplug: { group: 'Plant 1' },
      keepalive: 7,
      refresh: 20.5,
      expiry: 60,
    });
  });

  test('shows its secrets to nobody: neither in the log nor to the sidebar', async () => {
    const secrets = { certdata: 'SECRET-c', keydata: 'SECRET-k', cadata: 'SECRET-a', passphrase: 'SECRET-p' };
    await load([tls({ cert: '' }), broker({ usetls: true, tls: 'tls', broker: 'no host' }), mqtt(), withMqtt], {
      tls: secrets,
      b: { user: 'u', password: 'SECRET-w' },
    });
    assert.equal(errors().length, 1);
    const said = [
      JSON.stringify(helper.log().args),
      JSON.stringify(registry.overview()),
      JSON.stringify(helper.getNode('m')),
    ].join('\n');
    assert.doesNotMatch(said, /SECRET/);
  });
});

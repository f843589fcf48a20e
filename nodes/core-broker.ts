/**
 * What an mqtt-broker and a tls-config node of Node-RED know about a connection, read from the running nodes: there
 * every variable is replaced, every file is read, and a broker that is given in one of three ways is one URL.
 *
 * Neither has an interface for this. The fields are those of 10-mqtt.js and 05-tls.js in Node-RED 4.1 and 5; nobody
 * registers with the broker node, so it opens no connection because of us, and its client id and its last will, which
 * are those of the flows, are left alone.
 */
import type { NodeAPI } from 'node-red';
import type { Problem } from '../src/ports/error.ts';
import { isUnset, notSet, present, text, unsetIn } from './stored-values.ts';

/** The half of `MqttSettings` that says where the broker is, and how it is spoken to. */
export interface BrokerConnection {
  readonly url: string;
  readonly version: '3.1.1' | '5';
  readonly username?: string;
  readonly password?: string;
  readonly tls?: TlsTexts;
}

/** Certificates as texts: they go to the agent by IPC, and lie in no file of ours. */
export interface TlsTexts {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly keyPassphrase?: string;
  readonly serverName?: string;
  readonly alpn?: string;
  readonly verify: boolean;
}

/** The nodes of this Node-RED, by id. */
export interface CoreNodes {
  /** Missing: it was deleted, is disabled, or is out of reach on another tab. */
  readonly running: (id: string) => object | undefined;
  /** As it was deployed, variables and all. */
  readonly deployed: (id: string) => object | undefined;
}

export const coreNodes = ({ nodes }: Pick<NodeAPI, 'nodes'>): CoreNodes => ({
  running: (id) => nodes.getNode(id) ?? undefined,
  deployed: (id) => {
    let found: object | undefined;
    nodes.eachNode((def) => {
      if (def.id === id) found = def;
    });
    return found;
  },
});

interface BrokerNode {
  readonly type: 'mqtt-broker';
  readonly id: string;
  readonly name?: string;
  readonly broker?: unknown;
  readonly port?: unknown;
  readonly url?: unknown;
  readonly brokerurl?: unknown;
  readonly protocolVersion?: unknown;
  readonly compatmode?: unknown;
  readonly usetls?: unknown;
  readonly credentials?: { readonly user?: unknown; readonly password?: unknown };
  /** What it gives mqtt.js; `addTLSOptions` of its tls-config has been there. */
  readonly options?: TlsOptions;
}

interface TlsOptions {
  readonly ca?: unknown;
  readonly cert?: unknown;
  readonly key?: unknown;
  readonly pfx?: unknown;
  readonly passphrase?: unknown;
  readonly servername?: unknown;
  readonly ALPNProtocols?: unknown;
  readonly rejectUnauthorized?: unknown;
}

interface TlsNode {
  readonly type: 'tls-config';
  readonly name?: string;
  /** False: a file that it names cannot be read. */
  readonly valid?: boolean;
  readonly addTLSOptions: (options: object) => TlsOptions;
}

type Read<Value> = { readonly value: Value } | { readonly problem: Problem };

/** The connection that an mqtt-broker node of this id stands for. */
export const brokerConnection = (nodes: CoreNodes, id: string | undefined): Read<BrokerConnection> => {
  if (id === undefined)
    return wrong(
      'no broker is chosen in this carp-mqtt node, so nothing is published',
      'choose an mqtt-broker in it, or give it a broker of its own',
    );
  const broker = nodes.running(id);
  if (!isBroker(broker))
    return wrong(
      'the mqtt-broker node that this carp-mqtt node uses is not there, so nothing is published',
      'it was deleted, is disabled, or belongs to another tab: choose another one, or enable it',
    );
  const { name, credentials, options = {} } = broker;
  const called = `the mqtt-broker node "${name || text(broker.broker) || id}"`;
  const { user, password } = credentials ?? {};
  const unset = unsetIn([broker.broker, broker.port, broker.url, user, password]);
  if (unset.length > 0) return { problem: notSet(called, unset) };
  if (isTrue(broker.compatmode) || Number(broker.protocolVersion) === 3)
    return wrong(`${called} asks for MQTT 3.1, which the agent does not speak`, 'choose MQTT 3.1.1 or 5 in it');
  const url = urlOf(broker);
  const problem = isSecure(url) ? tlsProblem(nodes, broker, called) : undefined;
  if (problem !== undefined) return { problem };
  return {
    value: {
      url,
      version: Number(broker.protocolVersion) === 5 ? '5' : '3.1.1',
      ...present('username', text(user)),
      ...present('password', secret(password)),
      ...(isSecure(url) ? { tls: tlsTexts(options) } : {}),
    },
  };
};

/** What a tls-config node of this id has; nothing for no id. */
export const tlsConnection = (nodes: CoreNodes, id: string | undefined): Read<TlsTexts | undefined> => {
  if (id === undefined) return { value: undefined };
  const tls = nodes.running(id);
  if (!isTls(tls)) return wrong('the TLS configuration that this carp-mqtt node uses is not there', GONE);
  if (tls.valid === false) return wrong(unreadable('this carp-mqtt node', tls), UNREADABLE);
  const options = tls.addTLSOptions({});
  return options.pfx === undefined ? { value: tlsTexts(options) } : wrong(bundled('this carp-mqtt node'), BUNDLED);
};

const GONE = 'it was deleted, is disabled, or belongs to another tab: choose another one, or enable it';
const UNREADABLE = 'its own message in the log names the file: correct it there';
const BUNDLED = 'give it the certificate and the key as two PEM files';
const unreadable = (who: string, { name }: TlsNode): string =>
  `the TLS configuration ${name ? `"${name}" ` : ''}of ${who} has a certificate or key that cannot be read`;
const bundled = (who: string): string =>
  `the TLS configuration of ${who} has a PFX file, which the agent does not read`;

/** mqtt-broker leaves out what is missing in its TLS configuration, and would connect without it. */
const tlsProblem = (nodes: CoreNodes, { id, usetls, options }: BrokerNode, called: string): Problem | undefined => {
  if (options?.pfx !== undefined) return problem(bundled(called), BUNDLED);
  const def = nodes.deployed(id);
  const tlsId = isTrue(usetls) && def !== undefined && 'tls' in def ? text(def.tls) : undefined;
  if (tlsId === undefined) return undefined;
  const tls = nodes.running(tlsId);
  if (!isTls(tls)) return problem(`the TLS configuration of ${called} is not there`, GONE);
  return tls.valid === false ? problem(unreadable(called, tls), UNREADABLE) : undefined;
};

/** mqtt.js knows more names for the same, and takes a key pair for the wish to use it. */
const urlOf = ({ brokerurl, options }: BrokerNode): string => {
  const url = (text(brokerurl) ?? '').replace(/^tcp:/i, 'mqtt:').replace(/^(?:ssl|tls):/i, 'mqtts:');
  return options?.cert && options.key ? url.replace(/^(mqtt|ws):/i, '$1s:') : url;
};

const isSecure = (url: string): boolean => /^(?:mqtts|wss):/i.test(url);

const tlsTexts = (options: TlsOptions): TlsTexts => ({
  ...present('ca', pem(options.ca)),
  ...present('cert', pem(options.cert)),
  ...present('key', pem(options.key)),
  ...present('keyPassphrase', secret(options.passphrase)),
  ...present('serverName', text(options.servername)),
  ...present('alpn', Array.isArray(options.ALPNProtocols) ? text(options.ALPNProtocols[0]) : undefined),
  verify: options.rejectUnauthorized !== false,
});

/** A file's content is a buffer, an uploaded one text. */
const pem = (value: unknown): string | undefined =>
  typeof value === 'string' || value instanceof Uint8Array ? text(Buffer.from(value).toString('utf8')) : undefined;

/** Blanks may belong to it. */
export const secret = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' && !isUnset(value) ? value : undefined;

const isBroker = (node: object | undefined): node is BrokerNode =>
  node !== undefined && 'type' in node && node.type === 'mqtt-broker';
const isTls = (node: object | undefined): node is TlsNode =>
  node !== undefined && 'addTLSOptions' in node && typeof node.addTLSOptions === 'function';
const isTrue = (value: unknown): boolean => value === true || value === 'true';

const problem = (message: string, remedy: string): Problem => ({ code: 'CARP_CONFIG', message, remedy });
const wrong = (message: string, remedy: string): { readonly problem: Problem } => ({
  problem: problem(message, remedy),
});

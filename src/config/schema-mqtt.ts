/** The part of the JSON Schema of the configuration file that is about MQTT and metrics; see schema.ts. */
import { MQTT_COMMANDS } from '../adapters/mqtt/settings.ts';

const TEXT_MAX = 1024;
const PATH_MAX = 4096;
/** All authorities that a Debian trusts, in one file, are 220 KiB; nobody has certificates of a megabyte. */
const PEM_MAX = 524_288;

const url = { type: 'string', minLength: 1, maxLength: 2048 } as const;
const file = { type: 'string', minLength: 1, maxLength: PATH_MAX } as const;
const pem = { type: 'string', minLength: 1, maxLength: PEM_MAX } as const;

/** Brokers end the connection of who publishes to a topic with control characters. */
const sparkplugId = { type: 'string', pattern: '^[^+#/\\u0000-\\u001f\\u007f-\\u009f]{1,128}$' } as const;

const tls = {
  type: 'object',
  title: 'TLS',
  description: 'How the broker proves who it is, and this host to the broker. For mqtts:// and wss://.',
  additionalProperties: false,
  properties: {
    caFile: { ...file, title: 'CA file', description: 'Whom to trust: certificates in PEM. Default: those of Node.' },
    certFile: { ...file, title: 'Certificate file', description: 'The certificate of this host, in PEM.' },
    keyFile: { ...file, title: 'Key file', description: 'The private key of that certificate, in PEM.' },
    ca: { ...pem, title: 'CA', description: 'As caFile, but the text itself.' },
    cert: { ...pem, title: 'Certificate', description: 'As certFile, but the text itself.' },
    key: { ...pem, title: 'Key', description: 'As keyFile, but the text itself; better in a file.' },
    keyPassphrase: {
      type: 'string',
      title: 'Passphrase of the key',
      description: 'Where the key is encrypted.',
      maxLength: TEXT_MAX,
    },
    serverName: {
      type: 'string',
      title: 'Server name',
      description: 'The name in the certificate of the broker, if it is not the host of the URL.',
      minLength: 1,
      maxLength: 253,
    },
    alpn: {
      type: 'string',
      title: 'ALPN',
      description: 'The protocol to ask for, where one port serves several.',
      minLength: 1,
      maxLength: 255,
    },
    verify: {
      type: 'boolean',
      title: 'Verify',
      description: 'Whether the certificate of the broker is checked. Off: anybody can pretend to be the broker.',
      default: true,
    },
  },
} as const;

const sparkplug = {
  type: 'object',
  title: 'Sparkplug B',
  description: 'Publish the groups as devices of a Sparkplug edge node as well, over a connection of its own.',
  additionalProperties: false,
  required: ['group'],
  properties: {
    group: {
      ...sparkplugId,
      title: 'Group id',
      description: 'The group id of Sparkplug: usually the plant.',
    },
    edgeNode: {
      ...sparkplugId,
      title: 'Edge node id',
      description: 'Default: the name of this host.',
    },
    primaryHost: {
      ...sparkplugId,
      title: 'Primary host',
      description: 'The host application that has to be online before anything is published.',
    },
  },
} as const;

export const mqtt = {
  type: 'object',
  title: 'MQTT',
  description: 'The broker to which roles and events are published.',
  additionalProperties: false,
  required: ['url'],
  properties: {
    url: {
      oneOf: [url, { type: 'array', items: url, minItems: 1, maxItems: 16 }],
      title: 'URL',
      description:
        'mqtt://, mqtts://, ws:// or wss://, then the host, and a port if it is not the usual one. Of a list the first that answers is taken.',
    },
    username: { type: 'string', title: 'User name', description: 'The name to log in with.', maxLength: TEXT_MAX },
    password: {
      type: 'string',
      title: 'Password',
      description: 'The password to log in with; better in a file.',
      maxLength: TEXT_MAX,
    },
    passwordFile: { ...file, title: 'Password file', description: 'A file whose first line is the password.' },
    passwordEnv: {
      type: 'string',
      title: 'Password variable',
      description: 'An environment variable that holds the password.',
      minLength: 1,
      maxLength: 256,
    },
    version: {
      enum: ['auto', '3.1.1', '5', 5],
      title: 'Version of MQTT',
      description: 'auto: 5, and 3.1.1 with a broker that does not speak 5.',
      default: 'auto',
    },
    clientId: {
      type: 'string',
      title: 'Client id',
      description: 'Default: carp-, the name of the node, and eight digits of the machine id.',
      minLength: 1,
      maxLength: 128,
    },
    tls,
    base: {
      type: 'string',
      title: 'Base topic',
      description: 'What all topics begin with.',
      minLength: 1,
      maxLength: 256,
      default: 'carp',
    },
    keepalive: {
      type: 'integer',
      title: 'Keepalive',
      description: 'The broker tells of a dead host after one and a half of it.',
      unit: 's',
      minimum: 1,
      maximum: 3600,
      default: 5,
    },
    refresh: {
      type: 'number',
      title: 'Refresh',
      description: 'How often what expires is told anew.',
      unit: 's',
      minimum: 1,
      maximum: 3600,
      default: 10,
    },
    expiry: {
      type: 'integer',
      title: 'Expiry',
      description: 'How long the broker keeps a state that is not told anew (MQTT 5). 0: for ever.',
      unit: 's',
      minimum: 0,
      maximum: 86_400,
      default: 30,
    },
    homeAssistant: {
      type: 'boolean',
      title: 'Home Assistant discovery',
      description: 'Publish what Home Assistant needs to find the groups by itself.',
      default: false,
    },
    homeAssistantPrefix: {
      type: 'string',
      title: 'Discovery prefix',
      description: 'What the discovery topics of Home Assistant begin with.',
      minLength: 1,
      maxLength: 256,
      default: 'homeassistant',
    },
    commands: {
      oneOf: [
        { type: 'boolean' },
        { type: 'array', items: { enum: MQTT_COMMANDS }, minItems: 1, uniqueItems: true, maxItems: 16 },
      ],
      title: 'Commands',
      description:
        'Obey commands that come over MQTT: all, or those of a list. Whoever may publish to the broker can then hand groups over.',
      default: false,
    },
    alarms: {
      type: 'boolean',
      title: 'Alarms',
      description: 'Compare what all hosts of a group say on the bus with what is heard, and raise alarms.',
      default: true,
    },
    sparkplug,
  },
} as const;

export const metrics = {
  type: 'object',
  title: 'Metrics',
  description:
    'Answer GET /metrics (Prometheus) and GET /healthz. There is no login: choose an address that only the right ones reach.',
  additionalProperties: false,
  required: ['port'],
  properties: {
    address: {
      type: 'string',
      title: 'Address',
      description: 'The local address to listen on.',
      minLength: 1,
      maxLength: 45,
      default: '127.0.0.1',
    },
    port: { type: 'integer', title: 'Port', description: 'The TCP port to listen on.', minimum: 1, maximum: 65_535 },
  },
} as const;

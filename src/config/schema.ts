import { DEFAULT_SOCKET } from './default-socket.ts';
import { metrics, mqtt } from './schema-mqtt.ts';

/**
 * The JSON Schema of the configuration file (draft 2020-12). It checks files, completes them with defaults, is shipped
 * as `config.schema.json` for editors, and says title, unit and default of each setting to whoever shows a form.
 *
 * `unit` is an annotation of ours; validators ignore it. What a schema cannot say is in rules.ts.
 */

/** No setting of time is longer: timers of JavaScript overflow after 24 days. */
const DAY_S = 86_400;

const demotion = {
  type: 'object',
  title: 'Demotion',
  description: 'What a failure of this host weighs. 240 and more hands its groups over.',
  additionalProperties: false,
  default: { linkDown: 240, sendErrors: 240, stalled: 240, scope: 'sync' },
  properties: {
    linkDown: {
      type: 'integer',
      title: 'Weight of a link that is down',
      description: 'Added to advskew while the interface of a group has no link.',
      unit: '1/256 s',
      minimum: 0,
      maximum: 65_535,
      default: 240,
    },
    sendErrors: {
      type: 'integer',
      title: 'Weight of send errors',
      description: 'Added to advskew while adverts cannot be sent.',
      unit: '1/256 s',
      minimum: 0,
      maximum: 65_535,
      default: 240,
    },
    stalled: {
      type: 'integer',
      title: 'Weight of a stall',
      description: 'Added to advskew while the process that the agent works for does not answer.',
      unit: '1/256 s',
      minimum: 0,
      maximum: 65_535,
      default: 240,
    },
    scope: {
      enum: ['sync', 'host'],
      title: 'Scope',
      description: 'What a link that is down demotes: the groups of the same sync, or all groups of the host.',
      default: 'sync',
    },
  },
} as const;

const argv = {
  type: 'array',
  items: { type: 'string', maxLength: 4096 },
  minItems: 1,
  maxItems: 64,
} as const;

const hooks = {
  type: 'object',
  title: 'Hooks',
  description: 'Programs that are run when the role changes. Each is a list: the program and its arguments, no shell.',
  additionalProperties: false,
  properties: {
    up: { ...argv, title: 'Up', description: 'Run when the group becomes MASTER.' },
    down: { ...argv, title: 'Down', description: 'Run when the group is no longer MASTER.' },
    change: { ...argv, title: 'Change', description: 'Run at every change, with vhid@interface and the role.' },
    timeout: {
      type: 'number',
      title: 'Timeout',
      description: 'A hook that runs longer is ended.',
      unit: 's',
      exclusiveMinimum: 0,
      maximum: DAY_S,
      default: 30,
    },
  },
} as const;

const track = {
  type: 'object',
  title: 'Check',
  description: 'A command whose failure demotes the group.',
  additionalProperties: false,
  required: ['name', 'command'],
  properties: {
    name: { type: 'string', title: 'Name', description: 'Shown as the reason.', minLength: 1, maxLength: 64 },
    command: { ...argv, title: 'Command', description: 'The program and its arguments, no shell.' },
    every: {
      type: 'number',
      title: 'Every',
      description: 'Time between two checks.',
      unit: 's',
      exclusiveMinimum: 0,
      maximum: DAY_S,
      default: 5,
    },
    rise: {
      type: 'integer',
      title: 'Rise',
      description: 'So many successes in a row end the failure.',
      minimum: 1,
      maximum: 1000,
      default: 2,
    },
    fall: {
      type: 'integer',
      title: 'Fall',
      description: 'So many failures in a row count as one.',
      minimum: 1,
      maximum: 1000,
      default: 3,
    },
    weight: {
      type: 'integer',
      title: 'Weight',
      description: 'Added to advskew while the check fails.',
      unit: '1/256 s',
      minimum: 0,
      maximum: 65_535,
      default: 100,
    },
  },
} as const;

const address = { type: 'string', maxLength: 64 } as const;

const group = {
  type: 'object',
  title: 'Group',
  description: 'One virtual host: hosts with the same vhid, password and addresses share the addresses.',
  additionalProperties: false,
  required: ['name', 'interface', 'vhid'],
  properties: {
    name: {
      type: 'string',
      title: 'Name',
      description: 'What the group is called in messages, topics and commands.',
      maxLength: 1024,
    },
    interface: {
      type: 'string',
      title: 'Interface',
      description: 'The network interface of the adverts and the addresses, such as eth0.',
      maxLength: 1024,
    },
    vhid: {
      type: 'integer',
      title: 'Virtual host id',
      description: 'The number of the group on its network segment; the same on all its hosts.',
      minimum: 1,
      maximum: 255,
    },
    pass: {
      type: 'string',
      title: 'Password',
      description: 'Signs the adverts; the same on all hosts of the group. At most 19 bytes.',
      maxLength: 1024,
    },
    passfile: {
      type: 'string',
      title: 'Password file',
      description: 'A file whose first line is the password. A relative name starts at the configuration file.',
      minLength: 1,
      maxLength: 4096,
    },
    passEnv: {
      type: 'string',
      title: 'Password variable',
      description: 'The environment variable that holds the password.',
      minLength: 1,
      maxLength: 1024,
    },
    addresses: {
      type: 'array',
      title: 'Shared addresses',
      description:
        'With prefix lengths, such as 192.0.2.100/24; the same on all hosts. None: the role alone is shared.',
      items: address,
      maxItems: 256,
      default: [],
    },
    source: {
      anyOf: [address, { type: 'array', items: address, maxItems: 2 }],
      title: 'Source address',
      description: 'The source of the adverts, one for each family. Default: the first suitable one of the interface.',
    },
    sync: {
      type: 'string',
      title: 'Sync group',
      description: 'Groups with the same word here move together.',
      minLength: 1,
      maxLength: 64,
    },
    routes: {
      type: 'array',
      title: 'Routes',
      description: 'Added as MASTER, removed afterwards.',
      items: { type: 'string', maxLength: 1024 },
      maxItems: 256,
      default: [],
    },
    advbase: {
      type: 'integer',
      title: 'Base of the advert interval',
      description: 'Whole seconds between adverts; 0 is the sub-second mode of OpenBSD. The same on all hosts.',
      unit: 's',
      minimum: 0,
      maximum: 255,
      default: 1,
    },
    advskew: {
      type: 'integer',
      title: 'Skew of the advert interval',
      description: 'Added to advbase. The host with the lowest is preferred.',
      unit: '1/256 s',
      minimum: 0,
      maximum: 254,
      default: 0,
    },
    deadratio: {
      type: 'integer',
      title: 'Dead ratio',
      description: 'After so many times advbase without an advert the MASTER counts as gone.',
      minimum: 1,
      maximum: 255,
      default: 3,
    },
    preempt: {
      type: 'boolean',
      title: 'Preempt',
      description: 'Take over from a MASTER with a longer interval, and not only from one that has gone.',
      default: false,
    },
    preemptDelay: {
      type: 'number',
      title: 'Preempt delay',
      description: 'How long to wait before preempting.',
      unit: 's',
      minimum: 0,
      maximum: DAY_S,
      default: 0,
    },
    peers: {
      type: 'array',
      title: 'Peers',
      description: 'Addresses of the other hosts, where multicast does not work. None: 224.0.0.18 and ff02::12.',
      items: address,
      maxItems: 64,
      default: [],
    },
    addressing: {
      enum: ['manual', 'interface', 'virtual-mac'],
      title: 'Addressing',
      description: 'Who adds and removes the addresses: nobody, the agent, or the agent with a MAC of the group.',
      default: 'interface',
    },
    compatibility: {
      enum: ['auto', 'freebsd', 'openbsd', 'netbsd', 'ucarp'],
      title: 'Compatibility',
      description: 'Send adverts as this system does.',
      default: 'auto',
    },
    lladdr: {
      type: 'string',
      title: 'Link-level address',
      description: 'The MAC of the carp interface, if OpenBSD hosts of the group have set one (ifconfig lladdr).',
      maxLength: 64,
    },
    dscp: {
      type: 'integer',
      title: 'DSCP',
      description: 'Differentiated services code point of adverts; FreeBSD calls it net.inet.carp.dscp.',
      minimum: 0,
      maximum: 63,
    },
    checkTtl: {
      enum: ['always', 'ipv4', 'never'],
      title: 'Check TTL',
      description: 'In which families a TTL or hop limit other than 255 is refused: what crossed a router has less.',
      default: 'always',
    },
    broadcast: {
      type: 'boolean',
      title: 'Broadcast',
      description: 'Send IPv4 adverts in Ethernet broadcast frames, as ucarp --nomcast does.',
      default: false,
    },
    multicast: {
      type: 'string',
      title: 'Multicast group',
      description: 'Of IPv4 adverts, if it is not 224.0.0.18; the same on all hosts (ucarp --mcastip).',
      maxLength: 64,
    },
    ignoreLink: {
      type: 'boolean',
      title: 'Ignore link',
      description: 'Go on without carrier, as ucarp --ignoreifstate does.',
      default: false,
    },
    transport: {
      enum: ['auto', 'koffi', 'raw-socket', 'memory'],
      title: 'Transport',
      description: 'How packets are sent; memory is a simulation that needs no network.',
      default: 'auto',
    },
    replay: {
      enum: ['auto', 'strict', 'off'],
      title: 'Replay guard',
      description: 'What to refuse as a repetition of an old advert.',
      default: 'auto',
    },
    announceRefresh: {
      type: 'number',
      title: 'Announce refresh',
      description: 'Time between announcements of the addresses while MASTER; 0 = only at the start.',
      unit: 's',
      minimum: 0,
      maximum: DAY_S,
      default: 10,
    },
    hooks,
    track: {
      type: 'array',
      title: 'Checks',
      description: 'Commands whose failure demotes the group.',
      items: track,
      maxItems: 64,
      default: [],
    },
  },
} as const;

export const configSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'https://github.com/carp-ha/node-red-carp/config.schema.json',
  type: 'object',
  title: 'CARP host',
  description: 'The configuration of one CARP host.',
  additionalProperties: false,
  required: ['groups'],
  properties: {
    node: {
      type: 'string',
      title: 'Node',
      description: 'What this host is called in events and topics. Default: the host name.',
      maxLength: 1024,
    },
    socket: {
      type: 'string',
      title: 'Socket',
      description: 'The Unix socket on which the agent answers.',
      minLength: 1,
      maxLength: 107,
      default: DEFAULT_SOCKET,
    },
    state: {
      type: 'string',
      title: 'State folder',
      description: 'Where leases and history are kept.',
      minLength: 1,
      maxLength: 4096,
      default: '/var/lib/carp',
    },
    startDelay: {
      type: 'number',
      title: 'Start delay',
      description: 'How long groups wait after the start and after their link came up.',
      unit: 's',
      minimum: 0,
      maximum: DAY_S,
      default: 0,
    },
    demotion,
    mqtt,
    metrics,
    groups: {
      type: 'array',
      title: 'Groups',
      description: 'The groups that this host takes part in.',
      items: group,
      maxItems: 1024,
    },
  },
} as const;

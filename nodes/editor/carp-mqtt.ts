/** The form of carp-mqtt. */
import type { MqttCredentials, MqttDef } from '../mqtt-settings.ts';
import { baseTopic, brokerUrls, type Check, chosenNode, decimal, sparkplugId, whole } from './checks.ts';
import { fillMissing, follow, showFor, validator, verdict } from './form.ts';
import { textsOf } from './texts.ts';

type Settings = Omit<MqttDef, 'id' | 'type' | 'z'>;
type Mqtt = EditorNode & Settings;
type Connection = 'broker' | 'own';

const t = textsOf('carp-mqtt');

/** The node whose form is open, and what is chosen there and not yet stored. */
let open: { readonly id: string; readonly connection: () => unknown } | undefined;

/** A node that is older than this setting has fields of its own. */
const connectionOf = ({ id, connection }: Mqtt): Connection =>
  ((open !== undefined && open.id === id ? open.connection() : undefined) ?? connection) === 'broker'
    ? 'broker'
    : 'own';

/** Of two ways to say which broker, the other one is not used, whatever is stored of it. */
const only = (connection: Connection, check: Check): Validate =>
  function (value, _options) {
    return value === undefined || connectionOf(this as Mqtt) !== connection ? true : verdict(check(value), t);
  };

const find = (id: string): EditorNode | null => RED.nodes.node(id);

RED.nodes.registerType<Settings, MqttCredentials>('carp-mqtt', {
  category: 'config',
  color: '#3FADB5',
  icon: 'carp-mqtt.svg',
  defaults: {
    name: { value: '' },
    connection: { value: 'broker' },
    broker: {
      value: '',
      type: 'mqtt-broker',
      validate: only('broker', chosenNode(find, { missing: 'problem.broker', gone: 'problem.broker-gone' })),
    },
    url: { value: '', validate: only('own', brokerUrls) },
    version: { value: 'auto' },
    tls: { value: '', type: 'tls-config', validate: only('own', chosenNode(find, { gone: 'problem.tls' })) },
    base: { value: 'carp', validate: validator(baseTopic, t) },
    homeAssistant: { value: false },
    homeAssistantPrefix: { value: 'homeassistant', validate: validator(baseTopic, t) },
    commands: { value: [] },
    alarms: { value: true },
    sparkplug: { value: '', validate: validator(sparkplugId, t) },
    keepalive: {
      value: '5',
      validate: validator(whole({ key: 'problem.keepalive', least: 1, most: 3600, optional: true }), t),
    },
    refresh: {
      value: '10',
      validate: validator(decimal({ key: 'problem.refresh', least: 1, most: 3600, optional: true }), t),
    },
    expiry: {
      value: '30',
      validate: validator(whole({ key: 'problem.expiry', least: 0, most: 86_400, optional: true }), t),
    },
  },
  credentials: {
    username: { type: 'text' },
    password: { type: 'password' },
  },
  label() {
    if (this.name) return this.name;
    const broker = this.connection === 'broker' ? find(this.broker ?? '')?.label?.() : undefined;
    return (
      broker ??
      (this.url?.trim().replace(/[\s,]+/g, ', ') || t(this.connection === 'broker' ? 'label.unchosen' : 'label.local'))
    );
  },
  oneditprepare() {
    const form = $('.carp-mqtt-form');
    const field = (name: string): JQuery => $(`#node-config-input-${name}`);
    fillMissing(this, 'node-config');
    if (this.connection === undefined) field('connection').val('own');
    if (this.alarms === undefined) field('alarms').prop('checked', true);
    open = { id: this.id, connection: () => field('connection').val() };
    follow(field('connection'), (connection) => {
      showFor(form, 'data-carp-connections', connection);
      // What was right for the other one may be wrong for this one.
      for (const name of ['broker', 'url', 'tls']) field(name).trigger('change');
    });
    const obeyed: readonly string[] = this.commands ?? [];
    for (const box of commandBoxes(form)) box.checked = obeyed.includes(box.value);
    field('homeAssistant')
      .on('change', () => $('#carp-mqtt-row-prefix').toggle(field('homeAssistant').prop('checked') === true))
      .trigger('change');
    $('#carp-mqtt-advanced').prop('open', isAdvanced(this));
  },
  oneditsave() {
    this.commands = commandBoxes($('.carp-mqtt-form')).flatMap(({ checked, value }) => (checked ? [value] : []));
    open = undefined;
  },
});

const commandBoxes = (form: JQuery): readonly HTMLInputElement[] =>
  form.find<HTMLInputElement>('input.carp-command').get();

const ADVANCED = { keepalive: '5', refresh: '10', expiry: '30', sparkplug: '' } as const;

/** Whether one of the settings that are folded away is not what it is in a new node. */
const isAdvanced = (node: Mqtt): boolean =>
  node.alarms === false ||
  Object.entries(ADVANCED).some(([name, usual]) => {
    const value = String(node[name as keyof typeof ADVANCED] ?? usual);
    return value !== '' && value !== usual;
  });

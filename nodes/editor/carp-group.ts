/** The form of carp-group. */
import type { GroupDef } from '../group-settings.ts';
import {
  absolutePath,
  type Check,
  decimal,
  each,
  interfaceName,
  isZeroInterval,
  passphrase,
  peerAddress,
  sharedAddress,
  sources,
  topicLevel,
  whole,
} from './checks.ts';
import { fillList, fillMissing, follow, linesOf, showFor, validator, verdict } from './form.ts';
import { completeInterfaces } from './interfaces.ts';
import { textsOf } from './texts.ts';
import { type Seat, twinOf } from './twins.ts';

type Settings = Omit<GroupDef, 'id' | 'type' | 'z'>;
type Group = EditorNode & Settings;

const t = textsOf('carp-group');

/** The settings of a system service are its own: what is stored here of them is not used. */
const unlessService = (check: Check): Validate =>
  function (value, _options) {
    return (this as Group).mode === 'service' ? true : verdict(check(value), t);
  };

const allGroups = (): readonly Group[] => {
  const all: Group[] = [];
  RED.nodes.eachConfig((node) => {
    if (node.type === 'carp-group') all.push(node as Group);
    return true;
  });
  return all;
};

/** Why this group could not run beside another one. */
const twinText = (seat: Seat): string | undefined => {
  const twin = twinOf(seat, allGroups());
  return twin === undefined
    ? undefined
    : t(`problem.twin-${twin.same}`, { other: twin.other.name || twin.other.group, vhid: String(seat.vhid) });
};

RED.nodes.registerType<Settings, { passphrase: string }>('carp-group', {
  category: 'config',
  color: '#3FADB5',
  icon: 'carp-group.svg',
  // A group shares its addresses whether or not a node on a tab looks at it.
  hasUsers: false,
  defaults: {
    name: { value: '' },
    group: { value: 'plant', required: true, validate: validator(topicLevel('problem.group', false), t) },
    host: { value: '', validate: validator(topicLevel('problem.host', true), t) },
    mode: { value: 'run' },
    socket: {
      value: '',
      validate(value, _options) {
        return (this as Group).mode === 'service' ? verdict(absolutePath(value), t) : true;
      },
    },
    interface: { value: 'eth0', validate: unlessService(interfaceName) },
    vhid: {
      value: 1,
      validate(value, options) {
        const flaw = unlessService(whole({ key: 'problem.vhid', least: 1, most: 255 })).call(this, value, options);
        if (flaw !== true) return flaw;
        return twinText({ ...(this as Group), vhid: value }) ?? true;
      },
    },
    addresses: { value: [], validate: unlessService(each(sharedAddress)) },
    source: { value: '', validate: unlessService(sources) },
    advbase: {
      value: 1,
      validate(value, options) {
        const { mode, advskew } = this as Group;
        if (mode !== 'service' && isZeroInterval(value, advskew)) return t('problem.zero');
        return unlessService(whole({ key: 'problem.advbase', least: 0, most: 255 })).call(this, value, options);
      },
    },
    // Text, because the editor makes nothing of the number 0 in a new configuration node.
    advskew: { value: '0', validate: unlessService(whole({ key: 'problem.advskew', least: 0, most: 254 })) },
    deadratio: { value: 3, validate: unlessService(whole({ key: 'problem.deadratio', least: 1, most: 255 })) },
    preempt: { value: false },
    preemptDelay: {
      value: '0',
      validate: unlessService(decimal({ key: 'problem.preemptDelay', least: 0, most: 86_400, optional: true })),
    },
    addressing: { value: 'interface' },
    mqtt: { value: '', type: 'carp-mqtt', required: false },
    agentExecPath: { value: '' },
    peers: { value: [], validate: unlessService(each(peerAddress)) },
    sync: { value: '', validate: unlessService(topicLevel('problem.sync', true)) },
    compatibility: { value: 'auto' },
    checkTtl: { value: 'always' },
    replay: { value: 'auto' },
    transport: { value: 'auto' },
    announceRefresh: {
      value: '10',
      validate: unlessService(decimal({ key: 'problem.announceRefresh', least: 0, most: 86_400, optional: true })),
    },
  },
  credentials: {
    passphrase: { type: 'password', validate: validator(passphrase, t) },
  },
  label() {
    return this.name || (this.host ? `${this.group} · ${this.host}` : this.group);
  },
  oneditprepare() {
    const form = $('.carp-group-form');
    const field = (name: string): JQuery => $(`#node-config-input-${name}`);

    fillList($('#node-config-input-carp-addresses'), {
      values: this.addresses ?? [],
      placeholder: t('placeholder.address'),
      label: t('label.addresses'),
      check: sharedAddress,
      t,
    });
    fillList($('#node-config-input-carp-peers'), {
      values: this.peers ?? [],
      placeholder: t('placeholder.peer'),
      label: t('label.peers'),
      check: peerAddress,
      t,
    });
    fillMissing(this, 'node-config');

    completeInterfaces(field('interface'));
    follow(field('mode'), (mode) => showFor(form, 'data-carp-modes', mode));
    field('preempt')
      .on('change', () => $('#carp-group-row-preemptDelay').toggle(field('preempt').prop('checked') === true))
      .trigger('change');

    const warnOfTwin = (): void => {
      const typed = (name: string): unknown => field(name).val();
      const text = twinText({
        id: this.id,
        group: typed('group'),
        host: typed('host'),
        mode: typed('mode'),
        interface: typed('interface'),
        vhid: typed('vhid'),
      });
      $('#carp-group-twin')
        .text(text ?? '')
        .toggle(text !== undefined);
    };
    for (const name of ['group', 'host', 'mode', 'interface', 'vhid']) field(name).on('input change', warnOfTwin);
    warnOfTwin();

    $('#carp-group-advanced').prop('open', isAdvanced(this));
  },
  oneditsave() {
    this.addresses = linesOf($('#node-config-input-carp-addresses'));
    this.peers = linesOf($('#node-config-input-carp-peers'));
  },
});

const ADVANCED_CHOICES = {
  addressing: 'interface',
  compatibility: 'auto',
  checkTtl: 'always',
  replay: 'auto',
  transport: 'auto',
} as const;

const ADVANCED_NUMBERS = { advbase: '1', deadratio: '3', announceRefresh: '10' } as const;

/** Whether one of the settings that are folded away is not what it is in a new group. */
const isAdvanced = (group: Group): boolean =>
  [...Object.entries(ADVANCED_CHOICES), ...Object.entries(ADVANCED_NUMBERS)].some(([name, usual]) => {
    const value = String(group[name as keyof Settings] ?? usual);
    return value !== '' && value !== usual;
  }) || [group.source, group.sync, group.agentExecPath, ...(group.peers ?? [])].some((value) => Boolean(value));

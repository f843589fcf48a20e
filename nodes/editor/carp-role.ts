/** The form of carp-role. */
import type { RoleDef } from '../carp-role.ts';
import { decimal, whole } from './checks.ts';
import { fillMissing, follow, validator } from './form.ts';
import { CATEGORY_DESCRIPTION, labelled, styleOf } from './palette.ts';
import { textsOf } from './texts.ts';

type Settings = Omit<RoleDef, 'id' | 'type' | 'z'> & {
  /** 1: a message may ask for the role. Only the editor reads it. */
  readonly inputs?: number;
};

const t = textsOf('carp-role');
const label = labelled('carp-role');

/** Ports for roles: without the one for alerts. */
const portsOf = ({ outputs, alerts }: Pick<Settings, 'outputs' | 'alerts'>): number =>
  Math.min(3, Math.max(1, Number(outputs) - (alerts ? 1 : 0)));

const PORTS: Readonly<Record<number, readonly string[]>> = {
  1: ['port.role'],
  2: ['port.master', 'port.other'],
  3: ['port.master', 'port.backup', 'port.rest'],
};

RED.nodes.registerType<Settings>('carp-role', {
  category: 'redundancy',
  categoryDescription: CATEGORY_DESCRIPTION,
  color: '#3FADB5',
  icon: 'carp-role.svg',
  defaults: {
    name: { value: '' },
    group: { value: '', type: 'carp-group', required: true },
    inputs: { value: 0 },
    outputs: { value: 1 },
    alerts: { value: false },
    onDeploy: { value: false },
    heartbeat: {
      value: '0',
      validate: validator(decimal({ key: 'problem.heartbeat', least: 0, most: 86_400, optional: true }), t),
    },
    payload: { value: 'string' },
    debounce: {
      value: '0',
      validate: validator(whole({ key: 'problem.debounce', least: 0, most: 3_600_000, optional: true }), t),
    },
    context: { value: '' },
    contextType: { value: 'none' },
  },
  inputs: 0,
  outputs: 1,
  inputLabels: () => t('port.ask'),
  outputLabels(index) {
    const key = PORTS[portsOf(this)]?.[index];
    return t(key ?? 'port.alerts');
  },
  paletteLabel: () => t('paletteLabel'),
  label() {
    return label(this.name, this.group);
  },
  labelStyle() {
    return styleOf(this.name);
  },
  oneditprepare() {
    fillMissing(this, 'node');
    $('#carp-role-ports').val(String(portsOf(this)));
    $('#carp-role-asked').prop('checked', Number(this.inputs ?? 0) === 1);
    follow($('#node-input-contextType'), (type) => $('#carp-role-row-context').toggle(type !== 'none'));
  },
  oneditsave() {
    const alerts = $('#node-input-alerts').prop('checked') === true;
    $('#node-input-outputs').val(Number($('#carp-role-ports').val()) + (alerts ? 1 : 0));
    this.inputs = $('#carp-role-asked').prop('checked') === true ? 1 : 0;
  },
});

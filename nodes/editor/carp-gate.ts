/** The form of carp-gate. */
import type { GateDef } from '../carp-gate.ts';
import { whole } from './checks.ts';
import { fillMissing, follow, showFor, validator } from './form.ts';
import { CATEGORY_DESCRIPTION, labelled, styleOf } from './palette.ts';
import { rolesOf } from './roles.ts';
import { textsOf } from './texts.ts';

const t = textsOf('carp-gate');
const label = labelled('carp-gate');

RED.nodes.registerType<Omit<GateDef, 'id' | 'type' | 'z'>>('carp-gate', {
  category: 'redundancy',
  categoryDescription: CATEGORY_DESCRIPTION,
  color: '#3FADB5',
  icon: 'carp-gate.svg',
  defaults: {
    name: { value: '' },
    group: { value: '', type: 'carp-group', required: true },
    roles: {
      value: ['MASTER'],
      validate: (value, _options) => value === undefined || rolesOf(value).length > 0 || t('problem.roles'),
    },
    mode: { value: 'drop' },
    limit: {
      value: '100',
      validate: validator(whole({ key: 'problem.limit', least: 1, most: 10_000 }), t),
    },
  },
  inputs: 1,
  outputs: 2,
  outputLabels: (index) => t(index === 0 ? 'port.pass' : 'port.blocked'),
  paletteLabel: () => t('paletteLabel'),
  label() {
    return label(this.name, this.group);
  },
  labelStyle() {
    return styleOf(this.name);
  },
  oneditprepare() {
    fillMissing(this, 'node');
    const roles = rolesOf(this.roles ?? 'MASTER');
    for (const role of ['MASTER', 'BACKUP']) $(`#carp-gate-role-${role}`).prop('checked', roles.includes(role));
    follow($('#node-input-mode'), (mode) => showFor($('.carp-form'), 'data-carp-modes', mode));
  },
  oneditsave() {
    this.roles = ['MASTER', 'BACKUP'].filter((role) => $(`#carp-gate-role-${role}`).prop('checked') === true);
  },
});

/** The form of carp-control. */
import type { ControlDef } from '../carp-control.ts';
import { decimal, reason, whole } from './checks.ts';
import { fillMissing, follow, showFor, validator } from './form.ts';
import { CATEGORY_DESCRIPTION, styleOf } from './palette.ts';
import { textsOf } from './texts.ts';

const t = textsOf('carp-control');

RED.nodes.registerType<Omit<ControlDef, 'id' | 'type' | 'z'>>('carp-control', {
  category: 'redundancy',
  categoryDescription: CATEGORY_DESCRIPTION,
  color: '#3FADB5',
  icon: 'carp-control.svg',
  defaults: {
    name: { value: '' },
    group: { value: '', type: 'carp-group', required: true },
    action: { value: 'hand-over' },
    force: { value: false },
    scope: { value: 'group' },
    reason: { value: 'flow', validate: validator(reason, t) },
    weight: { value: '240', validate: validator(whole({ key: 'problem.weight', least: 1, most: 65_535 }), t) },
    forSeconds: {
      value: '0',
      validate: validator(decimal({ key: 'problem.forSeconds', least: 0, most: 2_592_000, optional: true }), t),
    },
    advskew: {
      value: '',
      validate: validator(whole({ key: 'problem.advskew', least: 0, most: 254, optional: true }), t),
    },
    timeout: {
      value: '4',
      validate: validator(decimal({ key: 'problem.timeout', least: 0.1, most: 60, optional: true }), t),
    },
  },
  inputs: 1,
  outputs: 1,
  outputLabels: () => t('port.result'),
  paletteLabel: () => t('paletteLabel'),
  label() {
    return this.name || (this.action ? t(`action.${this.action}`) : t('paletteLabel'));
  },
  labelStyle() {
    return styleOf(this.name);
  },
  oneditprepare() {
    fillMissing(this, 'node');
    follow($('#node-input-action'), (action) => showFor($('.carp-form'), 'data-carp-actions', action || 'message'));
  },
});

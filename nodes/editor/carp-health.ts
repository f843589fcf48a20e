/** The form of carp-health. */
import type { HealthDef } from '../carp-health.ts';
import { decimal, whole } from './checks.ts';
import { fillMissing, follow, showFor, validator } from './form.ts';
import { CATEGORY_DESCRIPTION, labelled, styleOf } from './palette.ts';
import { textsOf } from './texts.ts';

const t = textsOf('carp-health');
const label = labelled('carp-health');

RED.nodes.registerType<Omit<HealthDef, 'id' | 'type' | 'z'>>('carp-health', {
  category: 'redundancy',
  categoryDescription: CATEGORY_DESCRIPTION,
  color: '#3FADB5',
  icon: 'carp-health.svg',
  defaults: {
    name: { value: '' },
    group: { value: '', type: 'carp-group', required: true },
    weight: { value: '240', validate: validator(whole({ key: 'problem.weight', least: 1, most: 65_535 }), t) },
    property: { value: 'payload', required: true },
    rule: { value: 'truthy' },
    value: { value: 'ok' },
    valueType: { value: 'str' },
    fall: { value: '1', validate: validator(whole({ key: 'problem.count', least: 1, most: 1000 }), t) },
    rise: { value: '1', validate: validator(whole({ key: 'problem.count', least: 1, most: 1000 }), t) },
    expect: {
      value: '0',
      validate: validator(decimal({ key: 'problem.expect', least: 0, most: 86_400, optional: true }), t),
    },
    initially: { value: 'waiting' },
  },
  inputs: 1,
  outputs: 0,
  inputLabels: () => t('port.message'),
  paletteLabel: () => t('paletteLabel'),
  label() {
    return label(this.name, this.group);
  },
  labelStyle() {
    return styleOf(this.name);
  },
  oneditprepare() {
    fillMissing(this, 'node');
    $('#node-input-property').typedInput({ default: 'msg', types: ['msg'] });
    $('#node-input-value').typedInput({
      default: 'str',
      types: ['str', 'num', 'bool', 'env', 'flow', 'global'],
      typeField: $('#node-input-valueType'),
    });
    follow($('#node-input-rule'), (rule) => showFor($('.carp-form'), 'data-carp-rules', rule));
  },
});

/** The form of carp-watch. */
import type { WatchDef } from '../carp-watch.ts';
import { absolutePath, interfaceName, whole } from './checks.ts';
import { fillMissing, follow, showFor, validator, verdict } from './form.ts';
import { completeInterfaces } from './interfaces.ts';
import { CATEGORY_DESCRIPTION, styleOf } from './palette.ts';
import { textsOf } from './texts.ts';

type Settings = Omit<WatchDef, 'id' | 'type' | 'z'>;

const t = textsOf('carp-watch');

RED.nodes.registerType<Settings>('carp-watch', {
  category: 'redundancy',
  categoryDescription: CATEGORY_DESCRIPTION,
  color: '#3FADB5',
  icon: 'carp-watch.svg',
  defaults: {
    name: { value: '' },
    interface: { value: 'eth0', validate: validator(interfaceName, t) },
    mode: { value: 'run' },
    socket: {
      value: '',
      validate(value, _options) {
        return (this as EditorNode & Settings).mode === 'service' ? verdict(absolutePath(value), t) : true;
      },
    },
    vhid: { value: '', validate: validator(whole({ key: 'problem.vhid', least: 1, most: 255, optional: true }), t) },
    agentExecPath: { value: '' },
  },
  inputs: 0,
  outputs: 1,
  outputLabels: () => t('port.change'),
  paletteLabel: () => t('paletteLabel'),
  label() {
    return this.name || (this.vhid ? `${this.vhid}@${this.interface}` : this.interface) || t('paletteLabel');
  },
  labelStyle() {
    return styleOf(this.name);
  },
  oneditprepare() {
    fillMissing(this, 'node');
    completeInterfaces($('#node-input-interface'));
    follow($('#node-input-mode'), (mode) => showFor($('.carp-form'), 'data-carp-modes', mode));
  },
});

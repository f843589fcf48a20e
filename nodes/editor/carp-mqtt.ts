/** The form of carp-mqtt. */
import type { MqttCredentials, MqttDef } from '../group-settings.ts';
import { baseTopic, brokerUrl } from './checks.ts';
import { validator } from './form.ts';
import { textsOf } from './texts.ts';

const t = textsOf('carp-mqtt');

RED.nodes.registerType<Omit<MqttDef, 'id' | 'type' | 'z'>, MqttCredentials>('carp-mqtt', {
  category: 'config',
  color: '#3FADB5',
  icon: 'carp-mqtt.svg',
  defaults: {
    name: { value: '' },
    url: { value: '', validate: validator(brokerUrl, t) },
    base: { value: 'carp', validate: validator(baseTopic, t) },
  },
  credentials: {
    username: { type: 'text' },
    password: { type: 'password' },
  },
  label() {
    return this.name || this.url || 'mqtt://127.0.0.1:1883';
  },
});

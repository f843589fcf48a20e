import type { MqttSettings } from '../../src/adapters/mqtt/settings.ts';

/** What the schema makes of a `mqtt:` that says this. */
export const mqttSettings = (said: Partial<MqttSettings> & Pick<MqttSettings, 'url'>): MqttSettings => ({
  version: 'auto',
  base: 'carp',
  keepalive: 5,
  refresh: 10,
  expiry: 30,
  homeAssistant: false,
  homeAssistantPrefix: 'homeassistant',
  commands: false,
  alarms: true,
  ...said,
});

/** What the schema cannot say about `mqtt`. */
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { nameProblem } from './name-rules.ts';
import { mqttPasswordRules, type Surroundings } from './secret-rules.ts';
import type { MqttConfig } from './types.ts';

const SCHEMES = ['mqtt:', 'mqtts:', 'ws:', 'wss:'];
const URL_PATH = ['mqtt', 'url'];

export const mqttRules = (mqtt: Loose<MqttConfig>, around: Surroundings): readonly Finding[] => [
  ...(Array.isArray(mqtt.url)
    ? mqtt.url.flatMap((url, i) => urlRules(url, [...URL_PATH, i]))
    : urlRules(typeof mqtt.url === 'string' ? mqtt.url : undefined, URL_PATH)),
  ...topicRules(mqtt.base, 'base', 'carp or site/carp'),
  ...topicRules(mqtt.homeAssistantPrefix, 'homeAssistantPrefix', 'homeassistant'),
  ...mqttPasswordRules(mqtt, around),
];

const urlRules = (text: string | undefined, path: Path): readonly Finding[] => {
  if (text === undefined) return [];
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // The URL itself is not shown: people write passwords into it.
  if (url === undefined || !SCHEMES.includes(url.protocol) || url.hostname === '')
    return [error(path, 'must be a URL such as mqtt://broker:1883, mqtts://, ws:// or wss://')];
  return url.password === ''
    ? []
    : [warning(path, 'contains a password; it is safer in passwordFile, with the name in username')];
};

const topicRules = (topic: string | undefined, key: string, example: string): readonly Finding[] =>
  topic === undefined || topic.split('/').every((level) => nameProblem(level) === undefined)
    ? []
    : [error(['mqtt', key], `must be a topic without wildcards, such as ${example}, but is ${show(topic)}`)];

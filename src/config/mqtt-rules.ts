/** What the schema cannot say about `mqtt`. */
import { isIPv6 } from 'node:net';
import { parseEndpoint } from '../adapters/mqtt/connection/endpoint.ts';
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { nameProblem } from './name-rules.ts';
import { mqttPasswordRules, type Surroundings } from './secret-rules.ts';
import { tlsRules } from './tls-rules.ts';
import type { MqttConfig } from './types.ts';

export const mqttRules = (mqtt: Loose<MqttConfig>, around: Surroundings): readonly Finding[] => {
  const urls = urlsOf(mqtt);
  const isTls = urls.some(({ text }) => parseEndpoint(text)?.isTls === true);
  return [
    ...urls.flatMap(({ text, path }) => urlRules(text, path)),
    ...topicRules(mqtt.base, 'base', 'carp or site/carp'),
    ...topicRules(mqtt.homeAssistantPrefix, 'homeAssistantPrefix', 'homeassistant'),
    ...mqttPasswordRules(mqtt, around),
    // Nobody is told that TLS is not used who is told that the URL is none.
    ...tlsRules(mqtt.tls, isTls || urls.every(({ text }) => parseEndpoint(text) === undefined), around),
    ...expiryRules(mqtt),
  ];
};

const urlsOf = ({ url }: Loose<MqttConfig>): readonly { readonly text: string; readonly path: Path }[] => {
  const path: Path = ['mqtt', 'url'];
  if (typeof url === 'string') return [{ text: url, path }];
  return (url ?? []).flatMap((text, i) => (text === undefined ? [] : [{ text, path: [...path, i] }]));
};

const urlRules = (text: string, path: Path): readonly Finding[] => {
  const endpoint = parseEndpoint(text);
  // The URL itself is not shown: people write passwords into it.
  if (endpoint === undefined)
    return [error(path, 'must be a URL such as mqtt://broker:1883, mqtts://, ws:// or wss://')];
  // URL knows no zones (RFC 6874).
  if (isIPv6(endpoint.host) && /^fe[89ab]/i.test(endpoint.host))
    return [
      error(path, 'has a link-local address, and a URL cannot tell its interface; use another address, or a name'),
    ];
  return endpoint.password === undefined
    ? []
    : [warning(path, 'contains a password; it is safer in passwordFile, with the name in username')];
};

const topicRules = (topic: string | undefined, key: string, example: string): readonly Finding[] => {
  if (topic === undefined) return [];
  const path = ['mqtt', key];
  if (topic.startsWith('$')) return [error(path, `must not begin with $, which belongs to the broker; use ${example}`)];
  return topic.split('/').every((level) => nameProblem(level) === undefined)
    ? []
    : [error(path, `must be a topic without wildcards, such as ${example}, but is ${show(topic)}`)];
};

const expiryRules = ({ expiry, refresh }: Loose<MqttConfig>): readonly Finding[] => {
  if (expiry === undefined || refresh === undefined || expiry === 0) return [];
  const path = ['mqtt', 'expiry'];
  const advice = `use 3 times refresh (${Math.ceil(3 * refresh)}), or 0 for never`;
  if (expiry <= refresh)
    return [
      error(
        path,
        `is not longer than refresh (${refresh} s), so that what is told is gone before it is told again; ${advice}`,
      ),
    ];
  return expiry < 2 * refresh
    ? [warning(path, `is shorter than two refreshes: one that is late, and what is told is gone meanwhile; ${advice}`)]
    : [];
};

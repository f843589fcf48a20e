/** Where and how commands are answered. */

import type { Announcement, MessageProperties } from '../part.ts';
import type { MqttSettings } from '../settings.ts';
import { topicPath } from '../topics.ts';
import { type Aim, type CommandId, TOPIC_LENGTH_MAX } from './commands-order.ts';

/** `<base>/<group>/node/<node>/cmd/result`, or on the response topic of the command. */
export interface CommandResult {
  /** That of the command. */
  readonly id?: CommandId;
  readonly command: string;
  readonly group: string;
  readonly node: string;
  readonly ok: boolean;
  /** What came of it. */
  readonly result?: object;
  readonly error?: CommandError;
  readonly at: string;
}

export interface CommandError {
  /** One of ports/error.ts, or of `REFUSALS`. */
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
}

/** Where an answer goes, and what it carries with it. */
export type ReplyTo = Pick<Announcement, 'topic' | 'properties' | 'once'>;

/** Of MQTT 5's correlation data, in bytes. They come back with the answer, so they are a matter of memory here. */
export const CORRELATION_BYTES_MAX = 1024;
/** Some brokers end the connection of who publishes on a deeper topic than they like: Mosquitto at 200 levels. */
const LEVELS_MAX = 32;
const SPARKPLUG = 'spBv1.0';

export const resultTopic = ({ path }: Aim): string => `${path}/cmd/result`;

/**
 * The response topic of the command with its correlation data (MQTT 5, 4.10), else `cmd/result`. Either that, or why the
 * response topic cannot be used: an answer there could be taken for a command, or stand where something is retained.
 */
export const replyTo = (
  aim: Aim,
  { responseTopic, correlationData }: MessageProperties,
  settings: Pick<MqttSettings, 'base' | 'homeAssistantPrefix'>,
): ReplyTo | string => {
  if (correlationData !== undefined && correlationData.length > CORRELATION_BYTES_MAX)
    return `the correlation data have more than ${CORRELATION_BYTES_MAX} bytes`;
  const unfit = responseTopic === undefined ? undefined : unfitness(responseTopic, settings);
  if (unfit !== undefined) return unfit;
  return {
    topic: responseTopic ?? resultTopic(aim),
    // A topic that this broker cannot bear costs one connection, not each one after it.
    ...(responseTopic === undefined ? {} : { once: true }),
    properties: { contentType: 'application/json', ...(correlationData === undefined ? {} : { correlationData }) },
  };
};

const unfitness = (
  topic: string,
  { base, homeAssistantPrefix }: Pick<MqttSettings, 'base' | 'homeAssistantPrefix'>,
): string | undefined => {
  if (topic === '' || topic.length > TOPIC_LENGTH_MAX)
    return `the response topic has not between 1 and ${TOPIC_LENGTH_MAX} characters`;
  if (topic.split('/').length > LEVELS_MAX) return `the response topic has more than ${LEVELS_MAX} levels`;
  // Nobody may publish there: MQTT 5, 1.5.4, 3.3.2.1 and 4.7.2.
  if (/[+#]/.test(topic)) return 'the response topic has wildcards';
  if (/[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u.test(topic))
    return 'the response topic has characters that no topic may have';
  if (topic.startsWith('$')) return 'the response topic belongs to the broker';
  const first = [topicPath(base), homeAssistantPrefix, SPARKPLUG].find((path) => isWithin(topic, path));
  if (first === undefined || topic.endsWith('/cmd/result')) return undefined;
  return `the response topic is below ${first}, where states and commands are`;
};

const isWithin = (topic: string, path: string): boolean => topic === path || topic.startsWith(`${path}/`);

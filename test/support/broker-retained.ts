/** What a broker keeps, as somebody who comes now finds it. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import mqtt from 'mqtt';
import type { LocalBroker } from './broker-local.ts';

const ANSWER_MS = 15_000;

/**
 * Every retained message that the filters match, by topic. Complete: a marker that is published behind the subscription
 * comes back behind them.
 */
export const retainedOn = async (
  { url, tls }: Pick<LocalBroker, 'url' | 'tls'>,
  ...filters: readonly string[]
): Promise<ReadonlyMap<string, string>> => {
  const marker = `marker/${randomBytes(8).toString('hex')}`;
  const client = await mqtt.connectAsync(url, {
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: ANSWER_MS,
    ...(tls?.caFile === undefined ? {} : { ca: await readFile(tls.caFile) }),
  });
  try {
    const retained = new Map<string, string>();
    const complete = new Promise<void>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${url} did not deliver within ${ANSWER_MS} ms`)), ANSWER_MS);
      client.on('message', (topic, payload, { retain }) => {
        if (retain) retained.set(topic, payload.toString('utf8'));
        if (topic !== marker) return;
        clearTimeout(late);
        resolve();
      });
    });
    await client.subscribeAsync([...(filters.length === 0 ? ['#'] : filters), marker], { qos: 1 });
    await Promise.all([complete, client.publishAsync(marker, '', { qos: 1 })]);
    return retained;
  } finally {
    await client.endAsync(true);
  }
};

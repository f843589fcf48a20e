/**
 * Two Mosquittos with a bridge between them, as between two plants: everything below `carp/` is carried both ways, QoS 1,
 * retained messages as such.
 */
import { type LocalBroker as Broker, freePorts, LocalBroker } from './broker-local.ts';
import type { Scope } from './netns.ts';
import { until } from './wait.ts';

const CONNECT_MS = 30_000;

export interface BridgedBrokers {
  /** The one that others connect to. */
  readonly centre: Broker;
  /** The one that makes the bridge. */
  readonly plant: Broker;
  /** Until the bridge carries messages, again after one of the two was started anew. */
  readonly untilBridged: () => Promise<void>;
}

/** MQTT 5 on the bridge too, so that the expiry of a message crosses it. */
const bridgeLines = (name: string, port: number): readonly string[] => [
  `connection ${name}`,
  `address 127.0.0.1:${port}`,
  'topic carp/# both 1',
  'bridge_protocol_version mqttv50',
  'cleansession true',
  'try_private true',
  'notifications false',
  'restart_timeout 1',
];

export const startBridge = async (scope: Scope): Promise<BridgedBrokers> => {
  const [centrePort = 0, plantPort = 0] = await freePorts(2);
  const name = `bridge-${plantPort}`;
  const centre = await LocalBroker.start(scope, { port: centrePort });
  const plant = await LocalBroker.start(scope, { port: plantPort, lines: bridgeLines(name, centrePort) });
  const untilBridged = async (): Promise<void> => {
    await until(
      'the bridge',
      CONNECT_MS,
      // The bridge has subscribed: what comes now crosses it.
      () => centre.log.some((line) => line.includes(name) && line.includes('carp/#')),
      () => [...plant.log, ...centre.log].join('\n'),
    );
  };
  await untilBridged();
  return { centre, plant, untilBridged };
};

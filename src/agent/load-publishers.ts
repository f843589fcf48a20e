import { machineId } from '../adapters/node/machine-id.ts';
import type { CreatePublisher, Publisher } from './publishing.ts';

/** Most hosts have no broker, and the libraries take their time: they are loaded by the first host that has one. */
export const loadPublishers = async (): Promise<CreatePublisher> => {
  const { createMqttPublisher } = await import('../adapters/mqtt/publisher.ts');
  const { createSparkplugPublisher } = await import('../adapters/sparkplug/publisher.ts');
  return (options) => {
    const mine = { ...options, machineId: machineId() };
    const { sparkplug } = options.settings;
    const publisher = createMqttPublisher(mine);
    if (sparkplug === undefined) return publisher;
    return together(publisher, createSparkplugPublisher({ ...mine, settings: { ...options.settings, sparkplug } }));
  };
};

/** @param main - whose status is that of both */
export const together = (main: Publisher, ...others: readonly Publisher[]): Publisher => ({
  status: () => main.status?.(),
  close: async (how) => {
    await Promise.all([main, ...others].map((publisher) => publisher.close(how)));
  },
  kill: () => {
    for (const publisher of [main, ...others]) publisher.kill();
  },
});

import { createServer, type Socket } from 'node:net';
import { Aedes } from 'aedes';

export interface DemoBroker {
  readonly stop: () => Promise<void>;
}

/**
 * An MQTT 3.1.1 broker on the loopback address, in this process.
 * @throws (rejects) the error of the system when the port cannot be had
 */
export const startDemoBroker = async (port: number): Promise<DemoBroker> => {
  const broker = await Aedes.createBroker();
  // A client that speaks MQTT 5, or something else altogether, is refused, and that is all there is to say about it.
  broker.on('clientError', () => undefined);
  broker.on('connectionError', () => undefined);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const closeBroker = (): Promise<void> => new Promise((resolve) => broker.close(() => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await closeBroker();
    throw error;
  }
  return {
    stop: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await Promise.all([closed, closeBroker()]);
    },
  };
};

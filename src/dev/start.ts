/**
 * `npm start`: Node-RED with this package and the first example flow, and a broker, on the loopback address. Nothing is
 * installed, nothing is kept, and nothing needs permission: the hosts of the flow are simulated.
 *
 * Environment: PORT (editor, 1880), MQTT_PORT (broker, 1883).
 */
import { existsSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startDemoBroker } from './demo-broker.ts';
import { createDemoFolder } from './demo-folder.ts';
import { startDemoNodeRed } from './demo-node-red.ts';

/** Something the reader can put right: printed as it is, without a stack. */
class DemoError extends Error {}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const flow = join(root, 'examples', 'first-failover.json');
const ORPHAN_CHECK_MS = 500;

const start = async (): Promise<void> => {
  const editorPort = portOf('PORT', 1880);
  const mqttPort = portOf('MQTT_PORT', 1883);
  if (editorPort === mqttPort)
    throw new DemoError(`PORT and MQTT_PORT are both ${mqttPort}: choose two different ports.`);
  if (!existsSync(flow)) throw new DemoError(`${flow} is missing: get it back with git checkout -- examples.`);

  const undo: (() => unknown)[] = [];
  const signal = untilAskedToStop();
  try {
    await assertFree('PORT', editorPort);
    const broker = await startDemoBroker(mqttPort).catch((error: unknown) => {
      throw portProblem('MQTT_PORT', mqttPort, error);
    });
    undo.push(broker.stop);
    const folder = createDemoFolder({ root, port: editorPort, flow });
    undo.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
    const nodeRed = startDemoNodeRed(folder, {
      CARP_DEMO_MQTT_PORT: String(mqttPort),
    });
    undo.push(nodeRed.stop);
    if (await Promise.race([signal, nodeRed.ready.then(() => false)])) return;
    console.log(welcome(editorPort, mqttPort));
    const asked = await Promise.race([signal, nodeRed.ended.then(() => false)]);
    if (!asked) throw new DemoError('Node-RED ended; what it said is above.');
  } finally {
    for (const step of undo.reverse()) await step();
  }
};

const portOf = (variable: string, usual: number): number => {
  const text = process.env[variable];
  if (text === undefined || text === '') return usual;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new DemoError(
    `${variable}=${text} is no port: give a number from 1 to 65535, e.g. ${variable}=${usual + 10_000}.`,
  );
};

/** Node-RED would say that its port is taken in a page of log. */
const assertFree = (variable: string, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(portProblem(variable, port, error)));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()));
  });

const portProblem = (variable: string, port: number, error: unknown): unknown => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const other = `npm start with another one: ${variable}=${port < 50_000 ? port + 10_000 : port - 10_000} npm start`;
  if (code === 'EADDRINUSE') {
    const who = variable === 'MQTT_PORT' ? 'by another broker, probably' : 'by another Node-RED, probably';
    return new DemoError(`Port ${port} on 127.0.0.1 is taken (${who}). Try ${other}`);
  }
  if (code === 'EACCES') return new DemoError(`Port ${port} is for root only. Try ${other}`);
  return error;
};

/**
 * Resolves with true on Ctrl-C, SIGTERM or SIGHUP, and when the process that started this one has gone: npm does not
 * pass a signal on to the end of a chain of commands.
 */
const untilAskedToStop = (): Promise<true> =>
  new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => resolve(true));
    const parent = process.ppid;
    setInterval(() => {
      if (process.ppid !== parent) resolve(true);
    }, ORPHAN_CHECK_MS).unref();
  });

const welcome = (editorPort: number, mqttPort: number): string => `
node-red-carp

  Editor   http://127.0.0.1:${editorPort}
  MQTT     mqtt://127.0.0.1:${mqttPort}   topics carp/#

  Two simulated hosts, rpi1 and rpi2, share one address. Open the editor, press "Pull the plug of rpi1",
  and see rpi2 become MASTER about three seconds later: in the debug sidebar, and on MQTT, e.g. with
  mosquitto_sub -p ${mqttPort} -t 'carp/#' -v

  Ctrl-C ends it; nothing is kept.
`;

try {
  await start();
} catch (error) {
  if (error instanceof DemoError) console.error(error.message);
  else console.error(error);
  process.exitCode = 1;
}

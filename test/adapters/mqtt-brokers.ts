/** Brokers, and somebody who listens to them, for the tests of the MQTT adapter. All on loopback. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Aedes } from 'aedes';
import mqtt from 'mqtt';

const WAIT_MS = 15_000;

/** Waits until a condition holds, and says which one did not. */
export const until = async (what: string, condition: () => boolean): Promise<void> => {
  const deadline = Date.now() + WAIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${WAIT_MS} ms in vain until ${what}`);
    await delay(5);
  }
};

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
};

export interface TestBroker {
  readonly port: number;
  readonly url: string;
  readonly stop: () => Promise<void>;
}

export const MOSQUITTO = '/usr/sbin/mosquitto';
export const needsMosquitto = existsSync(MOSQUITTO) ? false : `needs ${MOSQUITTO}: apt-get install mosquitto`;

export interface MosquittoOptions {
  readonly port?: number;
  readonly user?: { readonly name: string; readonly password: string };
  /** Lines of an access control list. */
  readonly acl?: readonly string[];
  /** More lines of mosquitto.conf, for the listener. */
  readonly lines?: readonly string[];
}

export const startMosquitto = async (options: MosquittoOptions = {}): Promise<TestBroker> => {
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'carp-mosquitto-'));
  const config = [`listener ${port} 127.0.0.1`, 'persistence false', 'log_dest none'];
  // As root, Mosquitto would become a user who cannot read the folder.
  if (process.getuid?.() === 0) config.push('user root');
  if (options.user === undefined) config.push('allow_anonymous true');
  else {
    const file = join(folder, 'passwords');
    execFileSync('mosquitto_passwd', ['-b', '-c', file, options.user.name, options.user.password], { stdio: 'ignore' });
    config.push('allow_anonymous false', `password_file ${file}`);
  }
  if (options.acl !== undefined) {
    writeFileSync(join(folder, 'acl'), `${options.acl.join('\n')}\n`, { mode: 0o600 });
    config.push(`acl_file ${join(folder, 'acl')}`);
  }
  config.push(...(options.lines ?? []));
  writeFileSync(join(folder, 'mosquitto.conf'), `${config.join('\n')}\n`);
  const child = spawn(MOSQUITTO, ['-c', join(folder, 'mosquitto.conf')], { stdio: 'ignore' });
  const stop = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { port, url: `mqtt://127.0.0.1:${port}`, stop };
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
};

const listening = async (port: number, child: ChildProcess): Promise<void> => {
  const deadline = Date.now() + WAIT_MS;
  while (!(await answers(port))) {
    if (child.exitCode !== null) throw new Error(`the broker ended with exit code ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error('the broker does not listen');
    await delay(20);
  }
};

export const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

/** Speaks MQTT 3.1.1 only. */
export const startAedes = async (
  subscriptions: 'allowed' | 'refused' | 'unanswered' = 'allowed',
): Promise<TestBroker & { readonly versions: readonly number[] }> => {
  const broker = await Aedes.createBroker();
  if (subscriptions === 'refused') broker.authorizeSubscribe = (_client, _subscription, done) => done(null, null);
  if (subscriptions === 'unanswered') broker.authorizeSubscribe = () => undefined;
  const versions: number[] = [];
  broker.preConnect = (_client, packet, done) => {
    versions.push(packet.protocolVersion ?? 0);
    done(null, true);
  };
  // A refused version is an error of that connection, which aedes reports here.
  broker.on('connectionError', () => undefined);
  broker.on('clientError', () => undefined);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    broker.handle(socket);
  });
  const port = await listen(server);
  return {
    port,
    url: `mqtt://127.0.0.1:${port}`,
    versions,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => broker.close(() => resolve()));
      await closed(server);
    },
  };
};

/** A wire to a broker that can be blocked: what is sent waits in buffers, as with a broker that hangs. */
export interface Wire {
  readonly url: string;
  readonly block: () => void;
  readonly unblock: () => void;
  /** Ends all connections; new ones are accepted. */
  readonly cut: () => void;
  readonly stop: () => Promise<void>;
}

export const startWire = async (target: number): Promise<Wire> => {
  const pairs = new Set<readonly [Socket, Socket]>();
  let blocked = false;
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    const pair = [near, far] as const;
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    if (blocked) far.pause();
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
  });
  const port = await listen(server);
  // Only what the broker answers is held back: the sender sees no acknowledgement, and has no reason to believe in one.
  const set = (block: boolean): void => {
    blocked = block;
    for (const [near, far] of pairs) {
      if (block) far.unpipe(near).pause();
      else far.pipe(near);
    }
  };
  const cut = (): void => {
    for (const [near] of pairs) near.destroy();
  };
  return {
    url: `mqtt://127.0.0.1:${port}`,
    block: () => set(true),
    unblock: () => set(false),
    cut,
    stop: async () => {
      cut();
      await closed(server);
    },
  };
};

const listen = async (server: Server): Promise<number> => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
};

const closed = (server: Server): Promise<void> => new Promise((resolve) => server.close(() => resolve()));

export interface Heard {
  readonly topic: string;
  readonly payload: string;
  readonly retain: boolean;
}

export interface Listener {
  /** All messages since the subscription, oldest first. */
  readonly heard: readonly Heard[];
  /** The newest message of a topic. */
  readonly last: (topic: string) => string | undefined;
  readonly close: () => Promise<void>;
}

/** Subscribes to everything, and resolves when the broker has acknowledged that. */
export const listenTo = async (
  url: string,
  user: { readonly name: string; readonly password: string } | undefined = undefined,
): Promise<Listener> => {
  const client = mqtt.connect(url, {
    protocolVersion: 4,
    reconnectPeriod: 50,
    ...(user === undefined ? {} : { username: user.name, password: user.password }),
  });
  client.on('error', () => undefined);
  const heard: Heard[] = [];
  client.on('message', (topic, payload, { retain }) =>
    heard.push({ topic, payload: payload.toString('utf8'), retain }),
  );
  await client.subscribeAsync('#', { qos: 1 });
  return {
    heard,
    last: (topic) => heard.findLast((message) => message.topic === topic)?.payload,
    close: () => client.endAsync(true),
  };
};

/** A real Mosquitto on 127.0.0.1, with TLS or without, that a test may kill and start again. */
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { MqttTlsSettings } from '../../src/adapters/mqtt/settings.ts';
import { child, scratchFolder } from './broker-children.ts';
import { Subscriber } from './broker-subscriber.ts';
import type { Child } from './child.ts';
import { createAuthority, needsOpenssl, tlsLines } from './mqtt-tls.ts';
import type { Scope } from './netns.ts';
import { toolPath } from './requirements.ts';
import { until } from './wait.ts';

/** A machine under load may take its time. */
const START_MS = 20_000;

/** The reason to skip a test that needs these brokers, or `false`. */
export const missingForBroker = (...tools: readonly string[]): string | false => {
  const packages = { mosquitto: 'mosquitto', mosquitto_sub: 'mosquitto-clients' } as const;
  for (const tool of ['mosquitto', 'mosquitto_sub', ...tools])
    if (toolPath(tool) === undefined)
      return `needs ${tool}: apt-get install ${packages[tool as keyof typeof packages] ?? tool}`;
  return needsOpenssl;
};

/** Ports of 127.0.0.1 that were free a moment ago, all different. */
export const freePorts = async (count: number): Promise<readonly number[]> => {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', () => resolve(server));
      });
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

/** Whether somebody accepts connections there. */
export const accepts = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });

export interface LocalBrokerOptions {
  readonly tls?: boolean;
  /** More lines of mosquitto.conf. */
  readonly lines?: readonly string[];
  readonly port?: number;
}

/** A configuration that lets anybody in, keeps nothing on disk, and tells who comes and who subscribes. */
const usual = [
  'allow_anonymous true',
  'persistence false',
  'log_dest stderr',
  ...['error', 'warning', 'notice', 'information', 'subscribe'].map((type) => `log_type ${type}`),
  // As root, Mosquitto would become a user who cannot read the folder.
  ...(process.getuid?.() === 0 ? ['user root'] : []),
];

let subscribers = 0;

export class LocalBroker {
  readonly port: number;
  readonly url: string;
  /** What a client needs to trust this broker. */
  readonly tls: MqttTlsSettings | undefined;
  readonly #scope: Scope;
  readonly #file: string;
  #child: Child | undefined;

  private constructor(scope: Scope, port: number, file: string, tls: MqttTlsSettings | undefined) {
    this.#scope = scope;
    this.port = port;
    this.url = `${tls === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${port}`;
    this.tls = tls;
    this.#file = file;
  }

  static async start(scope: Scope, options: LocalBrokerOptions = {}): Promise<LocalBroker> {
    const folder = scratchFolder('broker');
    const port = options.port ?? (await freePorts(1))[0] ?? 0;
    const lines = [`listener ${port} 127.0.0.1`, ...usual, ...(options.lines ?? [])];
    let tls: MqttTlsSettings | undefined;
    if (options.tls === true) {
      const authority = createAuthority();
      scope.after(authority.remove);
      lines.push(...tlsLines({ authority, broker: authority.issue({ name: 'broker' }) }));
      tls = { caFile: authority.caFile, verify: true };
    }
    const file = join(folder, 'mosquitto.conf');
    writeFileSync(file, `${lines.join('\n')}\n`);
    const broker = new LocalBroker(scope, port, file, tls);
    scope.after(() => broker.kill());
    await broker.start();
    return broker;
  }

  /** Starts it, again after a `kill`: at the same port, with the same certificate, and an empty memory. */
  async start(): Promise<void> {
    const program = child(`mosquitto at ${this.port}`, [toolPath('mosquitto') ?? '', '-c', this.#file]);
    this.#child = program;
    await until(
      'mosquitto to listen',
      START_MS,
      () => {
        if (!program.running) throw new Error(`mosquitto ended.${program.report()}`);
        return accepts(this.port);
      },
      () => program.report(),
    );
  }

  /** Ends it without a word to anybody. */
  async kill(): Promise<void> {
    this.#child?.signal('SIGKILL');
    await this.#child?.exited.catch(() => undefined);
  }

  /** Stops it in the middle of whatever it does: connections stay, and nobody answers. `SIGCONT` lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.signal(signal);
  }

  /** What it has logged since it was started last. */
  get log(): readonly string[] {
    return this.#child?.stderr.map(({ text }) => text) ?? [];
  }

  /** How often a client whose id matches was let in since the last start. */
  connects(id: RegExp): number {
    return this.log.filter((line) => {
      const [, client] = /New client connected from \S+ as (\S+)/.exec(line) ?? [];
      return client !== undefined && id.test(client);
    }).length;
  }

  /** A plain mosquitto_sub of MQTT 5 that has been subscribed. */
  async subscribe(...filters: readonly string[]): Promise<Subscriber> {
    subscribers += 1;
    const id = `ear-${process.pid}-${subscribers}`;
    const subscriber = Subscriber.run((argv) => child(id, argv), {
      id,
      host: '127.0.0.1',
      port: this.port,
      filters,
      ...(this.tls?.caFile === undefined ? {} : { caFile: this.tls.caFile }),
    });
    this.#scope.after(() => subscriber.stop());
    await until(
      `${id} to be subscribed`,
      START_MS,
      () => this.log.filter((line) => line.includes(`: ${id} `)).length >= filters.length,
      () => `${subscriber.report()}${this.#child?.report()}`,
    );
    return subscriber;
  }
}

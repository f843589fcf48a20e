/** A real Node-RED on the loopback address, with this package as it was built, or as the test installed it. */
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Child, type Line } from './child.ts';
import type { Scope } from './netns.ts';
import { PACKAGE } from './packed.ts';
import { until } from './wait.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const START_MS = 90_000;
/** What a Node-RED says that does what its settings say. */
const EXPECTED = /Projects disabled|Encrypted credentials not found/;

export interface LocalOptions {
  /** With this package in its node_modules. Default: a new one, with a link to this tree. */
  readonly userDir?: string;
  /** Default: the Node.js of this process, and the Node-RED of package.json. */
  readonly node?: string;
  readonly script?: string;
  readonly flow?: readonly object[];
  readonly env?: Readonly<Record<string, string>>;
  /** More lines of settings.js. */
  readonly settings?: object;
}

/** An answer of `GET nodes` or `GET plugins`. */
export interface NodeSet {
  readonly id: string;
  readonly module: string;
  readonly types?: readonly string[];
  readonly err?: unknown;
}

const settings = (port: number): object => ({
  uiHost: '127.0.0.1',
  uiPort: port,
  flowFile: 'flows.json',
  credentialSecret: 'test',
  lang: 'en-US',
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  editorTheme: { tours: false, palette: { catalogues: [] }, projects: { enabled: false } },
  functionExternalModules: false,
  logging: { console: { level: 'info', metrics: false, audit: false } },
});

/** A port of the loopback address that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
};

const linkedUserDir = (scope: Scope): string => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-node-red-'));
  scope.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
  const place = join(folder, 'node_modules', PACKAGE);
  mkdirSync(join(place, '..'), { recursive: true });
  symlinkSync(ROOT, place);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  return folder;
};

export class LocalNodeRed {
  readonly child: Child;
  readonly url: string;

  private constructor(child: Child, url: string) {
    this.child = child;
    this.url = url;
  }

  /** Resolves when its flows have started. It ends with the test. */
  static async start(scope: Scope, options: LocalOptions = {}): Promise<LocalNodeRed> {
    const userDir = options.userDir ?? linkedUserDir(scope);
    const port = await freePort();
    if (!existsSync(userDir)) throw new Error(`there is no ${userDir}`);
    writeFileSync(
      join(userDir, 'settings.cjs'),
      `module.exports = ${JSON.stringify({ ...settings(port), ...options.settings })};`,
    );
    writeFileSync(join(userDir, 'flows.json'), JSON.stringify(options.flow ?? []));
    const script = options.script ?? createRequire(import.meta.url).resolve('node-red/red.js');
    const argv = [options.node ?? process.execPath, script, '-u', userDir, '-s', join(userDir, 'settings.cjs')];
    const env = { PORT: String(port), ...options.env };
    const child = new Child('node-red', argv, { cwd: userDir, env });
    scope.after(() => child.stop());
    await until(
      'Node-RED to be ready',
      START_MS,
      () => {
        if (!child.running) throw new Error(`Node-RED has ended.${child.report()}`);
        return child.line(/Server now running/) !== undefined && child.line(/Started flows/) !== undefined;
      },
      () => child.report(),
    );
    return new LocalNodeRed(child, `http://127.0.0.1:${port}`);
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/${path}`, { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async #post(path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<void> {
    const all = { 'content-type': 'application/json', ...headers };
    const response = await fetch(`${this.url}/${path}`, { method: 'POST', headers: all, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
  }

  deploy(flow: readonly object[], type: 'full' | 'nodes' | 'flows' = 'full'): Promise<void> {
    return this.#post('flows', flow, { 'node-red-deployment-type': type });
  }

  /** Presses the button of an inject node. */
  press(id: string): Promise<void> {
    return this.#post(`inject/${id}`, {});
  }

  /** The sets of nodes, or the plugins, that it has of this package. */
  async ours(what: 'nodes' | 'plugins'): Promise<readonly NodeSet[]> {
    const all = await this.get<readonly NodeSet[]>(what);
    return all.filter(({ module }) => module === PACKAGE);
  }

  /** Warnings and errors in its log. */
  problems(): readonly string[] {
    return this.#lines()
      .filter(({ text }) => /\[(warn|error)\]/.test(text) && !EXPECTED.test(text))
      .map(({ text }) => text);
  }

  /** What `probes` have seen, in order. */
  seen(): readonly Seen[] {
    return this.#lines().flatMap(({ text }) => {
      const found = /\[function:[^\]]*\] seen (\{.*\})$/.exec(text)?.[1];
      return found === undefined ? [] : [JSON.parse(found) as Seen];
    });
  }

  #lines(): readonly Line[] {
    return [...this.child.stdout, ...this.child.stderr];
  }
}

export interface Seen {
  /** Name of the debug node. */
  readonly at: string;
  readonly payload: unknown;
  readonly reason?: string;
  readonly node?: string;
  readonly group?: string;
}

interface FlowNode {
  readonly type: string;
  readonly name?: string;
}

const PROBE = `const { node: host, group, reason } = msg.carp || {};
node.log('seen ' + JSON.stringify({ at: node.name, payload: msg.payload, reason, node: host, group }));`;

/** The same flow, in which debug nodes write what they get into the log. */
export const probed = <N extends FlowNode>(flow: readonly N[]): readonly object[] =>
  flow.map((node) =>
    node.type === 'debug' ? { ...node, type: 'function', func: PROBE, outputs: 0, timeout: 0, wires: [] } : node,
  );

/** A real Node-RED on a machine of the test's LAN, with one flow: a group, a role node, and a button that blocks the loop. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Child } from './child.ts';
import type { Lan, Machine } from './netns.ts';

const PORT = 1880;
const START_MS = 30_000;
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const settings = {
  uiHost: '127.0.0.1',
  uiPort: PORT,
  flowFile: 'flows.json',
  credentialSecret: 'test',
  telemetry: { enabled: false, updateNotification: false },
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  editorTheme: { tours: false, palette: { catalogues: [] }, projects: { enabled: false } },
  functionExternalModules: false,
  logging: { console: { level: 'info', metrics: false, audit: false } },
};

export interface FlowGroup {
  readonly vhid: number;
  readonly addresses: readonly string[];
  readonly advskew: number;
  readonly passphrase: string;
}

const flow = ({ passphrase, ...group }: FlowGroup): readonly object[] => [
  { id: 'tab', type: 'tab', label: 'test' },
  {
    id: 'group',
    type: 'carp-group',
    name: '',
    group: 'plant',
    mode: 'run',
    interface: 'eth0',
    ...group,
    credentials: { passphrase },
  },
  { id: 'role', type: 'carp-role', z: 'tab', name: '', group: 'group', outputs: 1, x: 100, y: 100, wires: [['say']] },
  {
    id: 'say',
    type: 'function',
    z: 'tab',
    name: '',
    func: "node.log('role ' + msg.payload + ' ' + msg.carp.event); return null;",
    outputs: 0,
    x: 300,
    y: 100,
    wires: [],
  },
  {
    id: 'button',
    type: 'inject',
    z: 'tab',
    name: '',
    props: [],
    repeat: '',
    once: false,
    onceDelay: 0,
    topic: '',
    x: 100,
    y: 200,
    wires: [['spin']],
  },
  {
    id: 'spin',
    type: 'function',
    z: 'tab',
    name: '',
    func: "const end = Date.now() + 10000; while (Date.now() < end); node.log('has spun'); return null;",
    outputs: 0,
    x: 300,
    y: 200,
    wires: [],
  },
];

export interface NodeRedOptions {
  readonly flow: readonly object[];
  readonly env?: Readonly<Record<string, string>>;
  /** More lines of settings.js. */
  readonly settings?: object;
}

export class NodeRed {
  readonly child: Child;
  readonly #lan: Lan;
  readonly #on: Machine;
  readonly #flow: readonly object[];

  private constructor(lan: Lan, on: Machine, child: Child, nodes: readonly object[]) {
    this.#lan = lan;
    this.#on = on;
    this.child = child;
    this.#flow = nodes;
  }

  static start(lan: Lan, on: Machine, group: FlowGroup): Promise<NodeRed> {
    return NodeRed.run(lan, on, { flow: flow(group) });
  }

  /** With a flow of the test's own. */
  static async run(lan: Lan, on: Machine, options: NodeRedOptions): Promise<NodeRed> {
    const folder = join(lan.folder, on.name, 'node-red');
    mkdirSync(join(folder, 'node_modules', '@carp-ha'), { recursive: true });
    symlinkSync(ROOT, join(folder, 'node_modules', '@carp-ha', 'node-red-carp'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    const all = { ...settings, ...options.settings };
    writeFileSync(join(folder, 'settings.cjs'), `module.exports = ${JSON.stringify(all)};`);
    writeFileSync(join(folder, 'flows.json'), '[]');
    const script = createRequire(import.meta.url).resolve('node-red/red.js');
    const argv = [process.execPath, script, '-u', folder, '-s', join(folder, 'settings.cjs')];
    const child = lan.start(on, 'node-red', argv, { env: options.env ?? {} });
    await child.untilLine(/Server now running/, START_MS);
    const nodeRed = new NodeRed(lan, on, child, options.flow);
    await nodeRed.deploy('full');
    return nodeRed;
  }

  /** One POST to its admin API, from inside the machine. */
  async #post(path: string, body: unknown, type: string): Promise<void> {
    const program = `const r = await fetch(process.argv[1], { method: 'POST', body: process.argv[2], headers:
      { 'Content-Type': 'application/json', 'Node-RED-Deployment-Type': process.argv[3] } });
      if (!r.ok) throw new Error(r.status + ' ' + await r.text());`;
    const url = `http://127.0.0.1:${PORT}${path}`;
    const argv = [process.execPath, '--input-type=module', '-e', program, url, JSON.stringify(body), type];
    await this.#lan.exec(this.#on, ...argv);
  }

  deploy(type: 'full' | 'nodes' | 'flows'): Promise<void> {
    return this.#post('/flows', this.#flow, type);
  }

  /** Presses the button of an inject node; without a name, the one that blocks its main loop for 10 s. */
  press(id = 'button'): Promise<void> {
    return this.#post(`/inject/${id}`, {}, '');
  }

  /** What the flow has logged of roles, in order. */
  roles(): readonly string[] {
    return this.child.stdout.flatMap(({ text }) => /role (\w+ \w+)$/.exec(text)?.[1] ?? []);
  }
}

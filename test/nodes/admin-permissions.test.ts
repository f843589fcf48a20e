/** Who may see and change groups where Node-RED has users: a real Node-RED, with the routes as the plugin brings them. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const script = createRequire(import.meta.url).resolve('node-red/red.js');
const { hashSync } = createRequire(script)('bcryptjs') as {
  readonly hashSync: (password: string, rounds: number) => string;
};
const START_MS = 60_000;

const USERS = { admin: '*', reader: 'read', groups: ['carp.read'], stranger: ['flows.read'] } as const;
type User = keyof typeof USERS;

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

describe('where Node-RED has users', () => {
  let folder = '';
  let child: ChildProcess | undefined;
  let url = '';
  const tokens = new Map<User, string>();

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'carp-users-'));
    mkdirSync(join(folder, 'node_modules', '@carp-ha'), { recursive: true });
    symlinkSync(root, join(folder, 'node_modules', '@carp-ha', 'node-red-carp'), 'junction');
    writeFileSync(join(folder, 'package.json'), '{ "private": true }');
    writeFileSync(join(folder, 'flows.json'), '[]');
    const port = await freePort();
    const users = Object.entries(USERS).map(([username, permissions]) => ({
      username,
      password: hashSync(`password of ${username}`, 4),
      permissions,
    }));
    const settings = {
      uiHost: '127.0.0.1',
      uiPort: port,
      flowFile: 'flows.json',
      lang: 'en-US',
      adminAuth: { type: 'credentials', users },
      telemetry: { enabled: false, updateNotification: false },
      externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
      editorTheme: { tours: false, palette: { catalogues: [] }, projects: { enabled: false } },
    };
    writeFileSync(join(folder, 'settings.cjs'), `module.exports = ${JSON.stringify(settings)};`);
    url = `http://127.0.0.1:${port}`;
    child = spawn(process.execPath, [script, '-u', folder, '-s', join(folder, 'settings.cjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await started(child);
    for (const user of Object.keys(USERS) as readonly User[]) tokens.set(user, await login(user));
  });

  after(async () => {
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child?.once('exit', resolve));
      child.kill('SIGTERM');
      const insist = setTimeout(() => child?.kill('SIGKILL'), 10_000);
      await ended;
      clearTimeout(insist);
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const started = (process: ChildProcess): Promise<void> =>
    new Promise((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`Node-RED has not started in ${START_MS} ms`)), START_MS);
      process.once('exit', (code) => reject(new Error(`Node-RED ended with ${code}`)));
      if (process.stdout === null) return reject(new Error('no output'));
      createInterface({ input: process.stdout }).on('line', (line) => {
        if (!line.includes('Started flows')) return;
        clearTimeout(limit);
        resolve();
      });
    });

  const login = async (user: User): Promise<string> => {
    const body = {
      client_id: 'node-red-admin',
      grant_type: 'password',
      scope: '',
      username: user,
      password: `password of ${user}`,
    };
    const answer = await fetch(`${url}/auth/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    });
    return ((await answer.json()) as { readonly access_token: string }).access_token;
  };

  const statusOf = async (method: 'GET' | 'POST', path: string, user?: User): Promise<number> => {
    const headers = {
      'Content-Type': 'application/json',
      ...(user === undefined ? {} : { Authorization: `Bearer ${tokens.get(user)}` }),
    };
    const body = method === 'GET' ? null : JSON.stringify({ id: 'none', on: true, reason: 'flow' });
    return (await fetch(`${url}/carp/${path}`, { method, headers, body })).status;
  };

  for (const path of ['status', 'interfaces'])
    test(`${path} is for those who may read, and for nobody who has not logged in`, async () => {
      assert.equal(await statusOf('GET', path), 401);
      assert.equal(await statusOf('GET', path, 'stranger'), 401);
      for (const user of ['reader', 'groups', 'admin'] as const)
        assert.equal(await statusOf('GET', path, user), 200, user);
    });

  for (const path of ['hand-over', 'maintenance', 'observe', 'restore'])
    test(`${path} is for those who may write alone`, async () => {
      for (const user of [undefined, 'stranger', 'reader', 'groups'] as const)
        assert.equal(await statusOf('POST', path, user), 401, user);
      // The body has fields that the route does not know, which it says to those whom it listens to.
      assert.equal(await statusOf('POST', path, 'admin'), 400);
    });

  test('the sidebar is delivered to those who may read', async () => {
    const headers = { Accept: 'text/html', Authorization: `Bearer ${tokens.get('reader')}` };
    const page = await (await fetch(`${url}/plugins`, { headers })).text();
    assert.match(page, /RED\.plugins\.registerPlugin\("carp-sidebar"/);
  });
});

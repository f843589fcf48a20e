import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface DemoNodeRed {
  /** Resolves when the editor can be opened; rejects with the last words of a Node-RED that ended before. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>;
  /** Asks it to stop, and insists after a while. */
  readonly stop: () => Promise<void>;
}

const STOP_MS = 5000;
const LAST_WORDS = 8;
/** Warnings of a Node-RED that does what its settings say. */
const EXPECTED = /Projects disabled|Encrypted credentials not found/;

/** Node-RED as a child process. What it warns of is passed on; what it says when all is well is not. */
export const startDemoNodeRed = (folder: string, environment: Readonly<Record<string, string>>): DemoNodeRed => {
  const script = createRequire(import.meta.url).resolve('node-red/red.js');
  const child = spawn(process.execPath, [script, '-u', folder, '-s', join(folder, 'settings.cjs')], {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const ended = exitOf(child);
  return { ready: readiness(child, ended), ended, stop: () => stop(child, ended) };
};

const exitOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', () => resolve());
  });

const readiness = (child: ChildProcess, ended: Promise<void>): Promise<void> =>
  new Promise((resolve, reject) => {
    const words: string[] = [];
    for (const output of [child.stdout, child.stderr]) {
      if (output === null) continue;
      createInterface({ input: output }).on('line', (line) => {
        if (/\[(?:warn|error)\]/.test(line) && !EXPECTED.test(line)) console.error(line);
        words.push(line);
        words.splice(0, words.length - LAST_WORDS);
        if (line.includes('Server now running')) resolve();
      });
    }
    child.once('error', reject);
    void ended.then(() => reject(new Error(`Node-RED ended before it was ready:\n${words.join('\n')}`)));
  });

const stop = async (child: ChildProcess, ended: Promise<void>): Promise<void> => {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const insist = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(insist);
};

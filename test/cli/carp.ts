/** Runs the compiled command as a user does. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
/** A command that takes longer than this hangs. */
const TIMEOUT_MS = 30_000;

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly stdin?: Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
}

/** Ends when the command has ended, whatever its exit code. */
export const carp = (args: readonly string[], { stdin, env }: RunOptions = {}): Promise<Result> =>
  new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...env } };
    const child = execFile(process.execPath, [MAIN, ...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
    // The command may refuse its input before it has read it all.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(stdin);
  });

export const lines = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '');

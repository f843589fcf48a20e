/** npm, for tests that install something. */
import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';
import { toolPath } from './requirements.ts';

const execute = promisify(execFile);
const PROBE_MS = 20_000;
const INSTALL_MS = 300_000;

/** The reason to skip a test that installs packages, or `false`. Asks the registry for one of them. */
export const missingForInstall = (): string | false => {
  if (toolPath('npm') === undefined) return 'needs npm';
  try {
    const argv = ['view', 'vscode-jsonrpc', 'version', '--fetch-retries=0', '--fetch-timeout=10000'];
    execFileSync('npm', argv, { stdio: 'ignore', timeout: PROBE_MS });
    return false;
  } catch {
    return 'needs a registry that npm can reach';
  }
};

export interface Install {
  /** Where node_modules will be; has a package.json. */
  readonly folder: string;
  /** Names, with versions, or tarballs. */
  readonly packages: readonly string[];
  /** More arguments, such as `--ignore-scripts`. */
  readonly options?: readonly string[];
  /** npm-cli.js of another npm, run by this Node.js. */
  readonly npm?: string;
}

/** Runs `npm install` and gives back what it said. @throws Error with its output */
export const install = async ({ folder, packages, options = [], npm }: Install): Promise<string> => {
  const argv = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...options, ...packages];
  const [file, args] = npm === undefined ? ['npm', argv] : [process.execPath, [npm, ...argv]];
  const limits = { cwd: folder, timeout: INSTALL_MS, maxBuffer: 16 * 1024 * 1024 };
  const { stdout, stderr } = await execute(file, args, limits);
  return stdout + stderr;
};

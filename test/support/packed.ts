/** The package as npm gets it, unpacked beside its dependencies as npm would leave them. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
/** Packing reads a few hundred files. */
const PACK_MS = 120_000;

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
export const PACKAGE = '@carp-ha/node-red-carp';

/** Packs this tree as it was built, and says where. */
export const pack = async (folder: string): Promise<string> => {
  const options = { cwd: ROOT, timeout: PACK_MS, maxBuffer: 16 * 1024 * 1024 };
  const argv = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const { stdout } = await execute('npm', argv, options);
  const [packed] = JSON.parse(stdout) as readonly { readonly filename: string }[];
  if (packed === undefined) throw new Error(`npm pack said ${stdout}`);
  return join(folder, packed.filename);
};

/**
 * Unpacks it into `folder`/node_modules. Everything it depends on is there too; raw-socket as npm leaves it when no
 * script was run (`unbuilt`), or when building it failed (`absent`).
 */
export const unpack = async (folder: string, tarball: string, rawSocket: 'unbuilt' | 'absent'): Promise<string> => {
  const modules = join(folder, 'node_modules');
  const home = join(modules, PACKAGE);
  mkdirSync(home, { recursive: true });
  await execute('tar', ['-xzf', tarball, '-C', home, '--strip-components=1']);
  for (const name of readdirSync(MODULES))
    if (!name.startsWith('.') && name !== 'raw-socket' && name !== dirname(PACKAGE))
      symlinkSync(join(MODULES, name), join(modules, name));
  if (rawSocket === 'unbuilt')
    cpSync(join(MODULES, 'raw-socket'), join(modules, 'raw-socket'), {
      recursive: true,
      filter: (file) => !file.endsWith('/raw-socket/build'),
    });
  return join(home, 'dist', 'src', 'cli', 'main.js');
};

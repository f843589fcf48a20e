import { createRequire } from 'node:module';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import { CarpError } from '../../ports/error.ts';

const ARCHITECTURES: readonly string[] = ['x64', 'arm64', 'riscv64', 'loong64'];
/** As in package.json: its polling is undocumented, so that only tested versions may be taken. */
export const KOFFI = 'koffi@~3.3.4';

/** Where the structures of `libc.ts` are wrong, nothing is loaded. @throws CarpError CARP_NO_TRANSPORT */
export const refusePlatform = (platform: string, arch: string): void => {
  if (platform !== 'linux')
    throw new CarpError('CARP_NO_TRANSPORT', `raw sockets through koffi are made for Linux, and this is ${platform}`, {
      remedy: 'run the agent on Linux; simulations (transport: memory) run anywhere',
    });
  if (!ARCHITECTURES.includes(arch) || endianness() !== 'LE')
    throw new CarpError(
      'CARP_NO_TRANSPORT',
      `raw sockets through koffi need ${ARCHITECTURES.join(', ')}; this is ${arch}`,
      {
        remedy: 'install a 64-bit system and Node.js for it',
      },
    );
};

/** Not an import: that would fail, or at best wait, where koffi is missing. */
export const requireKoffi = (): typeof Koffi => createRequire(import.meta.url)('koffi');

/** @throws CarpError CARP_NO_TRANSPORT, with the command that installs or repairs koffi */
export const loadKoffi = (load: () => typeof Koffi): { koffi: typeof Koffi; lib: Koffi.LibraryHandle } => {
  try {
    const koffi = load();
    return { koffi, lib: koffi.load(null) };
  } catch (cause) {
    const missing = cause instanceof Error && 'code' in cause && cause.code === 'MODULE_NOT_FOUND';
    const reason = cause instanceof Error ? (cause.message.split('\n', 1)[0] ?? '') : String(cause);
    throw missing
      ? new CarpError('CARP_NO_TRANSPORT', 'the module koffi is not installed', {
          remedy: `npm install ${KOFFI}`,
          cause,
        })
      : new CarpError('CARP_NO_TRANSPORT', `the module koffi does not load: ${reason}`, {
          remedy: `npm install --include=optional --force ${KOFFI} (or, with a C++ compiler: npm rebuild koffi)`,
          cause,
        });
  }
};

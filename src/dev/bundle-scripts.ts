import { dirname } from 'node:path';

/**
 * One classic script of each module and what it imports, readable and without names of its own in the page.
 *
 * @param entries - files of JavaScript modules, in one folder
 * @returns the scripts by entry; the empty list starts no bundler
 * @throws (rejects) an error that lists what does not resolve or parse
 */
export const bundleScripts = async (entries: readonly string[]): Promise<ReadonlyMap<string, string>> => {
  const [first] = entries;
  if (first === undefined) return new Map();
  // Takes a second, which only those spend who have a page with a script.
  const { build } = await import('esbuild-wasm');
  const folder = dirname(first);
  const { outputFiles } = await build({
    entryPoints: [...entries],
    // Nothing is written; the names of the results tell which is which.
    write: false,
    outdir: folder,
    outbase: folder,
    bundle: true,
    format: 'iife',
    platform: 'browser',
    target: 'es2020',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
  });
  return new Map(outputFiles.map(({ path, text }) => [path, text]));
};

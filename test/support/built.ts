/** What package.json says of the nodes, and what the build made of it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { definitionsIn, type NodeDefinition } from './editor-definitions.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Manifest {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly 'node-red': {
    readonly nodes: Readonly<Record<string, string>>;
    readonly plugins?: Readonly<Record<string, string>>;
  };
}

export const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest;

/** The definitions of all our node types, as the editor gets them. */
export const ourDefinitions = (): ReadonlyMap<string, NodeDefinition> =>
  new Map(
    Object.values(manifest['node-red'].nodes).flatMap((script) => [
      ...definitionsIn(join(ROOT, script.replace(/\.js$/, '.html'))),
    ]),
  );

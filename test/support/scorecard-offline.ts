/**
 * Loaded before node-red-dev (`node --import`), which asks the flow catalogue and the npm registry: answers in their
 * place, and refuses every connection, so that a question that is not answered here is an error and no silence.
 *
 * What the answers leave open: whether a name is taken, and whether a dependency has a newer major version.
 * Environment: SCORECARD_TOOL (folder with node-red-dev), SCORECARD_ROOT (this package, with what it depends on).
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { join } from 'node:path';

const { SCORECARD_TOOL = '', SCORECARD_ROOT = '' } = process.env;
const tool = createRequire(join(SCORECARD_TOOL, 'node_modules', 'node-red-dev', 'package.json'));
/** The newest Node-RED, and what it asks of Node.js. */
const NODE_RED = { 'dist-tags': { latest: '5.0.7' }, versions: { '5.0.7': { engines: { node: '>=22.9' } } } };
const CATALOGUE = { modules: [{ id: 'node-red-contrib-other', types: ['other'] }] };

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
}
const lock = JSON.parse(readFileSync(join(SCORECARD_ROOT, 'package-lock.json'), 'utf8')) as Lock;

Socket.prototype.connect = () => {
  throw new Error('the scorecard asked the network for something that has no stub');
};

const answers: Readonly<Record<string, unknown>> = {
  'https://catalogue.nodered.org/catalogue.json': CATALOGUE,
  'https://registry.npmjs.org/node-red': NODE_RED,
};
const axios = tool('axios') as { get: (url: string) => Promise<unknown> };
axios.get = async (url) => {
  if (!Object.hasOwn(answers, url)) throw new Error(`there is no stub for ${url}`);
  return { data: answers[url] };
};

/** What is installed, as `name@version`: all that our dependencies bring. */
const installed = Object.entries(lock.packages).flatMap(([path, { version, dev }]) =>
  path === '' || dev === true || version === undefined ? [] : [`${path.replace(/^.*node_modules\//, '')}@${version}`],
);
const remote = tool('npm-remote-ls') as {
  ls: (name: string, range: string, flat: boolean, done: (list: readonly string[]) => void) => void;
};
remote.ls = (_name, _range, _flat, done) => done(installed);

/** npm-check asks for the newest version of each dependency: the installed one. */
const newest = async (name: string): Promise<object> => {
  const version = lock.packages[`node_modules/${name}`]?.version ?? '0.0.0';
  return { name, 'dist-tags': { latest: version }, versions: { [version]: {} } };
};
const check = createRequire(tool.resolve('npm-check'));
const packageJson = check.resolve('package-json');
check(packageJson);
const cached = check.cache[packageJson];
if (cached !== undefined) cached.exports = newest;

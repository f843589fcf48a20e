/**
 * Makes koffi unloadable, as it is where npm has left it out: for `node --import`. Whoever loads it gets the error that
 * Node.js gives for a module that is not there.
 */
import Module from 'node:module';

type Resolve = (request: string, ...rest: readonly unknown[]) => string;

const internals = Module as unknown as { _resolveFilename: Resolve };
const resolve = internals._resolveFilename;

internals._resolveFilename = (request, ...rest) => {
  if (request === 'koffi' || request.startsWith('koffi/') || request.startsWith('@koromix/'))
    throw Object.assign(new Error(`Cannot find module '${request}'`), { code: 'MODULE_NOT_FOUND' });
  return resolve(request, ...rest);
};

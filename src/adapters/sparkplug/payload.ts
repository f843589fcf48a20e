import { createRequire } from 'node:module';
import { CarpError } from '../../ports/error.ts';

/** As in package.json. */
const MODULE = 'sparkplug-payload@^1.0.3';

export type MetricType = 'String' | 'Boolean' | 'Int32' | 'Int64';

/** One value of Sparkplug B. */
export interface Metric {
  readonly name: string;
  readonly type: MetricType;
  /** `null`: not known. */
  readonly value: string | number | boolean | null;
  /** When it was so: ms since 1970, UTC. */
  readonly timestamp: number;
}

export interface Payload {
  readonly timestamp: number;
  readonly metrics?: readonly Metric[];
  /** 0..255. Missing in a death certificate. */
  readonly seq?: number;
}

/** What of sparkplug-payload is used. What comes from the network is unknown until somebody has looked at it. */
export interface PayloadCodec {
  readonly encodePayload: (payload: Payload) => Uint8Array;
  /** @throws Error at what is no payload */
  readonly decodePayload: (bytes: Uint8Array) => unknown;
}

interface PayloadModule {
  readonly get: (namespace: string) => PayloadCodec | null;
}

/** Not an import: that would fail where the module is missing, and takes time where nobody publishes Sparkplug. */
const requirePayload = (): PayloadModule => createRequire(import.meta.url)('sparkplug-payload');

/** @throws CarpError CARP_FAILED, with the command that installs it */
export const loadPayloadCodec = (load: () => PayloadModule = requirePayload): PayloadCodec => {
  let codec: PayloadCodec | null;
  try {
    codec = load().get('spBv1.0');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'MODULE_NOT_FOUND';
    throw new CarpError(
      'CARP_FAILED',
      `the module sparkplug-payload ${isMissing ? 'is not installed' : 'does not load'}`,
      {
        remedy: `in the folder that @carp-ha/node-red-carp was installed from: npm install ${MODULE}`,
        cause,
      },
    );
  }
  if (codec === null)
    throw new CarpError('CARP_FAILED', 'the module sparkplug-payload does not know Sparkplug B', {
      remedy: `npm install ${MODULE}`,
    });
  return codec;
};

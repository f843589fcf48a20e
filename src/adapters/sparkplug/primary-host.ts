/** Whether the host application that is waited for is there (specification, 4.3 and 5.4 "STATE"). */
export interface PrimaryHost {
  /** `undefined`: nothing was heard of it. */
  readonly isOnline: () => boolean | undefined;
  /** A message on its topic. */
  readonly hear: (payload: Uint8Array) => void;
}

const BYTES_MAX = 4096;

/** What is older than what was heard before does not count: a death may be told after the next birth. */
export const createPrimaryHost = (): PrimaryHost => {
  let known: State | undefined;
  return {
    isOnline: () => known?.online,
    hear: (payload) => {
      const state = stateIn(payload);
      if (state !== undefined && (known === undefined || state.timestamp >= known.timestamp)) known = state;
    },
  };
};

interface State {
  readonly online: boolean;
  /** Ms since 1970, by the clock of the host application. */
  readonly timestamp: number;
}

const stateIn = (payload: Uint8Array): State | undefined => {
  if (payload.length > BYTES_MAX) return undefined;
  try {
    const said: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    if (typeof said !== 'object' || said === null || !('online' in said) || !('timestamp' in said)) return undefined;
    const { online, timestamp } = said;
    return typeof online === 'boolean' && typeof timestamp === 'number' ? { online, timestamp } : undefined;
  } catch {
    return undefined;
  }
};

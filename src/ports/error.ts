/** What can be wrong with a host, in words a program can test. */
export type CarpErrorCode =
  /** The configuration is not valid. Exit code 2. */
  | 'CARP_CONFIG'
  /** The operating system said no: a capability is missing. Exit code 77. */
  | 'CARP_NO_PERMISSION'
  /** A native module is missing or does not load. */
  | 'CARP_NO_TRANSPORT'
  /** The interface does not exist, or is not fit for CARP. */
  | 'CARP_NO_INTERFACE'
  /** A shared address is already there and belongs to somebody else. */
  | 'CARP_ADDRESS_IN_USE'
  /** An address could not be added, renewed or removed. */
  | 'CARP_ADDRESS'
  /** A packet could not be sent. */
  | 'CARP_SEND'
  /** Another agent serves this vhid on this interface, or this socket. */
  | 'CARP_DUPLICATE'
  /** There is no such group, or the command does not fit its role. */
  | 'CARP_NO_GROUP'
  | 'CARP_NOT_MASTER'
  /** Nobody took over. */
  | 'CARP_NOBODY'
  /** The agent cannot be reached. */
  | 'CARP_NO_AGENT'
  /** Anything else. */
  | 'CARP_FAILED';

/**
 * An operation failed. The message says what happened; the remedy, where there is one, is the very command or setting
 * that helps. Neither ever contains a secret.
 */
export class CarpError extends Error {
  readonly code: CarpErrorCode;
  readonly remedy: string | undefined;

  constructor(code: CarpErrorCode, message: string, options: { remedy?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'CarpError';
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** The same as plain data, for status, events and JSON-RPC. */
export interface Problem {
  readonly code: CarpErrorCode;
  readonly message: string;
  readonly remedy?: string;
}

export const problemOf = (error: unknown): Problem => {
  if (error instanceof CarpError)
    return {
      code: error.code,
      message: error.message,
      ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
    };
  return { code: 'CARP_FAILED', message: error instanceof Error ? error.message : String(error) };
};

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Where decisions are written down: one line each, with reason and numbers. Floods are counted, not logged. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void;

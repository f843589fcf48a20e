import type { LogNotice } from '../src/agent/rpc.ts';
import type { LogLevel } from '../src/ports/log.ts';

/** As Node-RED's log has it: who, what, and what to do about it. Pure. */
export const logLine = ({
  level,
  message,
  fields = {},
}: LogNotice): { readonly level: LogLevel; readonly text: string } => {
  const { node, group, remedy } = fields;
  const who = [node, group].filter((name) => typeof name === 'string' && !names(message, name)).join(' ');
  const what = `[carp] ${who === '' ? '' : `${who}: `}${message}`;
  if (isToldByNode(fields)) return { level: 'debug', text: what };
  return { level, text: typeof remedy === 'string' ? `${what}: ${remedy}` : what };
};

/** As a word: a group called A is not named by MASTER. */
const names = (message: string, name: string): boolean => {
  for (let at = message.indexOf(name); at !== -1; at = message.indexOf(name, at + 1))
    if (!isLetter(message[at - 1]) && !isLetter(message[at + name.length])) return true;
  return false;
};

const isLetter = (character = ''): boolean => /[\p{L}\p{N}_]/u.test(character);

/**
 * The problem of a group is told by its carp-group node, once, with what to do. What is wrong on the bus (it has a code)
 * or with a host is nobody's problem there, and is told here.
 */
const isToldByNode = ({ remedy, code, node, group }: NonNullable<LogNotice['fields']>): boolean =>
  remedy !== undefined && code === undefined && (node === undefined || group !== undefined);

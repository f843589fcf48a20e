/**
 * The agent as a child process: its parent says over the IPC channel what it runs. When the parent goes, the channel
 * closes, and the agent bows out and ends: a crash of Node-RED is a hand-over.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { createMessageConnection, IPCMessageReader, IPCMessageWriter } from 'vscode-jsonrpc/node';
import type { Log } from '../ports/log.ts';
import { composeAgent, hurry } from './compose-agent.ts';
import { LAST_HOOKS_MS_MAX } from './last-hooks.ts';
import { Rpc } from './rpc.ts';
import { serve } from './serve.ts';

/** After a defect, what still works is given this long to release the addresses; leases bound the rest. */
const CRASH_MS_MAX = 500;
/** Longer than a bow-out and the last hooks take. */
const LEAVE_MS_MAX = 3000 + LAST_HOOKS_MS_MAX;

/** A parent that does not read fills our memory line by line: only these many log lines may be on their way. */
const LINES_ON_THEIR_WAY_MAX = 1000;

if (process.send === undefined) {
  writeSync(2, 'this is the agent that Node-RED starts; to run one yourself: carp run -c FILE\n');
  process.exit(2);
}

const connection = createMessageConnection(new IPCMessageReader(process), new IPCMessageWriter(process));

let linesOnTheirWay = 0;
const log: Log = (level, message, fields) => {
  if (level === 'debug' || !process.connected || linesOnTheirWay >= LINES_ON_THEIR_WAY_MAX) return;
  linesOnTheirWay += 1;
  const notice = { level, message, ...(fields === undefined ? {} : { fields }) };
  const params = JSON.parse(JSON.stringify(notice));
  process.send?.({ jsonrpc: '2.0', method: Rpc.log.method, params }, undefined, {}, () => {
    linesOnTheirWay -= 1;
  });
};

const agent = composeAgent({ log });

let ending = false;
const end = (code: number, msMax: number): void => {
  if (ending) return;
  ending = true;
  setTimeout(() => process.exit(code), msMax);
  agent.stop().then(
    () => process.exit(code),
    () => process.exit(1),
  );
};

const crash = (error: unknown): void => {
  try {
    writeSync(2, `defect in the agent: ${inspect(error).replaceAll('\n', ' ')}\n`);
  } catch {
    // Nobody reads it any more.
  }
  // A second defect, perhaps in the farewell itself.
  if (ending) process.exit(1);
  end(1, CRASH_MS_MAX);
};

process.on('uncaughtException', crash);
process.on('unhandledRejection', crash);
process.on('disconnect', () => end(0, LEAVE_MS_MAX));
process.on('SIGTERM', () => end(0, LEAVE_MS_MAX));
process.on('SIGINT', () => end(0, LEAVE_MS_MAX));
// The terminal of the parent was closed; the parent decides what that means.
process.on('SIGHUP', () => undefined);
// A parent that died while this process started has been missed: `disconnect` came before anybody listened.
if (!process.connected) end(0, LEAVE_MS_MAX);

hurry();
serve(connection, { agent, caller: 'owner' });
// Stopped by request: the parent hangs up when it has the answer, and is not waited for if it does not.
agent.events$.subscribe({ complete: () => setTimeout(() => end(0, LEAVE_MS_MAX), 500).unref() });

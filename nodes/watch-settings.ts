/** From what the editor stores of a carp-watch to what it listens to. */
import type { NodeDef } from 'node-red';
import type { WatchParams } from '../src/agent/rpc.ts';
import { DEFAULT_SOCKET } from '../src/config/default-socket.ts';
import type { Problem } from '../src/ports/error.ts';
import { oneOf, textIn } from './fields.ts';

export interface WatchDef extends NodeDef {
  readonly interface: string;
  readonly mode: 'run' | 'service' | 'simulate';
  /** Of mode `service`; empty: the usual one. */
  readonly socket: string;
  /** 1..255; empty: all. */
  readonly vhid: number | string;
  /** Of mode `run`: starts the agent, unless a group says with what. Empty: the node of this process. */
  readonly agentExecPath?: string;
}

/** What a carp-watch node wants to hear. */
export interface WatchWish {
  /** Id of the carp-watch node. */
  readonly id: string;
  /** `undefined`: the agent of this Node-RED. */
  readonly socket: string | undefined;
  readonly execPath?: string;
  readonly params: WatchParams;
  /** `undefined`: all. */
  readonly vhid: number | undefined;
}

const MODES = ['run', 'service', 'simulate'] as const;

/** Node-RED leaves a variable that is not set as it is written. */
const isUnset = (text: string): boolean => /^\$(?:\{\S+\}|\(\S+\))$/.test(text);

/** Never throws. */
export const watchWishOf = (def: WatchDef): WatchWish | { readonly problem: Problem } => {
  const [name, socket, vhid] = [textIn(def.interface), textIn(def.socket), textIn(def.vhid)];
  const execPath = textIn(def.agentExecPath);
  const mode = oneOf(MODES, def.mode, 'run');
  const unset = [name, vhid, ...(mode === 'service' ? [socket] : []), ...(mode === 'run' ? [execPath] : [])].find(
    isUnset,
  );
  if (unset !== undefined)
    return bad(`this node uses ${unset.slice(2, -1)}, and there is no such environment variable`, SET_IT);
  if (name === '') return bad('this node has no interface to listen on', 'choose one in the node, such as eth0');
  if (vhid !== '' && !isVhid(vhid))
    return bad(`the vhid is "${vhid.slice(0, 64)}"`, '1 to 255; leave it empty for all');
  return {
    id: def.id,
    socket: mode === 'service' ? socket || DEFAULT_SOCKET : undefined,
    ...(mode === 'run' && execPath !== '' ? { execPath } : {}),
    params: mode === 'simulate' ? { interface: name, simulated: true } : { interface: name },
    vhid: vhid === '' ? undefined : Number(vhid),
  };
};

const SET_IT =
  'set it for Node-RED, in the environment of its service or in "Environment variables" of the tab or flow';

const isVhid = (text: string): boolean => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 255;

const bad = (message: string, remedy: string): { readonly problem: Problem } => ({
  problem: { code: 'CARP_CONFIG', message, remedy },
});

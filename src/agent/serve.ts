import { Subscription } from 'rxjs';
import { type MessageConnection, ResponseError } from 'vscode-jsonrpc/node';
import { CarpError, problemOf } from '../ports/error.ts';
import type { Agent } from './agent.ts';
import { notices } from './notices.ts';
import {
  advskewParams,
  configureParams,
  demoteParams,
  handOverParams,
  maintenanceParams,
  restoreParams,
  simulateParams,
  watchParams,
} from './params.ts';
import { FAILURE_CODE, Rpc, type RpcFailure } from './rpc.ts';
import { segmentNotices } from './segment-notices.ts';

export interface ServeOptions {
  readonly agent: Agent;
  /**
   * `owner`: the process that started the agent, which may say what it runs and end it.
   * `guest`: anybody who may open the socket: its permissions say who may operate this host.
   */
  readonly caller: 'owner' | 'guest';
}

/**
 * Answers one connection until it closes, and starts listening to it.
 * The subscription ends with the connection; unsubscribing stops notifications, not the connection.
 */
export const serve = (connection: MessageConnection, { agent, caller }: ServeOptions): Subscription => {
  const running = new Subscription();
  const segments = segmentNotices(connection, agent);
  running.add(segments.end);
  let subscribed = false;

  const subscribe = (): void => {
    if (subscribed) return;
    subscribed = true;
    running.add(notices(connection, agent));
  };

  const ownerOnly = (): void => {
    if (caller === 'owner') return;
    throw new CarpError('CARP_NO_PERMISSION', 'only the process that started this agent may do that', {
      remedy: 'edit the configuration file of the service and run: systemctl reload carp',
    });
  };

  if (caller === 'owner') connection.onNotification(Rpc.heartbeat, agent.heartbeat);
  connection.onRequest(Rpc.info, () => answer(agent.info));
  connection.onRequest(Rpc.status, () => answer(agent.status));
  connection.onRequest(Rpc.subscribe, () => answer(subscribe));
  connection.onRequest(Rpc.handOver, (params) => answer(() => agent.handOver(handOverParams(params))));
  connection.onRequest(Rpc.demote, (params) => answer(() => agent.demote(demoteParams(params))));
  connection.onRequest(Rpc.restore, (params) => answer(() => agent.restore(restoreParams(params))));
  connection.onRequest(Rpc.maintenance, (params) => answer(() => agent.maintenance(maintenanceParams(params))));
  connection.onRequest(Rpc.observe, (params) => answer(() => agent.observe(maintenanceParams(params))));
  connection.onRequest(Rpc.advskew, (params) => answer(() => agent.advskew(advskewParams(params))));
  connection.onRequest(Rpc.simulate, (params) => answer(() => agent.simulate(simulateParams(params))));
  connection.onRequest(Rpc.watch, (params) => answer(() => segments.watch(watchParams(params))));
  connection.onRequest(Rpc.unwatch, (params) => answer(() => segments.unwatch(watchParams(params))));
  connection.onRequest(Rpc.configure, (params) =>
    answer(() => {
      ownerOnly();
      return agent.configure(configureParams(params));
    }),
  );
  connection.onRequest(Rpc.stop, () =>
    answer(() => {
      ownerOnly();
      return agent.stop();
    }),
  );
  connection.onClose(() => running.unsubscribe());
  connection.onDispose(() => running.unsubscribe());
  // A connection that fails is closed by the system, and that is all there is to do.
  connection.onError(() => undefined);
  connection.listen();
  return running;
};

/** Failures cross the wire as data; what is no `CarpError` is told without its insides. */
const answer = async <Result>(work: () => Result | Promise<Result>): Promise<Result> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ResponseError) throw error;
    const problem = problemOf(error);
    throw new ResponseError<RpcFailure>(FAILURE_CODE, problem.message, problem);
  }
};

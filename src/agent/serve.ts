import { Subscription } from 'rxjs';
import { type MessageConnection, ResponseError } from 'vscode-jsonrpc/node';
import { CarpError, problemOf } from '../ports/error.ts';
import type { Agent } from './agent.ts';
import { configureParams, handOverParams, simulateParams } from './params.ts';
import { FAILURE_CODE, Rpc, type RpcFailure } from './rpc.ts';

export interface ServeOptions {
  readonly agent: Agent;
  /**
   * `owner`: the process that started the agent, which may say what it runs and end it.
   * `guest`: anybody who may open the socket.
   */
  readonly caller: 'owner' | 'guest';
}

/**
 * Answers one connection until it closes, and starts listening to it.
 * The subscription ends with the connection; unsubscribing stops notifications, not the connection.
 */
export const serve = (connection: MessageConnection, { agent, caller }: ServeOptions): Subscription => {
  const notices = new Subscription();
  let subscribed = false;

  const subscribe = (): void => {
    if (subscribed) return;
    subscribed = true;
    const tell = (sent: Promise<void>): void => void sent.catch(() => undefined);
    for (const event of agent.snapshots()) tell(connection.sendNotification(Rpc.event, event));
    for (const notice of agent.problems()) tell(connection.sendNotification(Rpc.problem, notice));
    notices.add(agent.events$.subscribe((event) => tell(connection.sendNotification(Rpc.event, event))));
    notices.add(agent.problems$.subscribe((notice) => tell(connection.sendNotification(Rpc.problem, notice))));
  };

  const ownerOnly = (): void => {
    if (caller === 'owner') return;
    throw new CarpError('CARP_NO_PERMISSION', 'only the process that started this agent may do that', {
      remedy: 'edit the configuration file of the service and run: systemctl reload carp',
    });
  };

  connection.onRequest(Rpc.info, () => answer(agent.info));
  connection.onRequest(Rpc.status, () => answer(agent.status));
  connection.onRequest(Rpc.subscribe, () => answer(subscribe));
  connection.onRequest(Rpc.handOver, (params) => answer(() => agent.handOver(handOverParams(params))));
  connection.onRequest(Rpc.simulate, (params) => answer(() => agent.simulate(simulateParams(params))));
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
  connection.onClose(() => notices.unsubscribe());
  connection.onDispose(() => notices.unsubscribe());
  // A connection that fails is closed by the system, and that is all there is to do.
  connection.onError(() => undefined);
  connection.listen();
  return notices;
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

import { Subscription } from 'rxjs';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import type { CarpEvent } from '../engine/status.ts';
import type { Agent } from './agent.ts';
import { type ProblemNotice, Rpc } from './rpc.ts';

/** Notices that may be on their way to somebody who does not read; the next ones are replaced by the state later. */
export const NOTICES_ON_THEIR_WAY_MAX = 1000;

/**
 * Tells one connection the present state, and from then on what happens. Who has not read for so long that notices had
 * to be left out is told the whole state when it has read the others: memory stays bounded, and what is known last is
 * right. Ends with the subscription.
 */
export const notices = (connection: MessageConnection, agent: Pick<Agent, NoticeSources>): Subscription => {
  let onTheirWay = 0;
  let leftOut = false;
  const running = new Subscription();

  const tellEvent = (event: CarpEvent) => (): Promise<void> => connection.sendNotification(Rpc.event, event);
  const tellProblem = (notice: ProblemNotice) => (): Promise<void> => connection.sendNotification(Rpc.problem, notice);

  const send = (tell: () => Promise<void>): void => {
    onTheirWay += 1;
    const written = (): void => {
      onTheirWay -= 1;
      if (onTheirWay > 0 || !leftOut || running.closed) return;
      leftOut = false;
      sendAll();
      sendRecovered();
    };
    // A connection that fails is closed by the system, and that is all there is to do.
    tell().then(written, () => undefined);
  };

  const sendIfRead = (tell: () => Promise<void>): void => {
    if (onTheirWay < NOTICES_ON_THEIR_WAY_MAX && !leftOut) send(tell);
    else leftOut = true;
  };

  const sendIfRoom = (tell: () => Promise<void>): void => {
    if (onTheirWay < NOTICES_ON_THEIR_WAY_MAX) send(tell);
  };

  const sendAll = (): void => {
    for (const event of agent.snapshots()) send(tellEvent(event));
    for (const notice of agent.problems()) send(tellProblem(notice));
  };

  /** That a problem has gone may be what was left out. */
  const sendRecovered = (): void => {
    const troubled = new Set(agent.problems().map(({ node, group }) => JSON.stringify([node, group])));
    for (const { node, group } of agent.snapshots())
      if (!troubled.has(JSON.stringify([node, group]))) send(tellProblem({ node, group }));
  };

  sendAll();
  // One that is left out is not made up for: what holds is in the status.
  running.add(
    agent.findings$.subscribe((finding) => sendIfRoom(() => connection.sendNotification(Rpc.finding, finding))),
  );
  running.add(agent.events$.subscribe((event) => sendIfRead(tellEvent(event))));
  running.add(agent.problems$.subscribe((notice) => sendIfRead(tellProblem(notice))));
  return running;
};

type NoticeSources = 'snapshots' | 'problems' | 'events$' | 'problems$' | 'findings$';

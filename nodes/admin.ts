/**
 * The HTTP routes of the editor, below Node-RED's admin root. Reading needs the permission `carp.read`, changing
 * `carp.write`; what changes something is a POST with JSON, so that no link and no form of another page can do it.
 *
 * No answer contains a secret: it is made of what `overview()` and the agent's status name, and they name none.
 */
import type { NodeAPI } from 'node-red';
import { asyncScheduler, type Observable, type SchedulerLike, scan, throttleTime } from 'rxjs';
import { type CarpErrorCode, problemOf } from '../src/ports/error.ts';
import { type AdminProblem, CHANGED_TOPIC, type SidebarGroup, type SidebarStatus } from './admin-api.ts';
import { bodies, flawOf } from './admin-bodies.ts';
import { hostInterfaces } from './host-interfaces.ts';
import type { Registry } from './registry.ts';

/** An agent that hangs must not keep the sidebar from showing the others. */
const STATUS_MS = 2000;
/** All editors are told of changes: twice a second is live for people. */
const CHANGES_MS = 500;

export interface AdminOptions {
  readonly statusMs?: number;
  readonly scheduler?: SchedulerLike;
}

/** @returns ends the news of changes; routes cannot be taken back */
export const registerAdmin = (
  RED: Pick<NodeAPI, 'httpAdmin' | 'auth' | 'comms'>,
  registry: Registry,
  { statusMs = STATUS_MS, scheduler = asyncScheduler }: AdminOptions = {},
): (() => void) => {
  const mayRead = RED.auth.needsPermission('carp.read');
  const mayWrite = RED.auth.needsPermission('carp.write');

  RED.httpAdmin.get('/carp/interfaces', mayRead, (_request, response) => {
    response.set('Cache-Control', 'no-store').json({ interfaces: hostInterfaces() });
  });

  RED.httpAdmin.get('/carp/status', mayRead, (_request, response) => {
    void statusOf(registry, statusMs).then((status) => response.set('Cache-Control', 'no-store').json(status));
  });

  /** A route that changes something, and answers with what came of it. */
  const post = <Body>(path: string, isBody: BodyCheck<Body>, change: (body: Body) => Promise<object>): void => {
    RED.httpAdmin.post(path, mayWrite, (request, response) => {
      const answer = (status: number, body: object): void =>
        void response.status(status).set('Cache-Control', 'no-store').json(body);
      if (!request.is('application/json')) return answer(415, badRequest('the body is not JSON'));
      const body: unknown = request.body;
      if (!isBody(body)) return answer(400, badRequest(flawOf(isBody)));
      change(body).then(
        (receipt) => answer(200, receipt),
        (error: unknown) => {
          const problem: AdminProblem = problemOf(error);
          answer(STATUS_CODES[problem.code] ?? 500, problem);
        },
      );
    });
  };
  post('/carp/hand-over', bodies.handOver, ({ id, force }) => registry.handOver(id, force === true));
  post('/carp/maintenance', bodies.mode, ({ id, on, scope }) => registry.maintenance(id, on, scope ?? 'group'));
  post('/carp/observe', bodies.mode, ({ id, on, scope }) => registry.observe(id, on, scope ?? 'group'));
  post('/carp/restore', bodies.restore, ({ id, reason, scope }) => registry.restore(id, reason, scope ?? 'group'));

  const news = changeNumbers(registry.changes$, scheduler).subscribe((change) =>
    RED.comms.publish(CHANGED_TOPIC, { change }, false),
  );
  return () => news.unsubscribe();
};

/** What is told of changes: the first at once, then at most one every half second, and the last one always. Cold. */
export const changeNumbers = (changes$: Observable<void>, scheduler: SchedulerLike): Observable<number> =>
  changes$.pipe(
    throttleTime(CHANGES_MS, scheduler, { leading: true, trailing: true }),
    scan((number) => number + 1, 0),
  );

type BodyCheck<Body> = ((value: unknown) => value is Body) & Parameters<typeof flawOf>[0];

const statusOf = async (registry: Registry, ms: number): Promise<SidebarStatus> => {
  const groups = await Promise.all(
    registry.overview().map(async (one): Promise<SidebarGroup> => {
      // Without an answer there is still the last that was heard, and its problem.
      const asked = Promise.all([registry.statusOf(one.id), registry.busOf(one.id)]);
      const answer = await within(ms, asked).catch(() => undefined);
      if (answer === undefined) return one;
      const [status, bus] = answer;
      return { ...one, status, ...(bus === undefined ? {} : { bus }) };
    }),
  );
  return { groups, at: new Date().toISOString() };
};

const within = <Answer>(ms: number, answer: Promise<Answer>): Promise<Answer | undefined> => {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  return Promise.race([answer, limit]).finally(() => clearTimeout(timer));
};

const badRequest = (message: string): AdminProblem => ({
  code: 'CARP_BAD_REQUEST',
  message,
  remedy: 'send JSON with the fields that the route knows: id, and force, on, scope or reason',
});

/** 401 and 403 are about the user who asks; an agent without privileges is not. */
const STATUS_CODES: Readonly<Partial<Record<CarpErrorCode | 'CARP_BAD_REQUEST', number>>> = {
  CARP_BAD_REQUEST: 400,
  CARP_CONFIG: 409,
  CARP_DUPLICATE: 409,
  CARP_NO_GROUP: 404,
  CARP_NOT_MASTER: 409,
  CARP_NOBODY: 409,
  CARP_NO_AGENT: 503,
  CARP_NO_PERMISSION: 503,
  CARP_NO_TRANSPORT: 503,
};

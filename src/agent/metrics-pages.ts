/** What a scraper, a load balancer or a probe may ask for. Nobody logs in, so no page says more than `carp status` does. */

import { setImmediate as nextTurn } from 'node:timers/promises';
import { acceptedFormat } from '../adapters/metrics/accepted-format.ts';
import { exposition, FORMATS, type Format } from '../adapters/metrics/exposition.ts';
import type { Page, PageRequest } from '../adapters/metrics/server.ts';
import type { GroupStatus } from '../engine/status.ts';
import { type Figures, families } from './metrics-families.ts';
import { failureOf } from './metrics-health.ts';

/** How an agent stands at one moment, for all who ask at that moment. */
export interface Reading {
  readonly figures: Figures;
  /** The agent says farewell. */
  readonly stopping: boolean;
  /** Pages that were made of it already, or are being made. */
  readonly pages: Map<Format, Promise<Uint8Array>>;
}

const INDEX = `/metrics                  all figures, for Prometheus
/healthz                  200: each group works, as MASTER or BACKUP
/healthz?group=NAME       200: this group works
/healthz?master=NAME      200: this host is MASTER of this group
`;

/** Rejects only if there is a defect. */
export const pageOf = async (request: PageRequest, read: () => Reading): Promise<Page> => {
  if (request.path === '/metrics') return metricsPage(read(), acceptedFormat(request.accept));
  if (request.path === '/healthz') return healthPage(request.query, read());
  return textPage(request.path === '/' ? 200 : 404, request.path === '/' ? INDEX : `there is only:\n${INDEX}`);
};

const textPage = (status: number, body: string): Page => ({ status, type: 'text/plain; charset=utf-8', body });

const metricsPage = async ({ figures, pages }: Reading, format: Format): Promise<Page> => {
  const body = pages.get(format) ?? written(exposition(families(figures), format));
  pages.set(format, body);
  return { status: 200, type: FORMATS[format], body: await body };
};

/** Adverts that are due leave between two pieces. */
const written = async (pieces: Iterable<string>): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  for (const piece of pieces) {
    parts.push(Buffer.from(piece));
    await nextTurn();
  }
  return Buffer.concat(parts);
};

/** Who asks wants a short answer, whatever has happened. */
const FAILURES_SHOWN_MAX = 16;
const QUERY_KEYS: readonly string[] = ['node', 'group', 'master'];

const healthPage = (query: URLSearchParams, { figures, stopping }: Reading): Page => {
  // A typing mistake must not turn "are you MASTER?" into "are you well?", to which every BACKUP says yes.
  const unknown = [...query.keys()].find((key) => !QUERY_KEYS.includes(key));
  if (unknown !== undefined)
    return jsonPage(400, { status: 'error', why: `only ${QUERY_KEYS.join(', ')} may be asked` });
  const name = query.get('master') ?? query.get('group');
  const node = query.get('node');
  const asked = figures.hosts
    .flatMap(({ groups }) => groups)
    .filter((status) => (name === null || status.group === name) && (node === null || status.node === node));
  if (asked.length === 0 && (name !== null || node !== null))
    return jsonPage(404, { status: 'error', why: 'there is no such group here' });
  return query.has('master') ? masterPage(asked) : workingPage(asked, stopping);
};

const masterPage = (asked: readonly GroupStatus[]): Page => {
  const found = asked.find(({ role }) => role === 'MASTER') ?? asked[0];
  const isMaster = found?.role === 'MASTER';
  return jsonPage(isMaster ? 200 : 503, {
    status: isMaster ? 'ok' : 'failing',
    node: found?.node,
    group: found?.group,
    role: found?.role,
  });
};

const workingPage = (asked: readonly GroupStatus[], stopping: boolean): Page => {
  const failures = asked.flatMap((status) => {
    const why = stopping ? 'the agent is about to stop' : failureOf(status);
    return why === undefined ? [] : [{ node: status.node, group: status.group, role: status.role, why }];
  });
  if (!stopping && failures.length === 0)
    return jsonPage(200, {
      status: 'ok',
      groups: asked.length,
      master: asked.filter(({ role }) => role === 'MASTER').length,
    });
  return jsonPage(503, {
    status: 'failing',
    groups: asked.length,
    failing: failures.length,
    failures: failures.slice(0, FAILURES_SHOWN_MAX),
  });
};

const jsonPage = (status: number, body: object): Page => ({
  status,
  type: 'application/json; charset=utf-8',
  body: `${JSON.stringify(body)}\n`,
});

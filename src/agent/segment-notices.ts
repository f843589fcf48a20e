import { Subscription } from 'rxjs';
import type { MessageConnection } from 'vscode-jsonrpc/node';
import { CarpError } from '../ports/error.ts';
import type { Agent } from './agent.ts';
import { Rpc, type SegmentNotice, type WatchParams } from './rpc.ts';
import { segmentKey } from './segments.ts';

/** Segments that one connection may listen to. */
export const WATCHES_MAX = 16;
/** Notices that may be on their way to somebody who does not read; what follows is told by a report later. */
export const SEGMENT_NOTICES_MAX = 200;

export interface SegmentNotices {
  /** Tells how this segment stands, and from then on what changes. Once more: how it stands, again. @throws CarpError */
  readonly watch: (params: WatchParams) => void;
  readonly unwatch: (params: WatchParams) => void;
  readonly end: () => void;
}

/** What one connection is told of segments. Memory stays bounded, whoever does not read. */
export const segmentNotices = (connection: MessageConnection, { watch }: Pick<Agent, 'watch'>): SegmentNotices => {
  const watched = new Map<string, { readonly params: WatchParams; listening: Subscription }>();
  const leftOut = new Set<string>();
  let onTheirWay = 0;

  const send = (notice: SegmentNotice): void => {
    onTheirWay += 1;
    const written = (): void => {
      onTheirWay -= 1;
      if (onTheirWay === 0) catchUp();
    };
    // A connection that fails is closed by the system, and that is all there is to do.
    connection.sendNotification(Rpc.segment, notice).then(written, () => undefined);
  };

  const listen = (params: WatchParams): Subscription => {
    const { interface: name, simulated = false } = params;
    const key = segmentKey(params);
    return watch(params).subscribe((update) => {
      if (leftOut.has(key)) return;
      if (onTheirWay < SEGMENT_NOTICES_MAX) send({ interface: name, simulated, ...update });
      else leftOut.add(key);
    });
  };

  /** Listening anew begins with a report. */
  const catchUp = (): void => {
    const keys = [...leftOut];
    leftOut.clear();
    for (const key of keys) {
      const one = watched.get(key);
      if (one !== undefined) begin(key, one.params);
    }
  };

  const begin = (key: string, params: WatchParams): void => {
    const before = watched.get(key);
    const one = { params, listening: new Subscription() };
    watched.set(key, one);
    // The new one first: the socket of the last listener would be closed, and all be forgotten.
    one.listening = listen(params);
    before?.listening.unsubscribe();
  };

  return {
    watch: (params) => {
      const key = segmentKey(params);
      if (!watched.has(key) && watched.size >= WATCHES_MAX)
        throw new CarpError('CARP_FAILED', `one connection listens to ${WATCHES_MAX} segments at most`, {
          remedy: 'unwatch one of them, or open another connection',
        });
      leftOut.delete(key);
      begin(key, params);
    },
    unwatch: (params) => {
      const key = segmentKey(params);
      watched.get(key)?.listening.unsubscribe();
      watched.delete(key);
      leftOut.delete(key);
    },
    end: () => {
      for (const { listening } of watched.values()) listening.unsubscribe();
      watched.clear();
    },
  };
};

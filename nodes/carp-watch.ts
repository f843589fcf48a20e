/** carp-watch: a message for each change on a network segment, heard without taking part. */
import type { NodeDef } from 'node-red';

export interface WatchDef extends NodeDef {
  readonly interface: string;
  readonly mode: 'run' | 'service' | 'simulate';
  readonly socket: string;
  /** 1..255; empty: all. */
  readonly vhid: number | string;
}

import type { Mode } from '../../engine/mode.ts';
import type { CarpEvent } from '../../engine/status.ts';
import type { Metric, MetricType } from './payload.ts';

export const BDSEQ = 'bdSeq';
export const REBIRTH = 'Node Control/Rebirth';
export const MAINTENANCE = 'Control/Maintenance';

/** Of the edge node. @param at - ms since 1970 */
export const nodeMetrics = (bdSeq: number, version: string, at: number): readonly Metric[] => [
  bdSeqMetric(bdSeq, at),
  { name: REBIRTH, type: 'Boolean', value: false, timestamp: at },
  { name: 'Properties/Software', type: 'String', value: 'node-red-carp', timestamp: at },
  { name: 'Properties/Version', type: 'String', value: version, timestamp: at },
];

/** By it a host application knows which birth a death belongs to. */
export const bdSeqMetric = (bdSeq: number, at: number): Metric => ({
  name: BDSEQ,
  type: 'Int64',
  value: bdSeq,
  timestamp: at,
});

/**
 * All that is told of a CARP group, as its own device: the same names each time.
 *
 * @param mode - shown where it may be ordered as well; `undefined` where it may not
 */
export const deviceMetrics = (event: CarpEvent, mode: Mode | undefined): readonly Metric[] => {
  const timestamp = Date.parse(event.at);
  const metric = (name: string, type: MetricType, value: Metric['value']): Metric => ({ name, type, value, timestamp });
  return [
    metric('Role', 'String', event.role),
    metric('IsMaster', 'Boolean', event.role === 'MASTER'),
    metric('MasterAddress', 'String', event.master?.address ?? null),
    metric('Reason', 'String', event.reason),
    metric('Transitions', 'Int64', event.seq),
    metric('AdvSkew', 'Int32', event.advskew),
    metric('Demotion', 'Int32', event.demotion),
    metric('Properties/VHID', 'Int32', event.vhid),
    metric('Properties/Interface', 'String', event.interface),
    metric('Properties/Addresses', 'String', event.addresses.join(', ')),
    ...(mode === undefined ? [] : [metric(MAINTENANCE, 'Boolean', mode === 'maintenance')]),
  ];
};

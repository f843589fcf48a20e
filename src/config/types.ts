/**
 * The configuration file as it is written, with defaults filled in (DESIGN 9). The JSON Schema beside this file says
 * the same; a type test holds the two together.
 */
import type { MqttSettings } from '../adapters/mqtt/settings.ts';

export interface DemotionConfig {
  readonly linkDown: number;
  readonly sendErrors: number;
  readonly stalled: number;
  readonly scope: 'sync' | 'host';
}

export type MqttConfig = MqttSettings;

/** Where the agent answers `GET /metrics` and `GET /healthz`. */
export interface MetricsConfig {
  readonly address: string;
  readonly port: number;
}

export interface HooksConfig {
  readonly up?: readonly string[];
  readonly down?: readonly string[];
  readonly change?: readonly string[];
  /** Seconds. */
  readonly timeout: number;
}

export interface TrackConfig {
  readonly name: string;
  readonly command: readonly string[];
  /** Seconds. */
  readonly every: number;
  readonly rise: number;
  readonly fall: number;
  readonly weight: number;
}

export interface GroupConfig {
  readonly name: string;
  readonly interface: string;
  readonly vhid: number;
  /** The password, or where it is: exactly one of the three, or none for an empty one. */
  readonly pass?: string;
  readonly passfile?: string;
  readonly passEnv?: string;
  /** `address/prefix`. */
  readonly addresses: readonly string[];
  /** One address, or one of each family. */
  readonly source?: string | readonly string[];
  readonly sync?: string;
  readonly routes: readonly string[];
  readonly advbase: number;
  readonly advskew: number;
  readonly deadratio: number;
  readonly preempt: boolean;
  /** Seconds. */
  readonly preemptDelay: number;
  readonly peers: readonly string[];
  readonly addressing: 'manual' | 'interface' | 'virtual-mac';
  readonly compatibility: 'auto' | 'freebsd' | 'openbsd' | 'netbsd' | 'ucarp';
  /** A MAC address, as `02:00:5e:10:20:30`. */
  readonly lladdr?: string;
  readonly dscp?: number;
  readonly checkTtl: 'always' | 'ipv4' | 'never';
  readonly broadcast: boolean;
  /** An IPv4 multicast address. */
  readonly multicast?: string;
  readonly ignoreLink: boolean;
  readonly transport: 'auto' | 'koffi' | 'raw-socket' | 'memory';
  readonly replay: 'auto' | 'strict' | 'off';
  /** Seconds; 0 = never. */
  readonly announceRefresh: number;
  readonly hooks?: HooksConfig;
  readonly track: readonly TrackConfig[];
}

export interface HostConfig {
  /** Default: the host name. */
  readonly node: string;
  readonly socket: string;
  readonly state: string;
  /** Seconds. */
  readonly startDelay: number;
  readonly demotion: DemotionConfig;
  readonly mqtt?: MqttConfig;
  readonly metrics?: MetricsConfig;
  readonly groups: readonly GroupConfig[];
}

/**
 * CARP for other programs: the protocol, the pure machine, the engine, and a client of the agent.
 *
 * Nothing here loads a native module or touches the network by being imported.
 */

export { createSniffer, type SnifferClocks } from './adapters/linux/sniffer.ts';
export { createMemoryLan, type MemoryHost, type MemoryLan } from './adapters/memory/lan.ts';
export { readCapture } from './adapters/node/capture.ts';
export { createSigner } from './adapters/node/hmac.ts';
export { monotonicScheduler } from './adapters/node/scheduler.ts';
export { connectSocket } from './agent/client.ts';
export type { SegmentUpdate } from './agent/segment-updates.ts';
export { createSupervisor } from './agent/supervisor.ts';
export { loadConfig, parseConfig } from './config/load.ts';
export type { GroupConfig, HostConfig, MqttConfig } from './config/types.ts';
export { createHost } from './engine/create-host.ts';
export type { EnvironmentOf, Host } from './engine/host.ts';
export type { Finding, HintEvent, MismatchEvent } from './engine/mismatch.ts';
export { EMPTY_SEGMENT, hearFrame, passTime, type Segment } from './engine/segment.ts';
export type { SegmentChange, SegmentEvent } from './engine/segment-events.ts';
export { type SegmentReport, type SpeakerReport, segmentReport, type WireReport } from './engine/segment-report.ts';
export type { SegmentRules } from './engine/segment-rules.ts';
export type { Who } from './engine/segment-speaker.ts';
export type { SegmentStanding } from './engine/segment-standing.ts';
export type { SystemGuess } from './engine/segment-system.ts';
export { followSegment, type SegmentNews, type WatchOptions, watchSegment } from './engine/segment-watch.ts';
export type { GroupSettings, HostSettings } from './engine/settings.ts';
export type { CarpEvent, Counters, GroupStatus, HostStatus, Master, PeerStatus, PublicRole } from './engine/status.ts';
export type { Effect } from './machine/effects.ts';
export type { HeardAdvert, MachineEvent } from './machine/events.ts';
export { REASONS, type Reason, ROLES, type Role } from './machine/roles.ts';
export type { MachineSettings } from './machine/settings.ts';
export { initialState, roleOf, type State } from './machine/state.ts';
export { transition } from './machine/transition.ts';
export type { Addresses, Lease, LeaseEvent, LeaseRequest } from './ports/addresses.ts';
export type { Announcer } from './ports/announcer.ts';
export type { Environment } from './ports/environment.ts';
export { CarpError, type CarpErrorCode, type Problem } from './ports/error.ts';
export type { InterfaceState, Interfaces } from './ports/interfaces.ts';
export type { Log, LogLevel } from './ports/log.ts';
export type { CapturedFrame, LinkType, Sniffer, SnifferOptions } from './ports/sniffer.ts';
export type { Channel, ChannelOptions, Packet, Transport } from './ports/transport.ts';
export { type Cidr, formatCidr, type IpAddress, parseAddress, parseCidr } from './protocol/address.ts';
export { type Advert, type DecodedAdvert, decodeAdvert, encodeAdvert } from './protocol/advert.ts';
export { type Authenticator, authenticator, keyOf, type Sign } from './protocol/authentication.ts';
export { diagnose, diagnosing, type Known, type Match, type Mistake } from './protocol/diagnosis.ts';
export { type Diagnosis, diagnosisOf } from './protocol/diagnosis-text.ts';
export { advertInterval, effectiveSkew, leaseSeconds, masterDownTime } from './protocol/timing.ts';
export * from './protocol/units.ts';
export { readVrrp, type Vrrp } from './protocol/vrrp.ts';

/** What a host says about the groups it takes part in: role, state, master, event, mode, advskew and vip. */
import type { CarpEvent, PublicRole } from '../../engine/status.ts';
import type { BusGroup, CreatePart, PartContext } from './part.ts';
import type { EventReport, EventType, MasterClaim } from './payloads.ts';
import { addressTopic, groupTopic, memberTopic } from './topics.ts';

/** How often states are compared with what was said: what changes a state is an event, so this finds next to nothing. */
const COMPARE_MS = 5000;

const EVENT_TYPE: Readonly<Record<PublicRole, EventType>> = {
  MASTER: 'became_master',
  BACKUP: 'became_backup',
  INIT: 'became_init',
  STOPPED: 'stopped',
};

/** The event of a transition, as it is published. */
export const eventReport = (event: CarpEvent): EventReport => ({ event_type: EVENT_TYPE[event.role], ...event });

/**
 * A transition leaves as role, state, master (of who becomes MASTER), mode, advskew, vip, and then the event: who acts on
 * the event finds everything else on the broker already.
 */
export const rolePart: CreatePart = (context) => {
  const { host, voice, settings, now } = context;
  /** By group: the newest thing that was said. */
  const said = new Map<string, CarpEvent>();
  let comparedAt = Number.NEGATIVE_INFINITY;
  let refreshedAt = Number.NEGATIVE_INFINITY;

  const say = (event: CarpEvent, again: boolean): void => {
    const { group, role } = event;
    const before = said.get(group);
    said.set(group, event);
    const { scope } = context;
    const news = before?.role !== role || before.seq !== event.seq;
    // The role is not repeated: a flow that acts on the topic takes each message for a change.
    voice.keep(memberTopic(scope, group, 'role'), role, { again: news });
    voice.keep(memberTopic(scope, group, 'state'), JSON.stringify(event), { expires: true, again: news || again });
    sayMaster(event, before, news || again);
    sayMode(group);
    voice.keep(memberTopic(scope, group, 'advskew'), String(event.advskew));
    for (const { text } of addressesOf(host.groups(), group))
      voice.keep(addressTopic(scope, group, 'vip', text), role === 'MASTER' ? 'held' : 'absent');
  };

  const sayMaster = (event: CarpEvent, before: CarpEvent | undefined, again: boolean): void => {
    const topic = groupTopic(context.scope, event.group, 'master');
    if (event.role !== 'MASTER') voice.leave(topic);
    else {
      const since = before?.role === 'MASTER' && before.seq === event.seq ? sinceOf(before) : event.at;
      voice.keep(topic, JSON.stringify(claimOf(event, since, context)), { expires: true, again });
    }
  };

  /** When the present reign began, by group: snapshots tell the present time. */
  const reigns = new Map<string, { readonly seq: number; readonly since: string }>();
  const sinceOf = ({ group, seq, at }: CarpEvent): string => {
    const reign = reigns.get(group);
    return reign?.seq === seq ? reign.since : at;
  };
  const noteReign = ({ event, group, role, seq, at }: CarpEvent): void => {
    if (role !== 'MASTER' || reigns.get(group)?.seq === seq) return;
    const since = event === 'transition' ? at : (host.status().groups.find((one) => one.group === group)?.since ?? at);
    reigns.set(group, { seq, since });
  };

  const sayMode = (group: string): void => voice.keep(memberTopic(context.scope, group, 'mode'), host.modeOf(group));

  const compare = (again: boolean): void => {
    for (const event of host.snapshots()) {
      const before = said.get(event.group);
      if (!again && before !== undefined && contentOf(before) === contentOf(event)) continue;
      noteReign(event);
      say(event, again);
    }
  };

  return {
    filters: [],
    begin: () => compare(false),
    event: (event) => {
      noteReign(event);
      say(event, false);
      if (event.event !== 'transition') return;
      voice.tell({
        topic: memberTopic(context.scope, event.group, 'event'),
        payload: JSON.stringify(eventReport(event)),
      });
    },
    tick: () => {
      const configured = new Set(host.groups().map(({ group }) => group));
      for (const group of said.keys())
        if (configured.has(group)) sayMode(group);
        else said.delete(group);
      const refresh = now() - refreshedAt >= settings.refresh * 1000;
      if (!refresh && now() - comparedAt < COMPARE_MS) return;
      comparedAt = now();
      if (refresh) refreshedAt = now();
      compare(refresh);
    },
  };
};

const addressesOf = (groups: readonly BusGroup[], name: string): BusGroup['addresses'] => {
  const group = groups.find((one) => one.group === name);
  // Whoever sets the addresses himself knows alone where they are.
  return group === undefined || group.addressing === 'manual' ? [] : group.addresses;
};

const claimOf = (event: CarpEvent, since: string, { scope }: PartContext): MasterClaim => ({
  node: scope.node,
  address: event.master?.address ?? '',
  vhid: event.vhid,
  since,
  at: event.at,
  seq: event.seq,
});

/** What makes two states of a group different for a reader; when and in which form it was told does not. */
const contentOf = ({ at: _at, event: _event, devd: _devd, ...rest }: CarpEvent): string => JSON.stringify(rest);

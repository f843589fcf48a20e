/**
 * Home Assistant finds the groups of this host by itself: one retained configuration for each, told in the background.
 *
 * What was told is written down on the broker first (home-assistant-ledger.ts), and taken back by what is written there:
 * a device whose group is gone by an empty configuration, an entity that is no longer offered by one that says only its
 * platform, followed by one without it.
 */

import type { BusGroup, CreatePart, Incoming, Part, PartContext } from '../part.ts';
import { commandsOf } from '../settings.ts';
import { topicPath } from '../topics.ts';
import { type DeviceOptions, deviceConfig, type Platform, platformsOf } from './home-assistant-device.ts';
import { EMPTY_LEDGER, type Ledger, ledgerTopic, readLedger } from './home-assistant-ledger.ts';
import { deviceId, deviceTopic } from './home-assistant-names.ts';

/** A retained message comes within moments of its subscription, and so does word of a twin, who may own what it names. */
const HEARD_MS = 2000;
/** How long what is taken back stays in the ledger: a connection that breaks meanwhile costs nothing but time. */
const TAKING_BACK_MS = 10_000;
/** How many devices are described at a time: what waits for a deadline in this process goes first. */
const DEVICES_A_TICK = 16;
/** When Home Assistant starts, its hosts do not speak all at once. */
const ANSWER_MS = { first: 500, spread: 5000 } as const;

export const homeAssistantPart: CreatePart = (context) =>
  context.settings.homeAssistant ? offering(context) : takingBack(context);

const offering = (context: PartContext): Part => {
  const { settings, host, voice, now } = context;
  const prefix = topicPath(settings.homeAssistantPrefix);
  const birth = `${prefix}/status`;
  const ledger = ledgerTopic(context.scope);
  const commands = commandsOf(settings);
  const offered = platformsOf(commands);
  const options: DeviceOptions = { scope: context.scope, version: host.version, commands };

  /** What was told before: unknown until the broker had the time to say so. */
  let before: Ledger | undefined;
  let found = EMPTY_LEDGER;
  let hearUntil: number | undefined;
  let goingUntil: number | undefined;
  let answerAt: number | undefined;
  let told = '';
  let topics: readonly string[] = [];
  let goneEntities: Readonly<Record<string, Platform>> = {};
  /** Devices that are still to be described, and whether also to a broker that was told the same before. */
  let waiting: readonly { readonly topic: string; readonly group: BusGroup; readonly again: boolean }[] = [];

  const devices = () =>
    host.groups().map((group) => ({ topic: deviceTopic(prefix, deviceId(context.scope, group.group)), group }));

  /** Says what is offered now, and what is not any more; a ledger that names both comes first. */
  const tell = (known: Ledger): void => {
    const present = devices();
    told = signatureOf(host.groups());
    topics = present.map(({ topic }) => topic);
    const configured = new Set(topics);
    const goneTopics = known.topics.filter((topic) => !configured.has(topic));
    goneEntities = Object.fromEntries(
      Object.entries(known.entities).filter(([key, platform]) => offered[key] !== platform),
    );
    before = { topics: [...topics, ...goneTopics], entities: { ...goneEntities, ...offered } };
    const isGoing = goneTopics.length > 0 || Object.keys(goneEntities).length > 0;
    goingUntil = isGoing ? now() + TAKING_BACK_MS : undefined;
    if (before.topics.length === 0) voice.clear(ledger);
    else voice.keep(ledger, JSON.stringify(before));
    for (const topic of goneTopics) voice.clear(topic);
    waiting = present.map((device) => ({ ...device, again: false }));
    describe();
  };

  const describe = (): void => {
    for (const { topic, group, again } of waiting.slice(0, DEVICES_A_TICK))
      voice.keep(topic, deviceConfig(group, options, goneEntities), { lane: 'background', again });
    waiting = waiting.slice(DEVICES_A_TICK);
  };

  const heard = ({ topic, payload, retain }: Incoming): void => {
    if (topic === ledger) {
      if (retain) found = readLedger(payload, context.scope);
      return;
    }
    // Retained: a birth of long ago. What is kept is on the broker, and was told anew by this connection.
    if (topic === birth && !retain && Buffer.from(payload).toString('utf8') === 'online')
      answerAt ??= now() + ANSWER_MS.first + shareOf(host.instance) * ANSWER_MS.spread;
  };

  return {
    filters: [birth, ledger],
    begin: () => {
      if (before === undefined) hearUntil = now() + HEARD_MS;
      // What was to be taken back may not have arrived.
      if (goingUntil !== undefined) goingUntil = now() + TAKING_BACK_MS;
    },
    heard,
    tick: () => {
      if (!voice.connected()) return;
      if (before === undefined) {
        if (hearUntil !== undefined && now() >= hearUntil) tell(found);
        return;
      }
      if (waiting.length > 0) describe();
      else if (goingUntil !== undefined && now() >= goingUntil) tell({ topics, entities: offered });
      else if (signatureOf(host.groups()) !== told) tell(before);
      if (answerAt === undefined || now() < answerAt || waiting.length > 0) return;
      answerAt = undefined;
      waiting = devices().map((device) => ({ ...device, again: true }));
      describe();
    },
    end: () => {
      if (before !== undefined && signatureOf(host.groups()) !== told) tell(before);
    },
  };
};

/** Discovery is off: takes back what was told while it was on. One filter, which matches one topic of its own. */
const takingBack = ({ scope, voice, now }: PartContext): Part => {
  const ledger = ledgerTopic(scope);
  let found = EMPTY_LEDGER;
  let actAt: number | undefined;
  let doneAt: number | undefined;
  return {
    filters: [ledger],
    begin: () => {
      if (doneAt !== undefined) doneAt = now() + TAKING_BACK_MS;
    },
    heard: ({ topic, payload, retain }) => {
      if (topic !== ledger || !retain || payload.length === 0) return;
      found = readLedger(payload, scope);
      actAt = now() + HEARD_MS;
    },
    tick: () => {
      if (!voice.connected()) return;
      if (actAt !== undefined && now() >= actAt) {
        for (const topic of found.topics) voice.clear(topic);
        actAt = undefined;
        doneAt = now() + TAKING_BACK_MS;
      }
      if (doneAt === undefined || now() < doneAt) return;
      doneAt = undefined;
      voice.clear(ledger);
    },
  };
};

/** Changes when something changes that a device says of its group. */
const signatureOf = (groups: readonly BusGroup[]): string =>
  groups.map(({ group, interface: name, vhid }) => `${group}\n${name}\n${vhid}`).join('\n\n');

/** From 0 to 1: another share for each process, so that many hosts spread evenly. */
const shareOf = (instance: string): number => (Number.parseInt(instance.slice(0, 8), 16) || 0) / 0x1_0000_0000;

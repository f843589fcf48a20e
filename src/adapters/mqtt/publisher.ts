import type { MqttClient } from 'mqtt';
import {
  concat,
  defer,
  EMPTY,
  firstValueFrom,
  fromEvent,
  ignoreElements,
  interval,
  merge,
  type Observable,
  of,
  race,
  repeat,
  retry,
  Subject,
  type Subscription,
  switchMap,
  take,
  takeUntil,
  tap,
  timer,
} from 'rxjs';
import type { BusStatus, BusTrouble, CarpEvent } from '../../engine/status.ts';
import type { Log } from '../../ports/log.ts';
import { createBrokers } from './connection/brokers.ts';
import { brokerName, mqttClientId, mqttConnection } from './connection/connection.ts';
import { type MqttFailure, mqttFailure } from './connection/problem.ts';
import { hear } from './hear.ts';
import { Outbox } from './outbox.ts';
import { type BusHost, type CreatePart, type Part, type PartContext, TICK_MS } from './part.ts';
import { PARTS } from './parts.ts';
import { presencePart } from './presence-part.ts';
import { pump } from './pump.ts';
import type { MqttSettings } from './settings.ts';
import { nodeTopic } from './topics.ts';

export interface MqttPublisherOptions {
  readonly settings: MqttSettings;
  readonly host: BusHost;
  /** Eight hexadecimal digits: the same after a restart, others on another machine. */
  readonly machineId: string;
  readonly events$: Observable<CarpEvent>;
  readonly log: Log;
  /** What is said besides who this host is. Default: everything. */
  readonly parts?: readonly CreatePart[];
}

export interface MqttPublisher {
  readonly status: () => BusStatus;
  /** Tells what is still to be told, then `offline` (or, to take everything back, clears all of it), and ends; within 1 s, whatever the broker does. Never rejects. */
  readonly close: (how?: { readonly takeBack: boolean }) => Promise<void>;
  /** Cuts the connection as a power failure does: the broker publishes the will. For simulated hosts. */
  readonly kill: () => void;
}

const CLOSE_MS = 900;
/** Session taken over: another client came with this client id (MQTT 5, 3.14.2.1). */
const TAKEN_OVER = 0x8e;
/** Brokers that do not refuse a subscription but end the connection did so this often in a row. */
const UNANSWERED_MAX = 3;
/** MQTT 3.1.1 gives no reason: connections that ended so soon, this often in a row, were taken over. */
const SHORT = { ms: 10_000, times: 3 } as const;

/**
 * What one host says and does on the bus (see parts.ts) over a connection of its own, so that the broker's will for it
 * means this agent and nothing else.
 *
 * Runs from the call until `close` or `kill`. Nothing the broker does reaches the caller: a broker that is away,
 * refuses or hangs costs one log line when the reason changes, and bounded memory.
 */
export const createMqttPublisher = (options: MqttPublisherOptions): MqttPublisher => {
  const { settings, host, machineId, events$, log } = options;
  const scope = { base: settings.base, node: host.node };
  const status = nodeTopic(scope, 'status');
  const brokers = createBrokers(settings, Math.random);
  const news$ = new Subject<void>();
  const subscriptions: Subscription[] = [];

  let client: MqttClient | undefined;
  let wasConnected = false;
  /** On the monotonic clock, in ms. */
  let connectedAt: number | undefined;
  let said: string | undefined;
  let shortSessions = 0;
  let isOneOfTwo = false;
  /** Whether the broker has answered the subscriptions of this connection, or had time enough to. */
  let isAnswered = false;
  let unanswered = 0;
  let isDeaf = false;
  let aside = false;
  let closing: Promise<void> | undefined;

  const outbox = new Outbox({
    expiry: settings.expiry,
    news: () => news$.next(),
    connected: () => client !== undefined,
    now: () => performance.now(),
  });

  const broker = (): string => brokerName(brokers.current.url);
  const fields = (more: object = {}): Record<string, unknown> => ({ node: host.node, broker: broker(), ...more });
  /** What was last said of each broker of the list: hosts that walk it would otherwise repeat themselves. */
  const told = new Map<string, string>();
  const say = (line: string): void => {
    said = line;
    if (line === told.get(broker())) return;
    told.set(broker(), line);
    log('warn', `mqtt of ${host.node}: ${line}`, fields());
  };

  const standAside = (should: boolean): void => {
    aside = should;
    outbox.silence(should);
    // The new connection has another will. This one is ended in an orderly way: nobody is told that the node is offline.
    client?.end();
  };

  const troubles = new Map<CreatePart, readonly BusTrouble[]>();
  const contextFor = (part: CreatePart): PartContext => ({
    settings,
    scope,
    host,
    voice: outbox,
    now: () => performance.now(),
    wallClock: () => new Date(),
    log,
    report: (now) => void troubles.set(part, now),
  });
  const presence = presencePart({ standAside, repeat: () => outbox.begin() });
  const parts = [presence, ...(options.parts ?? PARTS)].map((create) => create(contextFor(create)));

  /** A part that fails costs what it was about to do, and a line. */
  const each = (of: readonly Part[], act: (part: Part) => void): void => {
    for (const part of of)
      try {
        act(part);
      } catch (error) {
        say(`a mistake in this program, please report it: ${error instanceof Error ? error.message : String(error)}`);
      }
  };

  const session = (connected: MqttClient): Observable<never> => {
    client = connected;
    connectedAt = performance.now();
    const { version } = brokers.current;
    const refusals = new Set<unknown>();
    const refused = ({ code, text }: MqttFailure, topic: string): void => {
      if (refusals.has(code)) return;
      refusals.add(code);
      say(`${broker()} refuses what is published: ${text} (first on ${topic})`);
    };
    const hearing$ = hear({
      client: connected,
      version,
      parts: isDeaf ? [] : parts,
      // What is said to this name is the business of its twin, while this host stands aside.
      // Nor is there an answer to what comes after the farewell, such as an echo of it.
      hand: (part, message) => {
        if (closing !== undefined || (aside && part !== parts[0])) return;
        each([part], ({ heard }) => heard?.(message));
      },
      refused: (filters) =>
        say(`${broker()} does not let this host hear ${filters.join(', ')}: check its access rules`),
    });
    const speaking$ = concat(
      defer(() => {
        begin(version);
        return pump({ client: connected, version, outbox, news$, refused });
      }),
      defer(() => disconnect(connected)),
    );
    isAnswered = false;
    const heard$ = hearing$.pipe(
      tap(() => {
        isAnswered = true;
      }),
      switchMap(() => speaking$),
    );
    return merge(heard$, refreshes$).pipe(takeUntil(fromEvent(connected, 'close')));
  };

  const begin = (version: number): void => {
    // Whoever read that something is wrong reads as well that it is over.
    log(
      said === undefined ? 'info' : 'warn',
      `mqtt of ${host.node}: connected ${wasConnected ? 'again ' : ''}to ${broker()}`,
      {
        ...fields({ protocol: version === 5 ? '5' : '3.1.1', clientId: clientId() }),
      },
    );
    said = undefined;
    told.clear();
    wasConnected = true;
    outbox.begin();
    each(parts, (part) => part.begin?.());
    sayDropped();
  };

  // Parts whose payloads have a time tell them anew by themselves, every refresh; this is for all others.
  const refreshes$ = interval(settings.refresh * 500).pipe(
    tap(() => outbox.refresh(settings.refresh * 1400)),
    ignoreElements(),
  );

  const afterFailure = (error: unknown): Observable<unknown> => {
    const failure = isMqttFailure(error) ? error : mqttFailure(error);
    const lasted = connectedAt === undefined ? undefined : performance.now() - connectedAt;
    const line = `${lasted === undefined ? 'no connection to' : 'lost the connection to'} ${broker()}: ${failure.text}`;
    client = undefined;
    connectedAt = undefined;
    noteEnd(failure, lasted);
    const { waitMs, otherVersion } = brokers.failed(failure, lasted);
    if (!otherVersion) say(line);
    return timer(waitMs);
  };

  /** Two machines with one machine id (cloned disks) throw each other out, unless one takes another client id. */
  const noteEnd = ({ code }: MqttFailure, lasted: number | undefined): void => {
    if (lasted === undefined) return;
    unanswered = isAnswered ? 0 : unanswered + 1;
    if (unanswered >= UNANSWERED_MAX && !isDeaf) {
      isDeaf = true;
      say(`${broker()} ends the connection of who subscribes: this host speaks from now on, and hears nothing`);
    }
    shortSessions = lasted < SHORT.ms ? shortSessions + 1 : 0;
    isOneOfTwo ||= code === TAKEN_OVER || shortSessions >= SHORT.times;
  };

  const clientId = (): string => {
    const usual = settings.clientId ?? mqttClientId(host.node, machineId);
    return isOneOfTwo ? `${usual}-${host.instance.slice(0, 4)}` : usual;
  };

  const sayDropped = (): void => {
    const dropped = outbox.takeDropped();
    if (dropped > 0)
      log(
        'warn',
        `mqtt of ${host.node}: ${dropped} transitions were dropped while ${broker()} was away or slow`,
        fields({ dropped }),
      );
  };

  const ended = new Subject<void>();
  const connect = (): Observable<MqttClient> => {
    const will = { topic: status, payload: 'offline', retain: true };
    return mqttConnection({ settings, ...brokers.current, clientId: clientId(), ...(aside ? {} : { will }) });
  };
  const sessions = defer(connect)
    .pipe(
      switchMap(session),
      retry({ delay: afterFailure }),
      // An orderly end that is not the last one: this host stands aside from now on, or no longer does.
      repeat({ delay: () => (closing === undefined ? of(undefined) : EMPTY) }),
    )
    .subscribe({ complete: () => ended.next() });
  subscriptions.push(
    events$.subscribe((event) => each(parts, (part) => part.event?.(event))),
    interval(TICK_MS).subscribe(() => each(parts, (part) => part.tick?.())),
  );

  const kill = (): void => {
    client = undefined;
    for (const one of [...subscriptions, sessions]) one.unsubscribe();
  };

  const leave = async (takeBack: boolean): Promise<void> => {
    for (const one of subscriptions) one.unsubscribe();
    if (client !== undefined) {
      const left = firstValueFrom(race(ended, timer(CLOSE_MS)).pipe(take(1)));
      each(parts, (part) => part.end?.());
      if (aside) client.end();
      else {
        if (takeBack) for (const topic of outbox.kept()) outbox.clear(topic);
        outbox.end(status, takeBack ? '' : 'offline');
      }
      await left;
    }
    sayDropped();
    kill();
  };

  return {
    status: () => ({
      broker: broker(),
      connected: client !== undefined,
      ...(said === undefined ? {} : { problem: said }),
      queued: outbox.length,
      dropped: outbox.dropped(),
      troubles: [...troubles.values()].flat(),
    }),
    close: ({ takeBack } = { takeBack: false }) => {
      closing ??= Promise.resolve().then(() => leave(takeBack));
      return closing;
    },
    kill,
  };
};

/** DISCONNECT, then the end of the stream: the broker forgets the will. */
const disconnect = (client: MqttClient): Observable<never> => {
  client.end();
  return EMPTY;
};

const isMqttFailure = (error: unknown): error is MqttFailure =>
  typeof error === 'object' && error !== null && 'text' in error && 'code' in error;

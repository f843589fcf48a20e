import { EMPTY, from, fromEvent, lastValueFrom, merge, type Observable, take, takeUntil, tap, timer } from 'rxjs';
import { createSniffer } from '../adapters/linux/sniffer.ts';
import { monotonicScheduler } from '../adapters/node/scheduler.ts';
import { EMPTY_SEGMENT, type Segment } from '../engine/segment.ts';
import type { SegmentEvent } from '../engine/segment-events.ts';
import { segmentReport } from '../engine/segment-report.ts';
import type { SegmentRules } from '../engine/segment-rules.ts';
import { followSegment, type SegmentNews } from '../engine/segment-watch.ts';
import { CarpError } from '../ports/error.ts';
import { captureFrames } from './capture-input.ts';
import { type GivenKey, givenKey, KEY_HELP, KEY_OPTIONS, verifierOf } from './decode-key.ts';
import { digestDoctor } from './doctor-digest.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { note, print, printable, printJson } from './output.ts';
import { spanOption } from './span-option.ts';
import { LONGEST_INTERVAL_MS, reportLines } from './watch-table.ts';
import { eventLine } from './watch-text.ts';

const ONCE_MS = 4000;
const FOR_MS_MAX = 7 * 86_400_000;

const HELP = `Usage: carp watch INTERFACE [OPTIONS]
       carp watch --read FILE [OPTIONS]

Listens to all CARP and VRRP on a segment, sends nothing, and tells what changes: who speaks and so is MASTER, who took
over from whom and how fast, farewells, two masters at once, changed ranks, refused packets, wrong digests, ids that
CARP and VRRP both use. At the end comes a table of all speakers, with the ids in use and some that are free.
Which system a speaker runs is guessed from the form of its packets.

  --read FILE        a pcap or pcapng file instead of an interface; - reads standard input
  --for TIME         ends after 90s, 10m, 2h, 1d; without it Ctrl-C does
  --once             only the table, after ${ONCE_MS / 1000} s or at the end of the file; --for 5m hears every MASTER that there
                     is, as the slowest speaks every ${LONGEST_INTERVAL_MS / 1000} s
  --promiscuous      also what is addressed to other hosts, such as adverts to unicast peers
  --vhid N           check the digests of this vhid alone
  --json             one JSON object a line; the last one has the table
${KEY_HELP}

BACKUPs are silent, so every group in use is heard within the interval of its MASTER. ROLE says "refused" of one who
speaks, but with a TTL that no receiver takes. A host that is watched on one of
its own interfaces sees its own adverts too. Live capture needs the capability CAP_NET_RAW, and nothing else.`;

const vhidOption = (text: string | undefined): number | undefined => {
  if (text === undefined) return undefined;
  const vhid = Number(text);
  if (/^\d{1,3}$/.test(text) && vhid >= 1 && vhid <= 255) return vhid;
  throw usageError('watch', `--vhid ${text} is no number from 1 to 255`);
};

/** Interrupted: what has been seen so far is the result. */
const interrupted = (): Observable<unknown> => merge(fromEvent(process, 'SIGINT'), fromEvent(process, 'SIGTERM'));

/** Without koffi somebody else can still do the listening. */
const liveFrames = (name: string, promiscuous: boolean) => {
  try {
    const clocks = { monotonic: () => monotonicScheduler.now(), wall: () => Date.now() };
    return createSniffer(clocks).listen({ interface: name, promiscuous });
  } catch (error) {
    if (!(error instanceof CarpError) || error.code !== 'CARP_NO_TRANSPORT') throw error;
    const pipe = `sudo tcpdump -i ${name} -U -w - 'ip proto 112 or ip6 proto 112' | carp watch --read -`;
    throw new CarpError(error.code, error.message, { remedy: `${error.remedy}; or: ${pipe}`, cause: error });
  }
};

/** A first advert makes its sender MASTER: that it speaks says so already. */
const isPlain = (event: SegmentEvent): boolean => event.event === 'master' && event.how === 'first';

export const command: Command = {
  summary: 'tell who speaks CARP and VRRP on a segment, live or from a capture',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('watch', args, {
      options: {
        json: { type: 'boolean', default: false },
        read: { type: 'string' },
        for: { type: 'string' },
        once: { type: 'boolean', default: false },
        promiscuous: { type: 'boolean', default: false },
        vhid: { type: 'string' },
        ...KEY_OPTIONS,
      },
      allowPositionals: true,
    });
    const { json, once, read, promiscuous } = values;
    const [name] = positionals;
    if (positionals.length !== (read === undefined ? 1 : 0))
      throw usageError('watch', 'watch takes one interface, or --read FILE');
    const rules = rulesFrom(givenKey('watch', values), vhidOption(values.vhid));
    const spanMs = values.for === undefined ? undefined : spanOption('watch', values.for, FOR_MS_MAX);

    let segment: Segment = EMPTY_SEGMENT;
    // Said when the socket is open: by then there has been a tick of the clock, or a frame.
    let isAnnounced = json || once || read !== undefined;
    const show = (news: SegmentNews): void => {
      segment = news.segment;
      if (!isAnnounced) note(`listening on ${printable(name ?? '')}; Ctrl-C ends it with a table`);
      isAnnounced = true;
      if (once) return;
      for (const event of news.events) {
        if (json) printJson(event);
        else if (!isPlain(event)) print(eventLine(event));
      }
    };
    const begun = monotonicScheduler.now();
    const sumUp = (): void => {
      const report = segmentReport(segment);
      const listened = read === undefined ? { listenedMs: Math.round(monotonicScheduler.now() - begun) } : {};
      if (json) printJson({ event: 'summary', ...report, ...listened });
      else for (const text of reportLines({ ...report, ...listened })) print(text);
    };
    const end = spanMs ?? (once && read === undefined ? ONCE_MS : undefined);
    const ended$ = merge(interrupted(), end === undefined ? EMPTY : timer(end)).pipe(take(1));
    const news$ =
      read === undefined
        ? followSegment(liveFrames(name ?? '', promiscuous), { ...rules, scheduler: monotonicScheduler })
        : followSegment(from(captureFrames(read)), rules);
    try {
      await lastValueFrom(news$.pipe(takeUntil(ended$), tap(show)), { defaultValue: undefined });
    } catch (error) {
      if (segment.frames > 0) sumUp();
      throw error;
    }
    sumUp();
    // A pipe that is still open would keep the process waiting.
    if (read === '-') process.stdin.destroy();
    return Exit.done;
  },
};

const rulesFrom = (given: GivenKey | undefined, vhid: number | undefined): SegmentRules => {
  if (given === undefined) return {};
  const verify = verifierOf(given);
  const diagnose = digestDoctor(given);
  return {
    verify: (advert) => (vhid === undefined || advert.vhid === vhid ? verify(advert) : 'unchecked'),
    diagnose: (advert, sender) => diagnose(advert, sender).detail,
  };
};

import { randomBytes } from 'node:crypto';
import { firstValueFrom, map } from 'rxjs';
import { type BusNews, busFeed } from '../adapters/mqtt/view/bus-view-feed.ts';
import { busFilters } from '../adapters/mqtt/view/bus-view-filters.ts';
import { type FleetPicture, followFleet } from './fleet-follow.ts';
import { BROKER_OPTIONS, brokerSettings, DEFAULT_CONFIG, settingsAsOptions } from './fleet-settings.ts';
import { groupLines, summaryLine } from './fleet-text.ts';
import { watchFleet } from './fleet-watch.ts';
import { type Command, Exit, type ExitCode, parseOptions, usageError } from './options.ts';
import { note, print, printJson, warn } from './output.ts';

const HELP = `Usage: carp fleet [URL] [GROUP…] [--watch|--once] [OPTIONS]

Shows all groups of an MQTT broker: who is MASTER since when, what each host says, and what is wrong: alarms of the
hosts, nobody or several MASTER, hosts that are offline or do not answer. It only listens; no host has to allow it.

  URL                mqtt://, mqtts://, ws:// or wss://; default: what \`mqtt\` of the configuration file says
  GROUP…             only these groups
  -w, --watch        go on until Ctrl-C, also over restarts of the broker: on a terminal the page is drawn again, elsewhere
                     a block is printed for each group that changes. Default on a terminal
  --once             one look at what the broker keeps. Default elsewhere
  --json             one object a group, and a line
  -c, --config FILE  the configuration file (default ${DEFAULT_CONFIG}); with a URL as well, all but its URL counts
  --base TOPIC       what the topics begin with (default carp)
  --username NAME    as whom to log in
  --password-file F  a file whose first line is the password
  --password-env V   an environment variable that holds it
  --ca, --cert, --key FILE
                     PEM files for mqtts:// and wss://
  --server-name N    the name in the broker's certificate, if it is not that of the URL

What a host that is offline or silent said last is shown in parentheses: it is not true any more. Exit code of --once:
1 if an alarm is active, a group has no MASTER or two, a GROUP or any group at all is missing, or the broker cannot be
reached.`;

export const command: Command = {
  summary: 'show all groups of an MQTT broker, live',
  help: HELP,
  run: async (args) => {
    const { values, positionals } = parseOptions('fleet', args, {
      options: {
        ...BROKER_OPTIONS,
        json: { type: 'boolean', default: false },
        once: { type: 'boolean', default: false },
        watch: { type: 'boolean', short: 'w', default: false },
      },
      allowPositionals: true,
    });
    const { json, once, watch } = values;
    if (once && watch) throw usageError('fleet', 'either --once or --watch, not both');
    const urls = positionals.filter(isUrl);
    if (urls.length > 1) throw usageError('fleet', 'one broker at a time');
    const names = positionals.filter((word) => !isUrl(word));
    const settings = brokerSettings(urls[0], values);
    // Of its own each time: somebody else may be watching, too.
    const clientId = `carp-fleet-${randomBytes(4).toString('hex')}`;
    const feed$ = busFeed({ settings, clientId, filters: busFilters(settings.base, names) });
    const news$ = values.config === undefined && urls.length > 0 ? feed$.pipe(map(asOptions)) : feed$;
    const pictures$ = followFleet({ news$, settings });
    const isLive = watch || (!once && process.stdout.isTTY === true);
    if (!isLive) return show(await firstValueFrom(pictures$), { json, names, base: settings.base });
    await watchFleet({ pictures$, json });
    return Exit.done;
  },
};

/** Whoever named the broker on the command line knows of no settings in a file. */
const asOptions = (news: BusNews): BusNews =>
  news.type === 'lost' ? { ...news, failure: { ...news.failure, text: settingsAsOptions(news.failure.text) } } : news;

/** No name of a group has a slash. */
const isUrl = (word: string): boolean => word.includes('://');

interface ShowOptions {
  readonly json: boolean;
  readonly names: readonly string[];
  readonly base: string;
}

const show = ({ groups, refused, broker }: FleetPicture, { json, names, base }: ShowOptions): ExitCode => {
  if (json) for (const group of groups) printJson(group);
  else {
    const now = new Date();
    for (const group of groups) for (const line of [...groupLines(group, now), '']) print(line);
    if (groups.length > 0) print(summaryLine(groups));
  }
  if (refused.length > 0) warn(`${broker} does not let this user read ${refused.join(', ')}: check its access rules`);
  const absent = names.filter((name) => !groups.some(({ group }) => group === name));
  for (const name of absent) warn(`group ${name} is not on this bus`);
  if (groups.length === 0 && names.length === 0)
    note(`no groups below ${base}/ on ${broker}; is --base right, and may this user read them?`);
  const isAlarm = groups.some(({ findings }) => findings.some(({ severity }) => severity === 'alarm'));
  // Where nothing is seen, all is not well: the base may be wrong, or no host may have reached this broker.
  return isAlarm || absent.length > 0 || groups.length === 0 ? Exit.failed : Exit.done;
};

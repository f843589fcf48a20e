/** What the file may say, and this version cannot do yet. Whoever builds it deletes its row. */
import { error, type Finding, type Path } from './findings.ts';
import type { Loose } from './loose.ts';
import type { GroupConfig, HostConfig } from './types.ts';

interface Gap<Config> {
  readonly path: Path;
  readonly isUsed: (config: Loose<Config>) => boolean;
  readonly what: string;
  readonly instead: string;
}

const GROUP_GAPS: readonly Gap<GroupConfig>[] = [
  {
    path: ['routes'],
    isUsed: ({ routes }) => (routes?.length ?? 0) > 0,
    what: 'routes',
    instead: 'remove it',
  },
];

const findGaps = <Config>(gaps: readonly Gap<Config>[], config: Loose<Config>, at: Path): readonly Finding[] =>
  gaps
    .filter(({ isUsed }) => isUsed(config))
    .map(({ path, what, instead }) => error([...at, ...path], `${what} is not supported by this version: ${instead}`));

/** An error for each setting that this version does not know how to obey. */
export const unsupported = (config: Loose<HostConfig>): readonly Finding[] => [
  ...(config.groups ?? []).flatMap((group, i) =>
    group === undefined ? [] : findGaps(GROUP_GAPS, group, ['groups', i]),
  ),
];

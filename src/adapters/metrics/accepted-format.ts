import type { Format } from './exposition.ts';

/** A longer header is from nobody who scrapes. */
const RANGES_MAX = 32;

interface Range {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly weight: number;
}

/**
 * Which format a scraper wants most (RFC 9110, 12.5.1): OpenMetrics for those who prefer it and know version 1, the text
 * format of Prometheus for all others, also for those who accept neither: nobody is helped by an error.
 *
 * @param accept - the header; missing: anything
 */
export const acceptedFormat = (accept: string | undefined): Format => {
  const ranges = (accept ?? '').split(',', RANGES_MAX).map(rangeOf);
  const open = weightOf(ranges, ({ type, parameters }) => {
    const version = parameters.get('version') ?? '1.0.0';
    return type === 'application/openmetrics-text' && version === '1.0.0';
  });
  const plain = weightOf(ranges, ({ type }) => ['text/plain', 'text/*', '*/*'].includes(type));
  return open > 0 && open >= plain ? 'openmetrics' : 'prometheus';
};

const rangeOf = (text: string): Range => {
  const [type = '', ...rest] = text.split(';').map((part) => part.trim().toLowerCase());
  const parameters = new Map(
    rest.map((parameter): [string, string] => {
      const [name = '', value = ''] = parameter.split('=', 2);
      return [name.trim(), value.trim().replaceAll('"', '')];
    }),
  );
  const weight = Number(parameters.get('q') ?? '1');
  return { type, parameters, weight: weight >= 0 && weight <= 1 ? weight : 0 };
};

const weightOf = (ranges: readonly Range[], fits: (range: Range) => boolean): number =>
  Math.max(0, ...ranges.filter(fits).map(({ weight }) => weight));

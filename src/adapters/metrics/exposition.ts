/**
 * Metrics as text, in the two formats that scrapers ask for: Prometheus 0.0.4 ("Exposition formats") and OpenMetrics
 * 1.0. They differ in little: OpenMetrics knows families by their name without suffix, names units, escapes quotes in
 * help texts, writes bounds as floats, and has an end.
 */

export const FORMATS = {
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
} as const;
export type Format = keyof typeof FORMATS;

declare const isLabels: unique symbol;
/** Labels as they are written, `node="rpi1",group="plant"`: written once, they are in many lines. */
export type Labels = string & { readonly [isLabels]: true };

/** @param rest - labels that are written already */
export const labels = (pairs: Readonly<Record<string, string>>, ...rest: readonly Labels[]): Labels =>
  [...rest, ...Object.entries(pairs).map(([name, value]) => `${name}="${escapedValue(value)}"`)].join(',') as Labels;

/** @param one, other - neither of them empty */
export const joined = (one: Labels, other: Labels): Labels => `${one},${other}` as Labels;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** All values are in the unit of the family. */
export interface HistogramSample {
  readonly labels: Labels;
  /** How many values are at most so large, for each bound. */
  readonly atMost: readonly number[];
  readonly count: number;
  readonly sum: number;
}

interface Described {
  /** Without `_total`, `_info` and the like; ends with the unit if there is one. */
  readonly name: string;
  readonly help: string;
  readonly unit?: 'seconds' | 'bytes';
}

/** What is measured in one way. One without samples is left out. */
export type Family = Described &
  (
    | { readonly type: 'counter' | 'gauge' | 'info'; readonly samples: readonly Sample[] }
    | {
        readonly type: 'histogram';
        /** Upper bounds, rising, without infinity. */
        readonly bounds: readonly number[];
        readonly samples: readonly HistogramSample[];
      }
  );

/** The page in pieces, a family each: a page of many groups takes its time, and others need the processor in between. */
export const exposition = function* (families: Iterable<Family>, format: Format): Generator<string, void, undefined> {
  for (const family of families) if (family.samples.length > 0) yield `${familyLines(family, format).join('\n')}\n`;
  if (format === 'openmetrics') yield '# EOF\n';
};

const familyLines = (family: Family, format: Format): readonly string[] => {
  const { name, help, unit, type } = family;
  const suffix = { counter: '_total', info: '_info', gauge: '', histogram: '' }[type];
  const isOpen = format === 'openmetrics';
  const title = isOpen ? name : `${name}${suffix}`;
  return [
    `# HELP ${title} ${isOpen ? escapedValue(help) : escapedHelp(help)}`,
    // The older format does not know the type: there it is a gauge that is always 1.
    `# TYPE ${title} ${type === 'info' && !isOpen ? 'gauge' : type}`,
    ...(isOpen && unit !== undefined ? [`# UNIT ${title} ${unit}`] : []),
    ...(family.type === 'histogram'
      ? histogramLines(family, format)
      : family.samples.map((sample) => `${name}${suffix}${inBraces(sample.labels)} ${numberText(sample.value)}`)),
  ];
};

const histogramLines = (
  { name, samples, bounds }: Extract<Family, { readonly type: 'histogram' }>,
  format: Format,
): readonly string[] => {
  const limits = bounds.map((bound) => labels({ le: boundText(bound, format) }));
  const infinity = labels({ le: '+Inf' });
  return samples.flatMap(({ labels: own, atMost, count, sum }) => {
    const others = own === '' ? '' : `${own},`;
    return [
      ...limits.map((limit, i) => `${name}_bucket{${others}${limit}} ${atMost[i] ?? 0}`),
      `${name}_bucket{${others}${infinity}} ${count}`,
      `${name}_sum${inBraces(own)} ${numberText(sum)}`,
      `${name}_count${inBraces(own)} ${count}`,
    ];
  });
};

const inBraces = (text: Labels): string => (text === '' ? '' : `{${text}}`);

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '"': '\\"' };
const escapedValue = (text: string): string => text.replace(/[\\\n"]/g, (character) => ESCAPES[character] ?? character);
const escapedHelp = (text: string): string => text.replace(/[\\\n]/g, (character) => ESCAPES[character] ?? character);

/** As Go reads it, which knows JavaScript's spelling of all finite numbers. */
const numberText = (value: number): string => {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
};

const boundText = (bound: number, format: Format): string =>
  format === 'openmetrics' && Number.isInteger(bound) ? `${bound}.0` : String(bound);

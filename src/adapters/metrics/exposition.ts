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

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

/** All values are in the unit of the family. */
export interface HistogramSample {
  readonly labels: Labels;
  /** Upper bounds, rising, without infinity. */
  readonly bounds: readonly number[];
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
    | { readonly type: 'histogram'; readonly samples: readonly HistogramSample[] }
  );

/** The whole page. */
export const exposition = (families: readonly Family[], format: Format): string => {
  const lines = families.filter(({ samples }) => samples.length > 0).flatMap((family) => familyLines(family, format));
  if (format === 'openmetrics') lines.push('# EOF');
  return lines.map((line) => `${line}\n`).join('');
};

const familyLines = (family: Family, format: Format): string[] => {
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
      ? family.samples.flatMap((sample) => histogramLines(name, sample, format))
      : family.samples.map(({ labels, value }) => `${name}${suffix}${labelText(labels)} ${numberText(value)}`)),
  ];
};

const histogramLines = (
  name: string,
  { labels, bounds, atMost, count, sum }: HistogramSample,
  format: Format,
): string[] => [
  ...bounds.map(
    (bound, i) => `${name}_bucket${labelText({ ...labels, le: boundText(bound, format) })} ${atMost[i] ?? 0}`,
  ),
  `${name}_bucket${labelText({ ...labels, le: '+Inf' })} ${count}`,
  `${name}_sum${labelText(labels)} ${numberText(sum)}`,
  `${name}_count${labelText(labels)} ${count}`,
];

const labelText = (labels: Labels): string => {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapedValue(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
};

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

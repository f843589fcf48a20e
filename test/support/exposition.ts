/**
 * Reads a page of metrics as strictly as the documented formats allow: the text format 0.0.4 of Prometheus and
 * OpenMetrics 1.0.0. What a lenient scraper would let pass is an error here.
 */

export interface ReadSample {
  /** With `_total`, `_bucket` and the like. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly unit?: string;
  readonly samples: readonly ReadSample[];
}

export type ExpositionFormat = 'prometheus' | 'openmetrics';

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;
const TYPES: Readonly<Record<ExpositionFormat, readonly string[]>> = {
  prometheus: ['counter', 'gauge', 'histogram', 'summary', 'untyped'],
  openmetrics: ['counter', 'gauge', 'histogram', 'gaugehistogram', 'stateset', 'info', 'summary', 'unknown'],
};
const NUMBER = /^[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|Inf|NaN)$/;

interface Draft {
  readonly name: string;
  type?: string;
  help?: string;
  unit?: string;
  readonly samples: ReadSample[];
}

/** @throws Error with the line that is not valid */
export const readExposition = (text: string, format: ExpositionFormat): readonly ReadFamily[] => {
  if (!text.endsWith('\n')) throw new Error('the last line has no end');
  if (text.includes('\r')) throw new Error('there is a carriage return');
  const lines = text.slice(0, -1).split('\n');
  if (format === 'openmetrics' && lines.pop() !== '# EOF') throw new Error('the last line is not # EOF');
  const families = new Map<string, Draft>();
  const series = new Set<string>();
  let current: Draft | undefined;
  for (const line of lines) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === '') fail('an empty line');
    const begin = (name: string): Draft => {
      if (current?.name === name) return current;
      if (families.has(name)) fail('a family that comes twice');
      current = { name, samples: [] };
      families.set(name, current);
      return current;
    };
    if (line.startsWith('#')) readComment(line, format, begin, fail);
    else {
      const sample = readSample(line, format, fail);
      const key = `${sample.name}${JSON.stringify(Object.entries(sample.labels).sort())}`;
      if (series.has(key)) fail('a series that comes twice');
      series.add(key);
      if (current === undefined || !belongs(sample.name, current, format)) fail('a sample without its family');
      current?.samples.push(sample);
    }
  }
  return [...families.values()].map((draft) => checked(draft, format));
};

const readComment = (
  line: string,
  format: ExpositionFormat,
  begin: (name: string) => Draft,
  fail: (why: string) => never,
): void => {
  const [, keyword = '', name = '', rest = ''] =
    new RegExp(`^# (HELP|TYPE|UNIT) (${NAME}) (.+)$`).exec(line) ?? fail('no known comment');
  const family = begin(name);
  if (family.samples.length > 0) fail('a description after the samples');
  if (keyword === 'HELP') {
    if (family.help !== undefined) fail('a second HELP');
    family.help = unescaped(rest, format === 'openmetrics' ? '\\n"' : '\\n', fail);
    if (format === 'openmetrics' && /(^|[^\\])(\\\\)*"/.test(rest)) fail('a bare quote in HELP');
  } else if (keyword === 'TYPE') {
    if (family.type !== undefined) fail('a second TYPE');
    if (!TYPES[format].includes(rest)) fail('no known type');
    family.type = rest;
  } else {
    if (format !== 'openmetrics') fail('only OpenMetrics has UNIT');
    if (!name.endsWith(`_${rest}`)) fail('a family that is not called after its unit');
    family.unit = rest;
  }
};

const unescaped = (text: string, allowed: string, fail: (why: string) => never): string =>
  text.replace(/\\(.?)/g, (_, character: string) => {
    if (character === '' || !allowed.includes(character)) fail('an unknown escape');
    return character === 'n' ? '\n' : character;
  });

const readSample = (line: string, format: ExpositionFormat, fail: (why: string) => never): ReadSample => {
  const [, name = '', block, number = ''] =
    new RegExp(`^(${NAME})(?:\\{((?:[^"}]|"(?:[^"\\\\]|\\\\.)*")*)\\})? (\\S+)$`).exec(line) ?? fail('no sample');
  if (!NUMBER.test(number)) fail('no number');
  const value = Number(number.replace(/Inf$/, 'Infinity'));
  const labels: Record<string, string> = {};
  if (block !== undefined) {
    const pairs = /(?:^|,)([^=,]*)="((?:[^"\\]|\\.)*)"/y;
    let end = 0;
    for (let pair = pairs.exec(block); pair !== null; pair = pairs.exec(block)) {
      const [, label = '', quoted = ''] = pair;
      if (!LABEL_NAME.test(label) || label.startsWith('__')) fail('no label name');
      if (Object.hasOwn(labels, label)) fail('a label that comes twice');
      labels[label] = unescaped(quoted, '\\n"', fail);
      end = pairs.lastIndex;
    }
    if (end !== block.length || block === '') fail('no labels');
  }
  const bound = labels['le'];
  if (bound !== undefined) {
    if (!NUMBER.test(bound)) fail('no bound');
    if (format === 'openmetrics' && bound !== '+Inf' && !/[.e]/.test(bound)) fail('a bound that is no float');
  }
  return { name, labels, value };
};

const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  histogram: ['_bucket', '_sum', '_count'],
  gauge: [''],
};

const belongs = (name: string, { name: family, type = '' }: Draft, format: ExpositionFormat): boolean => {
  const suffixes = SUFFIXES[type] ?? (format === 'openmetrics' ? [type === 'info' ? '_info' : '_total'] : ['']);
  return suffixes.some((suffix) => name === `${family}${suffix}`);
};

const checked = ({ name, type, help, unit, samples }: Draft, format: ExpositionFormat): ReadFamily => {
  const fail = (why: string): never => {
    throw new Error(`${name}: ${why}`);
  };
  if (type === undefined || help === undefined) return fail('TYPE or HELP is missing');
  if (samples.length === 0) fail('there are no samples');
  const isOpen = format === 'openmetrics';
  if (type === 'counter') {
    if (!isOpen && !name.endsWith('_total')) fail('a counter that does not end in _total');
    if (isOpen && name.endsWith('_total')) fail('a family with the suffix of its samples');
    if (samples.some(({ value }) => !(value >= 0))) fail('a counter that is below zero');
  }
  if (type === 'info' && samples.some(({ value }) => value !== 1)) fail('an info that is not 1');
  if (type === 'histogram') checkHistograms(samples, fail);
  return { name, type, help, ...(unit === undefined ? {} : { unit }), samples };
};

/** The samples of one set of labels come together: rising buckets up to infinity, then sum and count. */
const checkHistograms = (samples: readonly ReadSample[], fail: (why: string) => never): void => {
  let bound = Number.NEGATIVE_INFINITY;
  let reached = 0;
  let of: string | undefined;
  const done = new Set<string>();
  for (const { name, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(rest);
    if (done.has(key)) fail('a histogram in two pieces');
    if (of !== undefined && of !== key) fail('a histogram without its end');
    of = key;
    if (name.endsWith('_bucket')) {
      const next = Number((le ?? fail('a bucket without a bound')).replace('+Inf', 'Infinity'));
      if (next <= bound || value < reached) fail('buckets that do not rise');
      [bound, reached] = [next, value];
    } else if (bound !== Number.POSITIVE_INFINITY) fail('no bucket without a bound');
    if (name.endsWith('_count')) {
      if (value !== reached) fail('a count that is not that of the last bucket');
      done.add(key);
      [bound, reached, of] = [Number.NEGATIVE_INFINITY, 0, undefined];
    }
  }
  if (of !== undefined) fail('a histogram without its end');
};

/** The value of the one sample with this name and (at least) these labels. @throws Error if there is none, or more */
export const valueIn = (
  families: readonly ReadFamily[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number => {
  const found = samplesOf(families, name, labels);
  const [only] = found;
  if (only === undefined || found.length > 1)
    throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
  return only.value;
};

export const samplesOf = (
  families: readonly ReadFamily[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): readonly ReadSample[] =>
  families
    .flatMap(({ samples }) => samples)
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value));

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exposition, type Family, type Format, labels } from '../../src/adapters/metrics/exposition.ts';
import { readExposition } from '../support/exposition.ts';

const pageOf = (families: readonly Family[], format: Format): string => [...exposition(families, format)].join('');

const FAMILIES: readonly Family[] = [
  {
    type: 'gauge',
    name: 'carp_group_role',
    help: 'A "role" with \\ and\na new line.',
    samples: [
      { labels: labels({ group: 'a "b" \\ c\nd', role: 'MASTER' }), value: 1 },
      { labels: labels({ group: 'früh/保守', role: 'INIT' }), value: 0 },
    ],
  },
  {
    type: 'counter',
    name: 'carp_adverts_sent',
    help: 'Adverts.',
    samples: [{ labels: labels({ node: 'rpi1' }), value: 12_345_678_901_234 }],
  },
  { type: 'gauge', name: 'carp_nothing', help: 'Left out.', samples: [] },
  { type: 'info', name: 'carp_build', help: 'Build.', samples: [{ labels: labels({ version: '1.2.3' }), value: 1 }] },
  {
    type: 'histogram',
    name: 'carp_late_seconds',
    unit: 'seconds',
    help: 'Late.',
    bounds: [0.0005, 1],
    samples: [{ labels: labels({ node: 'a' }), atMost: [2, 5], count: 6, sum: 3.25 }],
  },
  { type: 'gauge', name: 'carp_odd', help: 'Odd.', samples: [{ labels: labels({}), value: Number.NEGATIVE_INFINITY }] },
];

test('the text format of Prometheus is written as its documentation says', () => {
  const text = pageOf(FAMILIES, 'prometheus');
  assert.equal(
    text,
    `# HELP carp_group_role A "role" with \\\\ and\\na new line.
# TYPE carp_group_role gauge
carp_group_role{group="a \\"b\\" \\\\ c\\nd",role="MASTER"} 1
carp_group_role{group="früh/保守",role="INIT"} 0
# HELP carp_adverts_sent_total Adverts.
# TYPE carp_adverts_sent_total counter
carp_adverts_sent_total{node="rpi1"} 12345678901234
# HELP carp_build_info Build.
# TYPE carp_build_info gauge
carp_build_info{version="1.2.3"} 1
# HELP carp_late_seconds Late.
# TYPE carp_late_seconds histogram
carp_late_seconds_bucket{node="a",le="0.0005"} 2
carp_late_seconds_bucket{node="a",le="1"} 5
carp_late_seconds_bucket{node="a",le="+Inf"} 6
carp_late_seconds_sum{node="a"} 3.25
carp_late_seconds_count{node="a"} 6
# HELP carp_odd Odd.
# TYPE carp_odd gauge
carp_odd -Inf
`,
  );
  assert.equal(readExposition(text, 'prometheus').length, 5);
});

test('OpenMetrics has families without suffixes, units, float bounds and an end', () => {
  const text = pageOf(FAMILIES, 'openmetrics');
  assert.match(text, /^# HELP carp_group_role A \\"role\\" with \\\\ and\\na new line\.$/m);
  assert.match(text, /^# TYPE carp_adverts_sent counter\ncarp_adverts_sent_total\{node="rpi1"\} 12345678901234$/m);
  assert.match(text, /^# TYPE carp_build info\ncarp_build_info\{version="1\.2\.3"\} 1$/m);
  assert.match(text, /^# UNIT carp_late_seconds seconds$/m);
  assert.match(text, /^carp_late_seconds_bucket\{node="a",le="1\.0"\} 5$/m);
  assert.ok(text.endsWith('carp_odd -Inf\n# EOF\n'));
  assert.deepEqual(
    readExposition(text, 'openmetrics').map(({ name, type }) => [name, type]),
    [
      ['carp_group_role', 'gauge'],
      ['carp_adverts_sent', 'counter'],
      ['carp_build', 'info'],
      ['carp_late_seconds', 'histogram'],
      ['carp_odd', 'gauge'],
    ],
  );
});

test('what was written is read back as it was, whatever is in it', () => {
  for (const format of ['prometheus', 'openmetrics'] as const) {
    const [roles] = readExposition(pageOf(FAMILIES, format), format);
    assert.equal(roles?.help, 'A "role" with \\ and\na new line.');
    assert.deepEqual(
      roles?.samples.map(({ labels }) => labels['group']),
      ['a "b" \\ c\nd', 'früh/保守'],
    );
  }
});

const GAUGE = '# HELP a A.\n# TYPE a gauge\n';
const HISTOGRAM = '# HELP h_seconds H.\n# TYPE h_seconds histogram\n';

test('the reader of the tests refuses what is not of the format, so that it can fail', () => {
  assert.equal(readExposition(`${GAUGE}a{b="c"} 1\n`, 'prometheus').length, 1);
  const wrong: readonly (readonly [text: string, why: RegExp])[] = [
    [`${GAUGE}a 1`, /no end/],
    [`${GAUGE}a 1\n\n`, /empty line/],
    [`${GAUGE}a{b="c"} 1\na{b="c"} 2\n`, /series that comes twice/],
    [`${GAUGE}a 1\n# HELP b B.\n# TYPE b gauge\nb 1\na{c="d"} 1\n`, /without its family/],
    [`${GAUGE}b 1\n`, /without its family/],
    [`a 1\n`, /without its family/],
    [`${GAUGE}`, /no samples/],
    [`# TYPE a gauge\na 1\n`, /HELP is missing/],
    [`${GAUGE}${GAUGE}a 1\n`, /second HELP/],
    [`${GAUGE}a{b="\\x"} 1\n`, /unknown escape/],
    [`${GAUGE}a{b="c""} 1\n`, /no sample/],
    [`${GAUGE}a{b-c="d"} 1\n`, /no label name/],
    [`${GAUGE}a{b="c",b="d"} 1\n`, /comes twice/],
    [`${GAUGE}a one\n`, /no number/],
    [`${GAUGE}a Infinity\n`, /no number/],
    ['# HELP a A.\n# TYPE a counter\na 1\n', /_total/],
    ['# HELP a_total A.\n# TYPE a_total counter\na_total -1\n', /below zero/],
    ['# HELP a A.\n# TYPE a info\na 1\n', /no known type/],
    [`${HISTOGRAM}h_seconds_bucket{le="1"} 1\nh_seconds_sum 1\nh_seconds_count 1\n`, /without a bound/],
    [
      `${HISTOGRAM}h_seconds_bucket{le="1"} 2\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 1\n`,
      /rise/,
    ],
    [`${HISTOGRAM}h_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 2\n`, /last bucket/],
    [`${HISTOGRAM}h_seconds_bucket{le="+Inf"} 1\n`, /without its end/],
  ];
  for (const [text, why] of wrong) assert.throws(() => readExposition(text, 'prometheus'), why, text);
  const open: readonly (readonly [text: string, why: RegExp])[] = [
    [`${GAUGE}a 1\n`, /EOF/],
    [`# HELP a A "b".\n# TYPE a gauge\na 1\n# EOF\n`, /bare quote/],
    ['# HELP a A.\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n', /called after its unit/],
    ['# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# EOF\n', /without its family|suffix/],
    [
      `${HISTOGRAM}h_seconds_bucket{le="1"} 1\nh_seconds_bucket{le="+Inf"} 1\nh_seconds_sum 1\nh_seconds_count 1\n# EOF\n`,
      /no float/,
    ],
  ];
  for (const [text, why] of open) assert.throws(() => readExposition(text, 'openmetrics'), why, text);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { acceptedFormat } from '../../src/adapters/metrics/accepted-format.ts';

test('who says nothing, or anything, gets the text format of Prometheus', () => {
  for (const accept of [undefined, '', '*/*', 'text/plain', 'text/plain;version=0.0.4', 'text/*;q=0.5', 'image/png'])
    assert.equal(acceptedFormat(accept), 'prometheus', accept);
});

test('who prefers OpenMetrics 1 gets it', () => {
  // As Prometheus 2.4x and 3 ask.
  const two =
    'application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
  const three =
    'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6, application/openmetrics-text;version=0.0.1;q=0.5, text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4, text/plain;version=0.0.4;q=0.3, */*;q=0.2';
  const others = ['application/openmetrics-text', 'Application/OpenMetrics-Text; Version="1.0.0"; charset=utf-8'];
  for (const accept of [two, three, ...others]) assert.equal(acceptedFormat(accept), 'openmetrics', accept);
});

test('who prefers the text format, or another OpenMetrics, gets the text format', () => {
  const all = [
    'text/plain;version=0.0.4;q=1,application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1',
    'application/openmetrics-text;version=1.0.0;q=0,text/plain',
    'application/openmetrics-text;version=2.0.0,text/plain;q=0.5',
    'application/openmetrics-text;version=1.0.0;q=nonsense,*/*;q=0.1',
    `${'x/y,'.repeat(10_000)}application/openmetrics-text`,
  ];
  for (const accept of all) assert.equal(acceptedFormat(accept), 'prometheus', accept.slice(0, 80));
});

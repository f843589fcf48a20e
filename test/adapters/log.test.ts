import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { createLog } from '../../src/adapters/node/log.ts';

const written = (json: boolean, fields: Readonly<Record<string, unknown>>): string => {
  const stream = new PassThrough();
  createLog({ stream, wallClock: () => new Date(0), json })('warn', 'no interface', fields);
  return String(stream.read());
};

test('a field without a value is left out of the line', () => {
  const fields = { group: 'plant', remedy: undefined };
  assert.equal(written(false, fields), '1970-01-01T00:00:00.000Z warn no interface group=plant\n');
  assert.deepEqual(JSON.parse(written(true, fields)), {
    at: '1970-01-01T00:00:00.000Z',
    level: 'warn',
    message: 'no interface',
    group: 'plant',
  });
});

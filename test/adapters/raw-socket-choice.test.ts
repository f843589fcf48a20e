/** Which transport a group gets, and what is said where native code is missing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type TransportMakers, transports } from '../../src/agent/transports.ts';
import { nativeFindings } from '../../src/cli/doctor-machine.ts';
import { CarpError } from '../../src/ports/error.ts';
import type { Transport } from '../../src/ports/transport.ts';

const noOpening: Transport['open'] = () => {
  throw new Error('nothing is opened here');
};
const koffi: Transport = { name: 'koffi', open: noOpening };
const rawSocket: Transport = { name: 'raw-socket', open: noOpening };
const lacking = (name: string): (() => never) => {
  return () => {
    throw new CarpError('CARP_NO_TRANSPORT', `${name} is missing`, { remedy: `get ${name}` });
  };
};

const chooser = (made: Partial<TransportMakers>) => {
  const said: string[] = [];
  const log = (level: string, message: string): void => {
    said.push(`${level}: ${message}`);
  };
  return { choose: transports({ koffi: () => koffi, rawSocket: () => rawSocket, log, ...made }), said };
};

const failure = (act: () => unknown): CarpError => {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof CarpError, String(error));
    return error;
  }
  assert.fail('nothing was thrown');
};

describe('the transport of a group', () => {
  test('is koffi by itself, and the other when it is asked for', () => {
    const { choose, said } = chooser({});
    assert.equal(choose('auto'), koffi);
    assert.equal(choose('koffi'), koffi);
    assert.equal(choose('raw-socket'), rawSocket);
    assert.deepEqual(said, []);
  });

  test('is raw-socket by itself where koffi does not load, which is said once', () => {
    const { choose, said } = chooser({ koffi: lacking('koffi') });
    assert.equal(choose('auto'), rawSocket);
    assert.equal(choose('auto'), rawSocket);
    assert.deepEqual(said, ['warn: adverts go through raw-socket: koffi is missing']);
  });

  test('is never another one than was asked for', () => {
    assert.equal(failure(() => chooser({ koffi: lacking('koffi') }).choose('koffi')).remedy, 'get koffi');
    assert.equal(
      failure(() => chooser({ rawSocket: lacking('raw-socket') }).choose('raw-socket')).remedy,
      'get raw-socket',
    );
  });

  test('where there is none, one error says how to get either', () => {
    const { choose } = chooser({ koffi: lacking('koffi'), rawSocket: lacking('raw-socket') });
    const error = failure(() => choose('auto'));
    assert.equal(error.code, 'CARP_NO_TRANSPORT');
    assert.match(error.message, /koffi is missing; raw-socket is missing$/);
    assert.match(error.remedy ?? '', /get koffi; or, get raw-socket$/);
  });

  test('is tried again after a failure, and made once', () => {
    let tries = 0;
    const { choose } = chooser({
      koffi: () => {
        tries += 1;
        return tries === 1 ? lacking('koffi')() : koffi;
      },
    });
    failure(() => choose('koffi'));
    assert.equal(choose('koffi'), koffi);
    assert.equal(choose('koffi'), koffi);
    assert.equal(tries, 2);
  });

  test('fails with what is no missing module, rather than to take the other', () => {
    const { choose } = chooser({
      koffi: () => {
        throw new Error('a bug');
      },
    });
    assert.throws(() => choose('auto'), /a bug/);
  });
});

describe('what doctor says about native modules', () => {
  const fine = (): void => {};
  const levels = (...args: Parameters<typeof nativeFindings>): readonly string[] =>
    nativeFindings(...args).map(({ level, about }) => `${about} ${level}`);

  test('koffi alone is enough', () => {
    const modules = { koffi: fine, rawSocket: lacking('raw-socket') };
    assert.deepEqual(levels(['auto', 'koffi'], modules), ['koffi ok', 'raw-socket ok']);
    assert.match(nativeFindings([], modules)[1]?.message ?? '', /raw-socket is missing; koffi does its work/);
  });

  test('raw-socket alone is enough, with a warning, unless a group wants koffi', () => {
    const modules = { koffi: lacking('koffi'), rawSocket: fine };
    assert.deepEqual(levels(['auto', 'raw-socket'], modules), ['koffi warning', 'raw-socket ok']);
    assert.deepEqual(levels(['auto', 'koffi'], modules), ['koffi missing', 'raw-socket ok']);
  });

  test('a group that wants raw-socket misses it, whatever else there is', () => {
    const modules = { koffi: fine, rawSocket: lacking('raw-socket') };
    assert.deepEqual(levels(['raw-socket'], modules), ['koffi ok', 'raw-socket missing']);
    assert.equal(nativeFindings(['raw-socket'], modules)[1]?.remedy, 'get raw-socket');
  });

  test('without either both are missing, each with its commands', () => {
    const modules = { koffi: lacking('koffi'), rawSocket: lacking('raw-socket') };
    assert.deepEqual(
      nativeFindings([], modules).map(({ level, remedy }) => [level, remedy]),
      [
        ['missing', 'get koffi'],
        ['missing', 'get raw-socket'],
      ],
    );
  });
});

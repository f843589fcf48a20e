import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closest } from '../../src/config/closest.ts';

const KEYS = ['name', 'vhid', 'pass', 'passfile', 'passEnv', 'advbase', 'advskew', 'preempt', 'preemptDelay'];

for (const [word, meant] of [
  ['advskw', 'advskew'],
  ['advksew', 'advskew'],
  ['AdvSkew', 'advskew'],
  ['vid', 'vhid'],
  ['pasfile', 'passfile'],
  ['passenv', 'passEnv'],
  ['preemptdelay', 'preemptDelay'],
  ['preemp', 'preempt'],
  ['adv', 'advbase'],
  ['colour', undefined],
  ['', undefined],
  ['x'.repeat(100_000), undefined],
] as const)
  test(`"${word.slice(0, 20)}" ${meant === undefined ? 'is like nothing' : `was meant to be ${meant}`}`, () => {
    assert.equal(closest(word, KEYS), meant);
  });

/** The measuring tools, tried on an implementation that is known: what they say of ucarp has to be what is known of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressWatch } from '../support/address-watch.ts';
import { Capture } from '../support/capture.ts';
import { Lan } from '../support/netns.ts';
import { Prober } from '../support/prober.ts';
import { missingForWire } from '../support/requirements.ts';
import { startUcarp } from '../support/ucarp.ts';
import { monotonicMs } from '../support/wait.ts';

const VIP = '192.0.2.100';
const GROUP = { vhid: 7, pass: 'secret', address: VIP };

test('of two ucarps the silent one takes over after the master-down time, and the tools see it', {
  skip: missingForWire('ucarp', 'tcpdump'),
  timeout: 60_000,
}, async (t) => {
  const lan = await Lan.create(t, 2);
  const [first, second] = [lan.host(1), lan.host(2)];
  const watch = await AddressWatch.start(lan, VIP);
  const capture = await Capture.start(lan);
  startUcarp(lan, first, { ...GROUP, advskew: 0 });
  await lan.untilHolders(VIP, ['h1'], 15_000);
  startUcarp(lan, second, { ...GROUP, advskew: 10 });
  const prober = await Prober.start(lan, VIP);
  await prober.untilAnsweredBy('h1', 5000);
  await capture.untilAdverts(first, 3, 10_000);
  assert.deepEqual(await lan.holders(VIP), ['h1']);

  const cut = monotonicMs();
  await lan.powerOff(first);
  const taken = await watch.untilChange('h2', true, 15_000, cut);
  await prober.untilAnsweredBy('h2', 5000);
  await capture.stop();

  const silence = prober.longestSilence(cut - 100);
  t.diagnostic(
    `takeover ${(taken.at - cut).toFixed(0)} ms after the power cut, client without answer for ${silence.toFixed(0)} ms`,
  );
  // A power cut hits anywhere between two adverts; ucarp adds up to two seconds of its own.
  assert.ok(taken.at - cut > 1900 && taken.at - cut < 8000, `took over after ${taken.at - cut} ms`);
  assert.ok(Math.abs(silence - (taken.at - cut)) < 500, `silence of ${silence} ms`);
  const [advert] = capture.advertsOf(first);
  assert.equal(advert?.sourceMac, '00:00:5e:00:00:07');
  assert.equal(advert?.destinationMac, '01:00:5e:00:00:12');
  assert.deepEqual(
    [advert?.ttl, advert?.tos, advert?.dontFragment, advert?.vhid, advert?.advskew],
    [255, 0x10, true, 7, 0],
  );
  const announced = capture.announcements().find(({ mac }) => mac === second.mac);
  assert.equal(announced?.kind, 'arp-request');
  assert.equal(announced?.address, VIP);
});

/**
 * What each phase answers to each event: role after it, effects in their order, and the events for which this holds.
 *
 * `claim 1/100` is an advert with advbase 1 and advskew 100; `hold+3` arms a timer that expires 3 ms later, `-hold`
 * disarms it; `BACKUP>MASTER (preempt)` is a report with its reason; `hush` ends the announcements.
 * The host has rank 1/100 and address 192.0.2.20; a BACKUP follows 192.0.2.1, which has rank 1/150.
 */
const LISTEN = '-advert, -hold, -stagger, -bowOut, -release, masterDown+3391';
/** The same with a demotion of 240. */
const LISTEN_DEMOTED = '-advert, -hold, -stagger, -bowOut, -release, masterDown+3938';
const CLAIM = '-masterDown, -stagger, -preempt, claim 1/100, hold+3';
/** A claim that asks whether anybody has a fresh counter: it stands for an interval of the MASTER, and 20 ms. */
const CHALLENGE = '-masterDown, -stagger, -preempt, claim 1/100, hold+1606';
const DISARM_ALL = '-masterDown, -advert, -hold, -stagger, -preempt, -bowOut, -release';
/** Of an heir. */
const STOP = '-masterDown, -hold, -stagger, -preempt, disinherit, BACKUP>STOPPED (stop), finish';

export const ROWS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  init: {
    [`BACKUP: INIT>BACKUP (startup), ${LISTEN}`]: 'ready',
    'INIT: nothing':
      'link down; disabled; better; worse; too slow; tie, lower; tie, higher; tie, own address; ' +
      'bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; ' +
      'timer preempt; timer bowOut; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'lost; lapsed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force',
    'STOPPED: INIT>STOPPED (stop), finish': 'stop',
  },
  listening: {
    'BACKUP: nothing':
      'ready; bow-out of a stranger; timer advert; timer hold; timer stagger; timer preempt; timer bowOut; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240; ' +
      'hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${LISTEN}`]: 'worse',
    [`BACKUP: ${CLAIM}`]: 'too slow',
    'BACKUP: -preempt, stagger+2.362': 'bow-out of the followed',
    'BACKUP: drain': 'timer masterDown',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, BACKUP>STOPPED (stop), finish': 'stop',
  },
  'listening, extended': {
    'BACKUP: nothing':
      'ready; bow-out of a stranger; timer advert; timer hold; timer stagger; timer preempt; timer bowOut; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240; ' +
      'hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${LISTEN}`]: 'worse',
    [`BACKUP: ${CLAIM}`]: 'too slow',
    'BACKUP: -preempt, stagger+2.362': 'bow-out of the followed',
    'BACKUP: drain': 'timer masterDown',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, BACKUP>STOPPED (stop), finish': 'stop',
  },
  draining: {
    'BACKUP: nothing':
      'ready; bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; timer preempt; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer bowOut; timer release; taken; failed; lost; lapsed; demoted by 50; demoted by 240; hand over; ' +
      'hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${LISTEN}`]: 'worse',
    [`BACKUP: ${CLAIM}`]: 'too slow; drained',
    [`BACKUP: ${CHALLENGE}`]: 'drained, 2 replayed',
    'BACKUP: -preempt, stagger+2.362': 'bow-out of the followed',
    'BACKUP: masterDown+1391': 'drained, 3 lost',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, BACKUP>STOPPED (stop), finish': 'stop',
  },
  'draining, extended': {
    'BACKUP: nothing':
      'ready; bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; timer preempt; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer bowOut; timer release; taken; failed; lost; lapsed; demoted by 50; demoted by 240; hand over; ' +
      'hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${LISTEN}`]: 'worse',
    [`BACKUP: ${CLAIM}`]: 'too slow; drained; drained, 3 lost',
    [`BACKUP: ${CHALLENGE}`]: 'drained, 2 replayed',
    'BACKUP: -preempt, stagger+2.362': 'bow-out of the followed',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, BACKUP>STOPPED (stop), finish': 'stop',
  },
  staggering: {
    'BACKUP: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'timer preempt; timer bowOut; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'lost; lapsed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${LISTEN}`]: 'worse',
    [`BACKUP: ${CLAIM}`]: 'too slow; timer stagger',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, BACKUP>STOPPED (stop), finish': 'stop',
  },
  inheriting: {
    'BACKUP: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer stagger; ' +
      'timer preempt; timer bowOut; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'lost; lapsed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, ${DISARM_ALL}, disinherit, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: disinherit, -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: disinherit, ${LISTEN}`]: 'worse',
    [`BACKUP: disinherit, ${CLAIM}`]: 'too slow',
    'BACKUP: drain': 'timer hold',
    [`STOPPED: -bowOut, -release, bow-out, ${STOP}`]: 'stop',
  },
  'inheriting, last look before the farewell': {
    'BACKUP: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer stagger; timer preempt; timer bowOut; timer release; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, ${DISARM_ALL}, disinherit, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: disinherit, -preempt, ${LISTEN}`]: 'better; tie, lower; tie, higher; tie, own address',
    [`BACKUP: disinherit, ${LISTEN}`]: 'worse',
    [`BACKUP: disinherit, ${CLAIM}`]: 'too slow',
    'BACKUP: bow-out, bowOut+200': 'drained; drained, 3 lost; drained, 2 replayed',
    [`STOPPED: -bowOut, -release, bow-out, ${STOP}`]: 'stop',
  },
  'inheriting, farewell said': {
    'BACKUP: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'timer stagger; timer preempt; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'lost; lapsed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (forced)`]: 'disabled',
    'BACKUP: -bowOut, release+5': 'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    'BACKUP: drain': 'timer bowOut',
    [`STOPPED: -bowOut, -release, ${STOP}`]: 'stop',
  },
  'inheriting, last look before the claim': {
    'BACKUP: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer stagger; timer preempt; timer bowOut; timer release; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (forced)`]: 'disabled',
    'BACKUP: -bowOut, release+5': 'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    [`BACKUP: ${CLAIM}`]: 'drained; drained, 2 replayed',
    [`BACKUP: ${LISTEN}, disinherit`]: 'drained, 3 lost',
    [`STOPPED: -bowOut, -release, ${STOP}`]: 'stop',
  },
  'inheriting, successor heard': {
    'BACKUP: nothing':
      'ready; better; worse; too slow; tie, lower; tie, higher; tie, own address; bow-out of the followed; ' +
      'bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; timer preempt; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer bowOut; drained; drained, 3 lost; drained, 2 replayed; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240; ' +
      'hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: ${DISARM_ALL}, disinherit, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: ${LISTEN}, disinherit`]: 'timer release',
    [`STOPPED: -bowOut, -release, ${STOP}`]: 'stop',
  },
  claiming: {
    'BACKUP: nothing':
      'ready; worse; too slow; tie, higher; bow-out of the followed; bow-out of a stranger; timer masterDown; ' +
      'timer advert; timer stagger; timer preempt; timer bowOut; timer release; drained; drained, 3 lost; ' +
      'drained, 2 replayed; taken; ' +
      'advskew 50; advskew of the settings; ' +
      'failed; lost; lapsed; demoted by 50; demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, own address',
    'BACKUP: drain': 'timer hold',
    [`BACKUP: bow-out, ${LISTEN_DEMOTED}`]: 'told to observe',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, bow-out, BACKUP>STOPPED (stop), finish': 'stop',
  },
  'claiming, last look': {
    'BACKUP: nothing':
      'ready; worse; too slow; tie, higher; bow-out of the followed; bow-out of a stranger; timer masterDown; ' +
      'timer advert; timer stagger; timer preempt; timer bowOut; timer release; taken; failed; lost; lapsed; ' +
      'advskew 50; advskew of the settings; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force',
    [`INIT: ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: -preempt, ${LISTEN}`]: 'better; tie, lower; tie, own address',
    'BACKUP: drain': 'timer hold',
    [`BACKUP: bow-out, ${LISTEN_DEMOTED}`]: 'told to observe',
    'BACKUP: take': 'drained; drained, 3 lost; drained, 2 replayed',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, bow-out, BACKUP>STOPPED (stop), finish': 'stop',
  },
  taking: {
    'BACKUP: nothing':
      'ready; worse; too slow; tie, higher; bow-out of the followed; bow-out of a stranger; timer masterDown; ' +
      'timer advert; timer hold; timer stagger; timer preempt; timer bowOut; timer release; drained; ' +
      'advskew 50; advskew of the settings; ' +
      'drained, 3 lost; drained, 2 replayed; lost; lapsed; demoted by 50; demoted by 240; hand over; ' +
      'hand over by force',
    [`INIT: release, hush, ${DISARM_ALL}, BACKUP>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, release, hush, ${DISARM_ALL}, BACKUP>INIT (forced)`]: 'disabled',
    [`BACKUP: release, -preempt, ${LISTEN}`]: 'better; tie, lower; tie, own address',
    'MASTER: announce, BACKUP>MASTER (master-timeout), advert+400': 'taken',
    [`BACKUP: bow-out, ${LISTEN}`]: 'failed',
    [`BACKUP: release, bow-out, ${LISTEN_DEMOTED}`]: 'told to observe',
    'STOPPED: -masterDown, -hold, -stagger, -preempt, bow-out, release, BACKUP>STOPPED (stop), finish': 'stop',
  },
  master: {
    'MASTER: nothing':
      'ready; timer masterDown; timer hold; timer stagger; timer preempt; timer bowOut; timer release; drained; ' +
      'drained, 3 lost; drained, 2 replayed; taken; failed; advskew of the settings',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (link-down)`]: 'link down',
    [`INIT: bow-out, release, hush, ${DISARM_ALL}, MASTER>INIT (forced)`]: 'disabled',
    [`BACKUP: yield 1/100, release, hush, MASTER>BACKUP (better-master), ${LISTEN}`]: 'better',
    'MASTER: answer 1/100, announce again':
      'worse; too slow; tie, higher; bow-out of the followed; bow-out of a stranger',
    [`BACKUP: yield 1/101, release, hush, MASTER>BACKUP (tie), ${LISTEN}`]: 'tie, lower; tie, own address',
    'MASTER: regular 1/100, advert+1390.625': 'timer advert',
    [`BACKUP: bow-out, release, hush, MASTER>BACKUP (address-lost), ${LISTEN}`]: 'lost',
    'MASTER: -advert, -bowOut, -release, release, hush, drain': 'lapsed',
    'MASTER: regular 1/50, advert+1195.313': 'advskew 50',
    'MASTER: regular 1/150, advert+1585.938': 'demoted by 50',
    'MASTER: -advert, bow-out, bowOut+1500': 'demoted by 240; told to observe; hand over; hand over by force',
    'MASTER: -advert, bow-out, bowOut+1000': 'stop',
  },
  'bowing-out': {
    'MASTER: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'timer stagger; timer preempt; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; ' +
      'demoted by 240; hand over; hand over by force',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (link-down), nobody took over, released`]: 'link down',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (forced), nobody took over, released`]: 'disabled',
    'MASTER: -bowOut, release+5': 'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    'MASTER: regular 1/100, advert+1390.625, announce again, nobody took over, kept': 'timer bowOut',
    [`BACKUP: release, hush, MASTER>BACKUP (address-lost), ${LISTEN}, nobody took over, released`]: 'lost',
    [`BACKUP: release, hush, MASTER>BACKUP (stalled), ${LISTEN}, nobody took over, released`]: 'lapsed',
    'MASTER: bowOut+1000': 'stop',
  },
  'bowing-out, successor heard': {
    'MASTER: nothing':
      'ready; better; worse; too slow; tie, lower; tie, higher; tie, own address; bow-out of the followed; ' +
      'bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; timer preempt; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer bowOut; drained; drained, 3 lost; drained, 2 replayed; taken; failed; demoted by 50; demoted by 240; ' +
      'hand over; ' +
      'hand over by force; stop',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (link-down), handed over to 192.0.2.2 after 0`]: 'link down',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (forced), handed over to 192.0.2.2 after 0`]: 'disabled',
    [`BACKUP: release, hush, MASTER>BACKUP (hand-over), ${LISTEN}, handed over to 192.0.2.2 after 0`]: 'timer release',
    [`BACKUP: release, hush, MASTER>BACKUP (address-lost), ${LISTEN}, handed over to 192.0.2.2 after 0`]: 'lost',
    [`BACKUP: release, hush, MASTER>BACKUP (stalled), ${LISTEN}, handed over to 192.0.2.2 after 0`]: 'lapsed',
  },
  'bowing-out to stop': {
    'MASTER: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'timer stagger; timer preempt; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; ' +
      'demoted by 240; hand over; hand over by force; stop',
    [`STOPPED: release, hush, ${DISARM_ALL}, MASTER>STOPPED (stop), finish, nobody took over, released`]:
      'link down; disabled',
    'MASTER: -bowOut, release+5': 'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    'STOPPED: -advert, -bowOut, -release, release, hush, MASTER>STOPPED (stop), finish, nobody took over, released':
      'timer bowOut; lost; lapsed',
  },
  'bowing-out by force': {
    'MASTER: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'timer stagger; timer preempt; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; ' +
      'demoted by 240; hand over; hand over by force',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (link-down), nobody took over, released`]: 'link down',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (forced), nobody took over, released`]: 'disabled',
    'MASTER: -bowOut, release+5': 'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    [`BACKUP: release, hush, MASTER>BACKUP (forced), ${LISTEN}, nobody took over, released`]: 'timer bowOut',
    [`BACKUP: release, hush, MASTER>BACKUP (address-lost), ${LISTEN}, nobody took over, released`]: 'lost',
    [`BACKUP: release, hush, MASTER>BACKUP (stalled), ${LISTEN}, nobody took over, released`]: 'lapsed',
    'MASTER: bowOut+1000': 'stop',
  },
  recovering: {
    'MASTER: nothing':
      'ready; bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'timer stagger; timer preempt; timer bowOut; timer release; taken; failed; lost; lapsed; demoted by 50; ' +
      'demoted by 240',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (link-down)`]: 'link down',
    [`INIT: release, hush, ${DISARM_ALL}, MASTER>INIT (forced)`]: 'disabled',
    [`BACKUP: release, hush, MASTER>BACKUP (stalled), ${LISTEN}`]:
      'better; worse; too slow; tie, lower; tie, higher; tie, own address',
    [`BACKUP: release, hush, MASTER>BACKUP (stalled), ${LISTEN}, ${CLAIM}`]:
      'drained; drained, 3 lost; drained, 2 replayed',
    'MASTER: nobody took over, released': 'hand over; hand over by force',
    'STOPPED: -advert, -bowOut, -release, release, hush, MASTER>STOPPED (stop), finish': 'stop',
  },
  stopped: {
    'STOPPED: nothing':
      'ready; link down; disabled; better; worse; too slow; tie, lower; tie, higher; tie, own address; ' +
      'bow-out of the followed; bow-out of a stranger; timer masterDown; timer advert; timer hold; timer stagger; ' +
      'timer preempt; timer bowOut; timer release; drained; drained, 3 lost; drained, 2 replayed; taken; failed; ' +
      'lost; lapsed; ' +
      'advskew 50; advskew of the settings; told to observe; ' +
      'demoted by 50; demoted by 240; hand over; hand over by force; stop',
  },
};

/**
 * Somebody on the segment who repeats what he has heard: reads a line of JSON with frames and a pause, and sends these
 * frames in turn for ever, until the next line comes.
 */
import { createInterface } from 'node:readline';
import { libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { linkAddress } from '../../src/adapters/linux/sockaddr.ts';

export interface Attack {
  /** Whole Ethernet frames, in hexadecimal. */
  readonly frames: readonly string[];
  readonly everyMs: number;
}

const RECEIVES_NOTHING = 0;
const system = libc();
const ifIndex = system.ifIndex('eth0');
const socket = system.socket(Linux.AF_PACKET, Linux.SOCK_RAW, RECEIVES_NOTHING);
let attack: NodeJS.Timeout | undefined;

createInterface({ input: process.stdin }).on('line', (line) => {
  const { frames, everyMs } = JSON.parse(line) as Attack;
  clearInterval(attack);
  let next = 0;
  attack = setInterval(() => {
    const frame = Buffer.from(frames[next % frames.length] ?? '', 'hex');
    next += 1;
    system.sendto(socket, frame, linkAddress(ifIndex, frame.readUInt16BE(12), frame.subarray(0, 6)));
    if (next === 1) console.log('attacking');
  }, everyMs);
});
console.log('ready');

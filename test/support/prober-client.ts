/**
 * Program: sends a numbered datagram to an address every few milliseconds and prints each answer as
 * `NUMBER SENT RECEIVED HOST`, times in monotonic milliseconds. It ends with its standard input.
 * Usage: prober-client.js ADDRESS PORT INTERVAL-MS
 */
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { measureFirst } from './priority.ts';
import { monotonicMs } from './wait.ts';

measureFirst();
const [address = '', port = '', intervalMs = ''] = process.argv.slice(2);
const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
const sent = new Map<number, number>();
let number = 0;
socket.on('message', (message) => {
  const received = monotonicMs();
  const [answered = '', host] = message.toString().split(' ');
  const at = sent.get(Number(answered));
  if (at !== undefined) console.log(`${answered} ${at} ${received} ${host}`);
});
setInterval(() => {
  number += 1;
  sent.set(number, monotonicMs());
  sent.delete(number - 1000);
  // A datagram that cannot be sent is a datagram without an answer.
  socket.send(String(number), Number(port), address, () => {});
}, Number(intervalMs));
process.stdin.on('end', () => process.exit()).resume();

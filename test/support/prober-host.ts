/**
 * Program: answers datagrams on every address of its host with the host's name. It ends with its standard input.
 * Usage: prober-host.js NAME PORT
 */
import { createSocket } from 'node:dgram';
import { measureFirst } from './priority.ts';

measureFirst();
const [name = '', port = ''] = process.argv.slice(2);
for (const type of ['udp4', 'udp6'] as const) {
  const socket = createSocket({ type, ipv6Only: type === 'udp6' });
  // The answer leaves from the host's own address; the client takes it from anywhere, for it knows its number.
  socket.on('message', (message, from) => socket.send(`${message} ${name}`, from.port, from.address, () => {}));
  socket.bind(Number(port), () => console.log(`ready ${type}`));
}
process.stdin.on('end', () => process.exit()).resume();

/**
 * Announces addresses without koffi, in whatever namespace this runs. Each line of standard input is an order in JSON:
 * the interface and addresses. Each line of standard output is what came of it, or was logged. Arguments: the program to
 * be taken for arping(8), and `raw-socket` if that may be used.
 */
import { createInterface } from 'node:readline';
import { createIprouteAnnouncer } from '../../src/adapters/linux/iproute-announcer.ts';
import { loadRawSocket } from '../../src/adapters/raw-socket/load-raw-socket.ts';
import { problemOf } from '../../src/ports/error.ts';
import { parseAddress } from '../../src/protocol/address.ts';

const [arping, raw] = process.argv.slice(2);
const tell = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);

const announcer = createIprouteAnnouncer({
  log: (level, message, fields) => tell({ type: 'log', level, message, ...fields }),
  rawSocket: raw === 'raw-socket' ? () => loadRawSocket() : undefined,
  arping,
});

createInterface(process.stdin).on('line', (line) => {
  const order = JSON.parse(line) as { readonly interface: string; readonly addresses: readonly string[] };
  const addresses = order.addresses.map(parseAddress).filter((address) => address !== undefined);
  try {
    const begun = performance.now();
    announcer.announce(order.interface, addresses);
    tell({ type: 'done', ms: performance.now() - begun });
  } catch (error) {
    tell({ type: 'failed', ...problemOf(error) });
  }
});
tell({ type: 'ready' });

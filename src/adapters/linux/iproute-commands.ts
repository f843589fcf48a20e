/** Changes of addresses as lines for `ip -force -batch -`, and what it says about them. Pure. */
import { formatCidr } from '../../protocol/address.ts';
import { type AddressChange, Errno, type Outcome } from './rtnetlink.ts';

const EADDRNOTAVAIL = 99;
const PREFIX_MAX = { 4: 32, 6: 128 } as const;

const integer = (value: number, min: number, max: number): number => {
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new RangeError(`wanted a whole number from ${min} to ${max}, got ${value}`);
};

/**
 * One line. Interfaces are named by their index, as `if7`, which outlives their being renamed; iproute2 reads it so when
 * no interface has that very name (ll_name_to_index).
 *
 * A line that cannot be parsed would end the whole batch, so whatever is no address, prefix or number stops here.
 *
 * @throws RangeError
 */
export const commandLine = (change: AddressChange): string => {
  const { place } = change;
  const prefix = integer(place.prefix, 0, PREFIX_MAX[place.address.family]);
  const index = integer(place.index, 1, 0x7fff_ffff);
  if (!/^[0-9a-f.:]+$/.test(place.address.text)) throw new RangeError(`not an address: ${place.address.text}`);
  const where = `${formatCidr({ address: place.address, prefix })} dev if${index}`;
  if (change.type === 'delete') return `addr del ${where}\n`;
  const seconds = integer(change.seconds, 1, 0xffff_fffe);
  const verb = change.type === 'exclusive' ? 'add' : 'replace';
  // As `addAddress` says: IPv6 without duplicate address detection, and never chosen as a source.
  const how = place.address.family === 6 ? `nodad preferred_lft 0` : `preferred_lft ${seconds}`;
  return `addr ${verb} ${where} valid_lft ${seconds} ${how}\n`;
};

/**
 * What ip says, and the error that it means. Newer kernels explain themselves ("Error: ipv4: Address already assigned."),
 * and then ip does not tell the error number; else it prints what glibc or musl call it.
 */
const MEANINGS: readonly (readonly [pattern: RegExp, errno: number])[] = [
  [/operation not permitted/i, Errno.EPERM],
  [/address already assigned|file exists/i, Errno.EEXIST],
  [/address not found|cannot assign requested address|address not available/i, EADDRNOTAVAIL],
  [/device not found|unable to find the interface|cannot find device|no such device/i, Errno.ENODEV],
  [/ipv6 is disabled|permission denied/i, Errno.EACCES],
  [/cannot allocate memory|out of memory/i, Errno.ENOMEM],
  [/no buffer space available/i, Errno.ENOBUFS],
  [/resource busy/i, Errno.EBUSY],
  [/not supported/i, Errno.EOPNOTSUPP],
];

const LINE_MAX = 300;

const outcomeOf = (said: string): Outcome => {
  const text = said
    .replace(/^(?:Error|RTNETLINK answers): /, '')
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, LINE_MAX);
  const [, errno = Errno.EINVAL] = MEANINGS.find(([pattern]) => pattern.test(said)) ?? [];
  return { errno, text };
};

/**
 * The outcome of each line of a batch. iproute2 is silent about what succeeds; of what fails it says why, and then which
 * line it was.
 *
 * @returns `undefined` if something failed and it cannot be told what: nothing is known then
 */
export const batchOutcomes = (count: number, code: number, complaints: string): readonly Outcome[] | undefined => {
  const failures = new Map<number, Outcome>();
  let said = '';
  for (const line of complaints.split('\n')) {
    const [, number] = /^Command failed -:(\d+)$/.exec(line.trim()) ?? [];
    if (number === undefined) {
      // What stands directly before it is the reason; "Error:" wins over a hint that follows.
      if (line.trim() !== '' && !said.startsWith('Error:')) said = line.trim();
      continue;
    }
    failures.set(Number(number), outcomeOf(said === '' ? 'it failed' : said));
    said = '';
  }
  // 1 when something failed; -1, which is 255, when a line was not understood and those behind it were not carried out.
  if (code !== 0 && (code !== 1 || failures.size === 0)) return undefined;
  return Array.from({ length: count }, (_, i) => failures.get(i + 1) ?? { errno: 0 });
};

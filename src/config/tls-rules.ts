/** Rules for `mqtt.tls`: which settings go together, and whether the files are what they are to be. */
import { isIP } from 'node:net';
import {
  checkPem,
  describeCertificate,
  PEM_BYTES_MAX,
  type PemPart,
  type PemTexts,
} from '../adapters/mqtt/connection/pem.ts';
import { error, type Finding, type Path, show, warning } from './findings.ts';
import type { Loose } from './loose.ts';
import { absolute, publicFile, type Surroundings } from './secret-rules.ts';
import { readSettingFile } from './setting-file.ts';
import type { MqttConfig } from './types.ts';

type Tls = Loose<NonNullable<MqttConfig['tls']>>;

const AT: Path = ['mqtt', 'tls'];
/** Who lets a program renew certificates does so earlier: a third of the time before they expire. */
const LATE_SHARE = 1 / 6;
const LATE_MS = 14 * 86_400_000;
const PARTS: readonly PemPart[] = ['ca', 'cert', 'key'];

/** @param isUsed - a broker is asked with TLS */
export const tlsRules = (tls: Tls | undefined, isUsed: boolean, around: Surroundings): readonly Finding[] => {
  if (tls === undefined) return [];
  if (!isUsed) return [warning(AT, 'has no effect: write mqtts:// or wss:// in mqtt.url for TLS')];
  return [...pairRules(tls), ...nameRules(tls), ...fileRules(tls, around)];
};

const isGiven = (tls: Tls, part: PemPart): boolean => tls[part] !== undefined || tls[`${part}File`] !== undefined;

const pairRules = (tls: Tls): readonly Finding[] => {
  const twice = PARTS.filter((part) => tls[part] !== undefined && tls[`${part}File`] !== undefined);
  const [cert, key] = [isGiven(tls, 'cert'), isGiven(tls, 'key')];
  const hints: readonly (Finding | false)[] = [
    cert && !key && error(AT, 'has a certificate without its key; give keyFile as well'),
    key && !cert && error(AT, 'has a key without its certificate; give certFile as well'),
    tls.keyPassphrase !== undefined && !key && warning([...AT, 'keyPassphrase'], 'has no effect without keyFile'),
    tls.verify === false &&
      warning(
        [...AT, 'verify'],
        'off, anybody on the way can pretend to be the broker, and read the password; use caFile',
      ),
  ];
  return [
    ...twice.map((part) => error(AT, `has ${part} and ${part}File; keep one`)),
    ...hints.filter((hint) => hint !== false),
  ];
};

const nameRules = ({ serverName }: Tls): readonly Finding[] =>
  serverName === undefined || isIP(serverName) !== 0 || /^[\p{L}\p{N}._-]+$/u.test(serverName)
    ? []
    : [error([...AT, 'serverName'], `must be a host name or an address, without a port, but is ${show(serverName)}`)];

const fileRules = (tls: Tls, { baseFolder }: Surroundings): readonly Finding[] => {
  const found: Finding[] = [];
  const texts: Partial<Record<PemPart, string>> = {};
  for (const part of PARTS) {
    const name = tls[`${part}File`];
    const text = tls[part];
    if (name === undefined) {
      if (text !== undefined) texts[part] = text;
      continue;
    }
    const path = [...AT, `${part}File`];
    const file = absolute(name, baseFolder);
    const { content, isPublic, problem } = readSettingFile(file, PEM_BYTES_MAX);
    if (problem !== undefined) found.push(error(path, problem));
    if (content !== undefined) texts[part] = content.toString('latin1');
    if (part === 'key' && isPublic === true) found.push(warning(path, publicFile(file)));
  }
  return found.some(({ severity }) => severity === 'error') ? found : [...found, ...contentRules(texts, tls)];
};

const contentRules = (texts: PemTexts, tls: Tls): readonly Finding[] => {
  const { problem, own } = checkPem(texts, definedOf(tls));
  const at = (part: PemPart): Path => [...AT, tls[part] === undefined ? `${part}File` : part];
  if (problem !== undefined) return [error(at(problem.part), problem.text)];
  if (own === undefined) return [];
  const [now, from, to] = [Date.now(), Date.parse(own.validFrom), Date.parse(own.validTo)];
  const description = `the certificate is of ${describeCertificate(own, new Date(now))}`;
  if (now < from || to < now)
    return [warning(at('cert'), `${description}; brokers refuse it: renew it, and check the clock`)];
  const isLate = to - now < Math.min(LATE_MS, (to - from) * LATE_SHARE);
  return isLate ? [warning(at('cert'), `${description}; renew it before that day`)] : [];
};

/** Names of files and the passphrase, as far as they are there. */
const definedOf = ({ caFile, certFile, keyFile, keyPassphrase }: Tls): Parameters<typeof checkPem>[1] => ({
  ...(caFile === undefined ? {} : { caFile }),
  ...(certFile === undefined ? {} : { certFile }),
  ...(keyFile === undefined ? {} : { keyFile }),
  ...(keyPassphrase === undefined ? {} : { keyPassphrase }),
});

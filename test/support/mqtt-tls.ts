/** A certificate authority of a test, made with openssl(1), and what Mosquitto needs to use its certificates. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toolPath } from './requirements.ts';

export const needsOpenssl = toolPath('openssl') === undefined ? 'needs openssl: apt-get install openssl' : false;

export interface IssueOptions {
  /** The common name. */
  readonly name: string;
  /** For whom it is good. Default: `DNS:localhost`, `IP:127.0.0.1` and `IP:::1`. */
  readonly names?: readonly string[];
  /** `expired`: until 2021. `future`: from 2090 on. `soon`: expires after two months, in a week. Default: since yesterday, for a week. */
  readonly when?: 'now' | 'expired' | 'future' | 'soon';
  /** Encrypts the key. */
  readonly passphrase?: string;
}

export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  /** All files of this authority lie here; more may be put there. */
  readonly folder: string;
  readonly caFile: string;
  readonly ca: string;
  /** The revocation list, for `crlfile`. */
  readonly crlFile: string;
  readonly issue: (options: IssueOptions) => Issued;
  /** Puts a certificate on the revocation list, which brokers that are already running have read before. */
  readonly revoke: (issued: Issued) => void;
  readonly remove: () => void;
}

const CONFIG = `[ca]
default_ca = authority
[authority]
dir = .
database = ./index
serial = ./serial
crlnumber = ./crlnumber
new_certs_dir = .
certificate = ./ca.pem
private_key = ./ca.key
default_md = sha256
default_crl_days = 30
unique_subject = no
copy_extensions = copy
policy = policy
[policy]
commonName = supplied
[req]
distinguished_name = name
[name]
`;

const DAY_MS = 86_400_000;
const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'];
const NAMES = ['DNS:localhost', 'IP:127.0.0.1', 'IP:::1'];

/** As `openssl ca` wants it: 20261122120000Z. */
const opensslTime = (ms: number): string =>
  `${new Date(ms)
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/\D/g, '')}Z`;

const span = (when: IssueOptions['when']): readonly [from: string, to: string] => {
  if (when === 'expired') return ['20200101000000Z', '20210101000000Z'];
  if (when === 'future') return ['20900101000000Z', '20910101000000Z'];
  if (when === 'soon') return [opensslTime(Date.now() - 60 * DAY_MS), opensslTime(Date.now() + 7 * DAY_MS)];
  return [opensslTime(Date.now() - DAY_MS), opensslTime(Date.now() + 7 * DAY_MS)];
};

/** An authority of its own: nobody trusts it who was not given `caFile`. To be removed by the caller. */
export const createAuthority = (name = 'Test CA'): TestAuthority => {
  const folder = mkdtempSync(join(tmpdir(), 'carp-ca-'));
  const at = (file: string): string => join(folder, file);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe', env: { ...process.env, OPENSSL_CONF: at('ca.cnf') } });
  };
  writeFileSync(at('ca.cnf'), CONFIG);
  writeFileSync(at('index'), '');
  writeFileSync(at('serial'), '01\n');
  writeFileSync(at('crlnumber'), '01\n');
  const usage = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  openssl(
    ...[
      'req',
      '-x509',
      ...EC,
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '3650',
      '-subj',
      `/CN=${name}`,
    ],
    ...usage.flatMap((extension) => ['-addext', extension]),
  );
  const writeRevoked = (): void => openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'crl.pem');
  writeRevoked();

  let count = 0;
  const issue = ({ name: commonName, names = NAMES, when, passphrase }: IssueOptions): Issued => {
    count += 1;
    const [key, request, cert] = [`${count}.key`, `${count}.csr`, `${count}.pem.issued`];
    const secrecy = passphrase === undefined ? ['-nodes'] : ['-passout', `pass:${passphrase}`];
    openssl(
      ...['req', '-new', ...EC, ...secrecy, '-keyout', key, '-out', request, '-subj', `/CN=${commonName}`],
      ...['-addext', `subjectAltName=${names.join(',')}`],
    );
    const [from, to] = span(when);
    openssl(
      ...['ca', '-batch', '-notext', '-config', 'ca.cnf', '-in', request, '-out', cert],
      ...['-startdate', from, '-enddate', to],
    );
    return {
      certFile: at(cert),
      keyFile: at(key),
      cert: readFileSync(at(cert), 'utf8'),
      key: readFileSync(at(key), 'utf8'),
    };
  };

  return {
    folder,
    caFile: at('ca.pem'),
    ca: readFileSync(at('ca.pem'), 'utf8'),
    crlFile: at('crl.pem'),
    issue,
    revoke: ({ certFile }) => {
      openssl('ca', '-config', 'ca.cnf', '-revoke', certFile);
      writeRevoked();
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};

export interface TlsListener {
  readonly authority: TestAuthority;
  /** The certificate of the broker. */
  readonly broker: Issued;
  /** Clients have to show a certificate of this authority. */
  readonly requireCertificate?: boolean;
}

/** Lines for a listener in mosquitto.conf. */
export const tlsLines = ({ authority, broker, requireCertificate }: TlsListener): readonly string[] => [
  `cafile ${authority.caFile}`,
  `certfile ${broker.certFile}`,
  `keyfile ${broker.keyFile}`,
  ...(requireCertificate === true ? ['require_certificate true', `crlfile ${authority.crlFile}`] : []),
];

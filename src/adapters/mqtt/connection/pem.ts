/** Certificates and keys, looked at before they are used: OpenSSL would only say that something is wrong. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { MqttTlsSettings } from '../settings.ts';

/** A bundle with all authorities of the world has 250 kB. */
export const PEM_BYTES_MAX = 4_194_304;

export type PemPart = 'ca' | 'cert' | 'key';

export type PemTexts = Readonly<Partial<Record<PemPart, string>>>;

export interface PemCheck {
  /** What is wrong, with a remedy, and with what; nothing of any secret. */
  readonly problem?: { readonly part: PemPart; readonly text: string };
  /** The certificate of this host. */
  readonly own?: X509Certificate;
}

/** Where a part is, in words. */
export const partName = (settings: Partial<MqttTlsSettings>, part: PemPart): string => {
  const file = settings[`${part}File`];
  return file === undefined ? `mqtt.tls.${part}` : `mqtt.tls.${part}File (${file})`;
};

/**
 * @param texts - what is given, from files or not
 * @param settings - the passphrase, and where the texts came from
 */
export const checkPem = ({ ca, cert, key }: PemTexts, settings: Partial<MqttTlsSettings>): PemCheck => {
  if (ca !== undefined && certificateIn(ca) === undefined) return notCertificate('ca', settings);
  if (cert === undefined) return {};
  const own = certificateIn(cert);
  if (own === undefined) return notCertificate('cert', settings);
  if (key === undefined) return { own };
  const read = keyIn(key, settings.keyPassphrase);
  const name = partName(settings, 'key');
  if (read === undefined) return { problem: { part: 'key', text: keyProblem(key, name) } };
  const text = `the key in ${name} does not belong to the certificate in ${partName(settings, 'cert')}; give both of one pair`;
  return own.checkPrivateKey(read) ? { own } : { problem: { part: 'key', text } };
};

const notCertificate = (part: 'ca' | 'cert', settings: Partial<MqttTlsSettings>): PemCheck => ({
  problem: {
    part,
    text: `${partName(settings, part)} is no certificate; it has to contain -----BEGIN CERTIFICATE-----, and what follows`,
  },
});

const keyProblem = (text: string, name: string): string =>
  /ENCRYPTED/.test(text.slice(0, 200))
    ? `the key in ${name} is encrypted, and mqtt.tls.keyPassphrase does not open it; correct it`
    : `${name} is no private key; it has to contain -----BEGIN PRIVATE KEY-----, or another kind of it`;

const certificateIn = (text: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(text);
  } catch {
    return undefined;
  }
};

const keyIn = (key: string, passphrase: string | undefined): KeyObject | undefined => {
  try {
    return createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch {
    return undefined;
  }
};

/** Whose certificate it is, and how long: `CN=rpi1, which expired on …`. */
export const describeCertificate = ({ validFrom, validTo, subject }: X509Certificate, now: Date): string => {
  const name = subject.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 100);
  if (new Date(validTo) < now) return `${name}, which expired on ${validTo}`;
  if (new Date(validFrom) > now) return `${name}, which is not valid before ${validFrom}`;
  return `${name}, valid until ${validTo}`;
};

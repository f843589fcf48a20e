import { isIP } from 'node:net';

/** Where a URL leads, taken apart here: nothing else in a URL reaches the client. */
export interface Endpoint {
  readonly protocol: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** With its query, which often holds a token; `/` for mqtt:// and mqtts://, where it means nothing. */
  readonly path: string;
  readonly isTls: boolean;
  readonly username?: string;
  readonly password?: string;
}

const PORTS = { mqtt: 1883, mqtts: 8883, ws: 80, wss: 443 } as const;

/** `undefined`: not a URL of a broker. */
export const parseEndpoint = (text: string): Endpoint | undefined => {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const protocol = url.protocol.slice(0, -1);
  // The client would take port 0 for none, and go to the usual one.
  if (!isProtocol(protocol) || url.hostname === '' || url.port === '0') return undefined;
  const { hostname, port, pathname, search, username, password } = url;
  return {
    protocol,
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? PORTS[protocol] : Number(port),
    path: `${pathname === '' ? '/' : pathname}${search}`,
    isTls: protocol === 'mqtts' || protocol === 'wss',
    ...(username === '' ? {} : { username: decoded(username) }),
    ...(password === '' ? {} : { password: decoded(password) }),
  };
};

const isProtocol = (text: string): text is Endpoint['protocol'] => Object.hasOwn(PORTS, text);

/** A % that encodes nothing stands for itself: people copy passwords into URLs as they are. */
const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** How a broker is called in log lines: without what may be secret in a URL. */
export const brokerName = (url: string): string => {
  const endpoint = parseEndpoint(url);
  if (endpoint === undefined) return 'the broker';
  const { protocol, host, port } = endpoint;
  return `${protocol}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
};

import type { Mistake } from './diagnosis.ts';
import type { Vrrp } from './vrrp.ts';

/** Why an advert is not genuine: for people in `detail` and `remedy`, for programs in the rest. */
export interface Diagnosis {
  readonly kind: Mistake['type'] | 'vrrp' | 'unknown';
  /** A second mistake at the same time, of the password. */
  readonly also?: Mistake['type'];
  /** The addresses in question. */
  readonly addresses?: readonly string[];
  /** The other group of this host that is in question. */
  readonly mixedUpWith?: string;
  /** One sentence without a full stop, which names the culprit. */
  readonly detail: string;
  /** What to do. */
  readonly remedy: string;
}

/** Whom the diagnosis is about. */
export interface Patient {
  /** Address of the peer. */
  readonly source: string;
  /** Our group. */
  readonly group: string;
  readonly vhid: number;
}

/** What the mistakes mean, in words. None of them: nothing that was tried fits. */
export const diagnosisOf = (mistakes: readonly Mistake[], patient: Patient): Diagnosis => {
  const [first, second] = mistakes;
  if (first === undefined) return unknown(patient);
  const clauses = mistakes.map((mistake) => explain(mistake, patient));
  return {
    kind: first.type,
    ...(second === undefined ? {} : { also: second.type }),
    ...about(first),
    ...(second === undefined ? {} : about(second)),
    detail: `${patient.source} signs ${clauses.map(({ clause }) => clause).join(' and ')}`,
    remedy: clauses.map(({ remedy }) => remedy).join('; '),
  };
};

/** Somebody speaks VRRP with our number. */
export const vrrpDiagnosis = (vrrp: Vrrp, { source, group, vhid }: Patient): Diagnosis => {
  const addresses = vrrp.addresses.map(({ text }) => text);
  return {
    kind: 'vrrp',
    addresses,
    detail:
      `${source} speaks VRRP version ${vrrp.version} with id ${vhid} (priority ${vrrp.priority}, ${listed(addresses)}): ` +
      'both use the same virtual MAC address',
    remedy: `give ${group} another vhid on all its hosts, or the VRRP router another id`,
  };
};

const unknown = ({ source, group, vhid }: Patient): Diagnosis => ({
  kind: 'unknown',
  detail: `${source} signs vhid ${vhid} with another password, or more than one other address, and none that was tried fits`,
  remedy:
    `compare password and addresses of ${group} on both hosts, or give it another vhid ` +
    'if that host belongs to another group',
});

const listed = (texts: readonly string[]): string => {
  const shown = texts.slice(0, 4).join(', ');
  return texts.length > 4 ? `${shown} and ${texts.length - 4} more` : shown;
};

const about = (mistake: Mistake): Pick<Diagnosis, 'addresses' | 'mixedUpWith'> => {
  switch (mistake.type) {
    case 'missing-address':
    case 'extra-address':
      return { addresses: mistake.addresses.map(({ text }) => text) };
    case 'other-address':
      return { addresses: [mistake.missing.text, mistake.extra.text] };
    case 'one-address':
    case 'repeated-address':
      return { addresses: [mistake.address.text] };
    case 'addresses-of-group':
    case 'password-of-group':
    case 'swapped-groups':
      return { mixedUpWith: mistake.group };
    default:
      return {};
  }
};

interface Explanation {
  /** Completes "192.0.2.11 signs …". */
  readonly clause: string;
  readonly remedy: string;
}

const ADDED = {
  'carriage-return': 'a carriage return behind the password',
  newline: 'a newline behind the password',
  'carriage-return-and-newline': 'a carriage return and a newline behind the password',
  'space-behind': 'a space behind the password',
  'space-before': 'a space before the password',
  tab: 'a tab behind the password',
  'double-quotes': 'quotes around the password',
  'single-quotes': 'quotes around the password',
} as const;

const explain = (mistake: Mistake, { source, group, vhid }: Patient): Explanation => {
  switch (mistake.type) {
    case 'missing-address': {
      const addresses = listed(mistake.addresses.map(({ text }) => text));
      return {
        clause: `without ${addresses}`,
        remedy: `add ${addresses} to vhid ${vhid} on ${source}, or remove it from ${group} here`,
      };
    }
    case 'extra-address': {
      const addresses = listed(mistake.addresses.map(({ text }) => text));
      return {
        clause: `${addresses} as well`,
        remedy: `add ${addresses} to ${group} here, or remove it from vhid ${vhid} on ${source}`,
      };
    }
    case 'other-address':
      return {
        clause: `${mistake.extra.text} instead of ${mistake.missing.text}`,
        remedy: `one of the two is a mistake: give ${group} here and vhid ${vhid} on ${source} the same addresses`,
      };
    case 'one-address':
      return {
        clause: `${mistake.address.text} alone`,
        remedy:
          `add the other addresses of ${group} to vhid ${vhid} on ${source}; ` +
          'if that is ucarp, which knows one address, run `carp ucarp` there with an --addr for each',
      };
    case 'one-family':
      return {
        clause: `the IPv${mistake.family} addresses alone`,
        remedy: `add the IPv${mistake.family === 4 ? 6 : 4} addresses of ${group} to vhid ${vhid} on ${source}`,
      };
    case 'no-addresses':
      return {
        clause: 'no address at all',
        remedy: `add the addresses of ${group} to vhid ${vhid} on ${source}`,
      };
    case 'addresses-of-group':
      return {
        clause: `the addresses of ${mistake.group}`,
        remedy: `look whether the addresses of ${group} and ${mistake.group}, or their vhids, are swapped on ${source} or here`,
      };
    case 'swapped-groups':
      return {
        clause: `password and addresses of ${mistake.group} as vhid ${vhid}`,
        remedy: `look whether the vhids of ${group} and ${mistake.group} are swapped on ${source} or here`,
      };
    case 'unsorted-addresses':
      return {
        clause: 'the addresses in the order of its configuration, as old FreeBSD does',
        remedy: `list them in ascending order on ${source}, or update its system`,
      };
    case 'repeated-address':
      return {
        clause: `${mistake.address.text} twice, as old FreeBSD does`,
        remedy: `remove it once from vhid ${vhid} on ${source}, or update its system`,
      };
    case 'other-vhid':
      return {
        clause: `for vhid ${mistake.vhid} what it sends as vhid ${vhid}`,
        remedy: 'something rewrote the vhid on its way: look for a proxy or a firewall between the two',
      };
    case 'lladdr-missing':
      return {
        clause: `without the link-level address ${mistake.mac}`,
        remedy: `ifconfig carpN lladdr ${mistake.mac} on ${source}, or remove \`lladdr\` from ${group} here`,
      };
    case 'lladdr-extra':
      return {
        clause: `the link-level address ${mistake.mac} as well, as OpenBSD does`,
        remedy: `set \`lladdr: "${mistake.mac}"\` for ${group} here, or give carpN on ${source} its default lladdr`,
      };
    default:
      return explainPassword(mistake, { source, group });
  }
};

type PasswordMistake = Extract<Mistake, { readonly type: `${string}password${string}` }>;

const explainPassword = (
  mistake: PasswordMistake,
  { source, group }: Pick<Patient, 'source' | 'group'>,
): Explanation => {
  const setIt = `set the password of ${group} on ${source} again`;
  switch (mistake.type) {
    case 'empty-password':
      return { clause: 'with an empty password', remedy: `set the password of ${group} on ${source}` };
    case 'password-of-group':
      return {
        clause: `with the password of ${mistake.group}`,
        remedy: `give ${group} the same password here and on ${source}`,
      };
    case 'password-cut':
      return mistake.after === undefined
        ? {
            clause: 'with a password without its last character',
            remedy: `NetBSD's ifconfig drops it: write one character more there, or ${setIt}`,
          }
        : {
            clause: `with a password that is cut after ${mistake.after} characters`,
            remedy: `${setIt}: in quotes, and with 19 characters at most`,
          };
    case 'password-with':
      return { clause: `with ${ADDED[mistake.what]}`, remedy: `remove it there, and ${setIt}` };
    case 'password-without':
      return {
        clause: `without ${ADDED[mistake.what]}, which is there on this host`,
        remedy: `remove it from the password of ${group} here, or add it on ${source}`,
      };
    case 'password-case':
      return { clause: 'with a password in other case', remedy: `${setIt}: Caps Lock?` };
    case 'password-encoding':
      return {
        clause: 'with a password in another encoding',
        remedy: `${setIt} in UTF-8, or use letters and digits of ASCII on both`,
      };
    case 'password-longer':
      return {
        clause: 'with a key of 20 bytes, of which the password here is the first 19',
        remedy: `use at most 19 characters on ${source}: ifconfig and ucarp keep no more`,
      };
    default:
      return unreachable(mistake);
  }
};

const unreachable = (mistake: never): never => {
  throw new TypeError(`unknown mistake ${String(mistake)}`);
};

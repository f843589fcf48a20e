/** One `vrrp_instance` of keepalived.conf(5) as a group. */
import { type GroupDraft, type Remark, type Setting, setting, settings } from './draft.ts';
import { type Addresses, readAddresses } from './keepalived-addresses.ts';
import { type Checks, type Watched, watchedBy } from './keepalived-checks.ts';
import { hooksOf } from './keepalived-hooks.ts';
import { conditionalRemark, type Line, Numbers, quoted, unconditional } from './keepalived-text.ts';
import { type Place, show } from './source.ts';

const SKEW_MAX = 254;
/** Of keepalived, for an instance that tells none. */
const PRIORITY = 100;
const LEFT_OUT = 'it was left out, and the default of carp holds';

/** What keepalived says of all instances in `global_defs`. */
export interface Defaults {
  readonly host: readonly Setting[];
  readonly refresh: number | undefined;
}

/** What is said of an instance from elsewhere in the file. */
export interface Surroundings {
  readonly place: Place;
  readonly checks: Checks;
  readonly syncOf: ReadonlyMap<string, string>;
  readonly defaults: Defaults;
}

/** Words that need no remark of their own: they say what is so anyway, or have been asked for elsewhere. */
const SILENT = new Set(
  (
    'interface virtual_router_id priority advert_int virtual_ipaddress virtual_ipaddress_excluded authentication nopreempt ' +
    'preempt preempt_delay unicast_src_ip mcast_src_ip unicast_peer use_vmac garp_master_refresh down_timer_adverts ' +
    'dont_track_primary track_script track_interface track_process notify_master notify_backup notify_fault notify_stop notify'
  ).split(' '),
);

/** Why a word of an instance has no setting. */
const REASONS: Readonly<Record<string, string>> = {
  state: 'nobody begins as MASTER: a host listens first. Preference is advskew, and preempt',
  virtual_routes: 'routes stay where they are; hooks.up and hooks.down can add and remove them with ip(8)',
  virtual_rules: 'hooks.up and hooks.down can add and remove them with ip(8)',
  vmac_xmit_base: 'adverts are always sent and heard on the interface below the virtual MAC',
  use_vmac_addr: 'addresses are on the interface of the group only',
  use_ipvlan: 'no equivalent',
  mcast_dst_ip: 'set multicast to it, on all hosts, if it is an IPv4 address',
  track_file: 'a check of track may run any command, such as test(1)',
  track_bfd: 'no equivalent',
  track_src_ip: 'a group whose source has gone waits for it anyway',
  smtp_alert: 'no mail is sent; hooks.change can do so',
  notify_deleted: 'no equivalent',
  notify_fault: 'a host with a fault is BACKUP or INIT: see hooks.down',
  garp_master_delay: 'announcements are sent at once, 5 in quick succession, and 5 more after 5 s',
  garp_master_repeat: 'announcements are sent at once, 5 in quick succession, and 5 more after 5 s',
  garp_lower_prio_delay: 'who hears a worse MASTER announces at once',
  garp_lower_prio_repeat: 'who hears a worse MASTER announces at once',
  lower_prio_no_advert: 'a worse MASTER is always answered, so that it yields at once',
  higher_prio_send_advert: 'who yields always says so',
  unicast_ttl: 'adverts leave with TTL 255; checkTtl says what is accepted',
  check_unicast_src: 'adverts are signed: whoever has no password is no peer',
  version: 'of VRRP',
  native_ipv6: 'the addresses tell the family',
  strict_mode: 'of VRRP',
  accept: 'a MASTER always accepts what is sent to the addresses',
  no_accept: 'a MASTER always accepts what is sent to the addresses',
  debug: '`carp run --verbose` tells every decision',
  vrf: 'name the interface that is in the VRF',
};

/** The last line with this word: keepalived takes that, too. */
const lineOf = (block: readonly Line[], word: string): Line | undefined =>
  block.findLast(({ words }) => words[0] === word);
const textOf = (block: readonly Line[], word: string): string | undefined => lineOf(block, word)?.words[1];

/** Checks never raise a priority to the 255 of an owner. */
const skewOf = (priority: number, { bonus }: Watched): number =>
  Math.min(SKEW_MAX, Math.max(0, 255 - (bonus > 0 ? Math.min(254, priority + bonus) : priority)));

/** Whole seconds, and never 0, which would be OpenBSD's mode of less than a second. */
const advbaseOf = (seconds: number | undefined): Setting | undefined => {
  if (seconds === undefined) return undefined;
  const whole = Math.min(255, Math.max(1, Math.ceil(seconds)));
  return setting(
    'advbase',
    whole,
    ...(whole === seconds ? [] : [`advert_int ${seconds}: whole seconds from 1 to 255 here`]),
  );
};

const peersOf = (
  block: readonly Line[],
  place: Place,
): { readonly peers: readonly string[]; readonly remarks: Remark[] } => {
  const remarks: Remark[] = [];
  const peers = (lineOf(block, 'unicast_peer')?.block ?? []).flatMap(({ line, words: [peer, ...rest] }) => {
    if (rest.length > 0)
      remarks.push(`${place(line)}: ${show(rest.join(' '))}: see checkTtl, for peers beyond a router`);
    return peer === undefined ? [] : [peer];
  });
  return { peers, remarks };
};

const secretOf = (block: readonly Line[], place: Place): Pick<GroupDraft, 'secret' | 'remarks'> => {
  const authentication = lineOf(block, 'authentication')?.block ?? [];
  const pass = lineOf(authentication, 'auth_pass');
  const password = pass?.words[1];
  const why = 'CARP signs adverts with a password that is never sent';
  if (pass === undefined || password === undefined)
    return {
      remarks: [`without a password, any host of the network can join: ${why}; set pass or passfile, on all hosts`],
    };
  return {
    secret: { password: Buffer.from(password).subarray(0, 8).toString(), place: place(pass.line) },
    remarks: [
      textOf(authentication, 'auth_type') === 'AH'
        ? `${place(pass.line)}: auth_type AH: keepalived signs with auth_pass and does not send it, as CARP does; of it, 8 bytes count, and 19 here`
        : `${place(pass.line)}: keepalived sends auth_pass in the clear; ${why}: take a new one`,
    ],
  };
};

export const groupOf = (name: string, instance: Line, around: Surroundings): GroupDraft => {
  const { place, checks, syncOf, defaults } = around;
  const conditions: Remark[] = [];
  const block = unconditional(instance.block ?? [], (line) =>
    conditions.push(`${place(line.line)}: ${conditionalRemark(line)}`),
  );
  const addresses: Addresses = readAddresses(block, textOf(block, 'interface'), place);
  const watched = watchedBy(block, checks, place);
  const numbers = new Numbers(place);
  const number = (word: string, otherwise: string) => numbers.of(block, word, otherwise);
  const priority = number('priority', `the default of keepalived, ${PRIORITY}, was taken`) ?? PRIORITY;
  const bonus = watched.bonus === 0 ? '' : `, and ${watched.bonus} for checks that add to it while all is well`;
  const preempts = lineOf(block, 'nopreempt') === undefined;
  const delay = number('preempt_delay', LEFT_OUT);
  const { peers, remarks: peerRemarks } = peersOf(block, place);
  const source = textOf(block, 'unicast_src_ip') ?? textOf(block, 'mcast_src_ip');
  const refresh = number('garp_master_refresh', LEFT_OUT) ?? defaults.refresh;
  const interval = number('advert_int', LEFT_OUT);
  const dead = number('down_timer_adverts', LEFT_OUT);
  const vmac = lineOf(block, 'use_vmac');
  const vhid = number('virtual_router_id', 'write the right one');
  const device = textOf(block, 'interface');
  const sync = syncOf.get(name);
  const hooks = hooksOf(name, priority, block, place);
  const { secret, remarks: secretRemarks } = secretOf(block, place);
  const others = block.flatMap((line): Remark[] => {
    const [word = ''] = line.words;
    if (SILENT.has(word)) return [];
    const reason = REASONS[word] ?? 'no equivalent';
    const inside = word.startsWith('virtual_r')
      ? (line.block ?? []).map((each) => `\n  ${quoted(each)}`).slice(0, 20)
      : [];
    return [`${place(line.line)}: ${quoted(line)}: ${reason}${inside.join('')}`];
  });
  return {
    name,
    settings: settings(
      setting(
        'interface',
        device ?? 'eth0',
        ...(device === undefined ? ['Not told. Name the one with an address of the same subnet.'] : []),
      ),
      vhid !== undefined && setting('vhid', vhid),
      addresses.list.length > 0 && setting('addresses', addresses.list, ...addresses.remarks),
      source !== undefined && setting('source', source),
      peers.length > 0 && setting('peers', peers),
      sync !== undefined && setting('sync', sync),
      advbaseOf(interval),
      setting('advskew', skewOf(priority, watched), `priority ${priority}${bonus}`),
      dead !== undefined && setting('deadratio', dead),
      preempts && setting('preempt', true, 'keepalived preempts unless it is told nopreempt.'),
      delay !== undefined && setting('preemptDelay', delay),
      vmac !== undefined &&
        setting(
          'addressing',
          'virtual-mac',
          ...(vmac.words.length > 1
            ? [`${show(vmac.words.slice(1).join(' '))}: the interface gets a name of its own`]
            : []),
        ),
      lineOf(block, 'dont_track_primary') !== undefined && setting('ignoreLink', true),
      refresh !== undefined && setting('announceRefresh', refresh),
      hooks.hooks !== undefined && setting('hooks', hooks.hooks, ...hooks.above),
      watched.track.length > 0 && setting('track', watched.track, ...watched.above),
    ),
    remarks: [
      `${place(instance.line)}: vrrp_instance ${show(name)}`,
      ...(priority === 255
        ? ['priority 255 is that of an owner of the addresses, who is MASTER at once; here it waits like all others']
        : []),
      ...numbers.remarks,
      ...secretRemarks,
      ...addresses.others,
      ...peerRemarks,
      ...hooks.remarks,
      ...watched.remarks,
      ...conditions,
      ...others,
    ],
    ...(secret === undefined ? {} : { secret }),
    ...(vhid === undefined ? { disabled: 'it has no virtual_router_id' } : {}),
  };
};

/** One virtual router of both families is two instances in keepalived, and one group here: CARP signs all addresses. */
export const merged = (groups: readonly GroupDraft[]): readonly GroupDraft[] => {
  const valueIn = (group: GroupDraft, key: string): unknown => group.settings.find((each) => each.key === key)?.value;
  const result: GroupDraft[] = [];
  for (const group of groups) {
    const at = result.findIndex((other) =>
      ['interface', 'vhid'].every(
        (key) => valueIn(other, key) !== undefined && valueIn(other, key) === valueIn(group, key),
      ),
    );
    const first = result[at];
    const lists = [first, group].map(
      (each) => (each && (valueIn(each, 'addresses') as readonly string[] | undefined)) ?? [],
    );
    const families = lists.map((list) => list.some((text) => text.includes(':')));
    if (first === undefined || families[0] === families[1]) {
      result.push(group);
      continue;
    }
    const secret = first.secret ?? group.secret;
    result[at] = {
      ...first,
      ...(secret === undefined ? {} : { secret }),
      settings: first.settings.map((each) =>
        each.key === 'addresses'
          ? { ...each, value: lists.flat(), remarks: [...each.remarks, ...remarksOfAddresses(group)] }
          : each,
      ),
      remarks: [
        ...first.remarks,
        `Joined with ${show(group.name)}, which has the same number and the other family: CARP has one group for both.\n` +
          'Its own priority, hooks and checks were left out; compare them.',
        ...group.remarks,
      ],
    };
  }
  return result;
};

const remarksOfAddresses = ({ settings: all }: GroupDraft): readonly Remark[] =>
  all.find(({ key }) => key === 'addresses')?.remarks ?? [];

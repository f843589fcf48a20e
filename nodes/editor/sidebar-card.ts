/** A card as elements. */
import type { CarpEvent, Counters } from '../../src/engine/status.ts';
import { button, el, icon } from './dom.ts';
import { type Card, clockOf, type LedgerLine, type Peer, type Warning } from './sidebar-model.ts';
import type { SwitchedMode } from './sidebar-receipts.ts';
import { wordsOf } from './sidebar-words.ts';
import { textsOf } from './texts.ts';

export const t = textsOf('carp-sidebar');

export interface CardActions {
  readonly handOver: (card: Card) => void;
  readonly switchMode: (card: Card, mode: SwitchedMode, on: boolean) => void;
  readonly restore: (card: Card, reason: string) => void;
  readonly reveal: (card: Card) => void;
  readonly copy: (text: string, at: HTMLElement) => void;
  /** Whether this user may change anything. */
  readonly mayWrite: boolean;
  /** Parts that are unfolded, by key. */
  readonly open: Set<string>;
}

export const cardElement = (card: Card, actions: CardActions): HTMLElement => {
  const title = `carp-card-${card.id.replaceAll('.', '-')}`;
  return el(
    'section',
    {
      class: `carp-card carp-is-${tone(card)}`,
      'aria-labelledby': title,
      'data-group': card.group,
      'data-node': card.node,
    },
    el(
      'header',
      { class: 'carp-head' },
      roleChip(card),
      el('h3', { id: title }, card.label),
      el('span', { class: 'carp-place' }, placeOf(card)),
    ),
    ...card.warnings.map((warning, i) => warningElement(warning, `${card.id}:${i}`, actions)),
    factsOf(card),
    ledgerElement(card, actions),
    timelineElement(card),
    card.counters && countersElement(card.id, card.counters, actions),
    buttonsOf(card, actions),
  );
};

const tone = ({ role, warnings, observes }: Card): string => {
  if (warnings.some(({ type }) => type === 'problem' || type === 'split-brain')) return 'wrong';
  return role === 'MASTER' ? 'master' : role === 'BACKUP' && !observes ? 'backup' : 'idle';
};

/** A dot holds the addresses, a ring does not: not by colour alone. */
const roleChip = ({ role }: Card): HTMLElement =>
  el(
    'span',
    { class: `carp-chip carp-chip-${role ?? 'none'}` },
    icon(role === 'MASTER' ? 'circle' : 'circle-o'),
    ` ${role ?? t('role.none')}`,
  );

const placeOf = (card: Card): string =>
  [
    // The label of a group that has no other is made of its name and its node.
    card.label.includes(card.node) ? undefined : card.node,
    card.vhid === undefined ? undefined : `VHID ${card.vhid}@${card.interface ?? '?'}`,
    card.runs === 'own' ? undefined : t(`runs.${card.runs}`),
  ]
    .filter((part) => part !== undefined)
    .join(' · ');

const factsOf = (card: Card): HTMLElement => {
  const { times } = card;
  const rows: readonly (readonly [string, Node | string] | undefined)[] = [
    card.mode === 'normal' ? undefined : ['mode', t(`mode.${card.mode}`)],
    ['addresses', card.addresses.join(', ') || t('none.addresses')],
    card.since === undefined ? undefined : ['since', el('time', { 'data-since': card.since, datetime: card.since })],
    ['master', masterText(card)],
    times === undefined
      ? undefined
      : [
          'interval',
          t(card.role === 'MASTER' || card.observes ? 'value.advertises' : 'value.interval', {
            interval: seconds(times.intervalMs),
            advskew: times.advskew,
            down: seconds(times.masterDownMs),
          }),
        ],
    card.broker === undefined ? undefined : ['mqtt', brokerText(card.broker)],
    card.peers.length === 0 ? undefined : ['peers', el('ul', { class: 'carp-plain' }, ...card.peers.map(peerElement))],
  ];
  return el(
    'dl',
    { class: 'carp-facts' },
    ...rows.flatMap((row) => (row === undefined ? [] : [el('dt', {}, t(`fact.${row[0]}`)), el('dd', {}, row[1])])),
  );
};

const masterText = ({ master }: Card): string => {
  if (master === undefined) return t('none.master');
  return master.self ? t('value.self', { address: master.address }) : master.address;
};

const brokerText = ({ url, connected }: NonNullable<Card['broker']>): string =>
  connected ? url : t('value.unconnected', { url });

const peerElement = ({ address, state, heardMs }: Peer): HTMLElement =>
  el(
    'li',
    {},
    `${address} · ${t(`peer.${state}`)}`,
    heardMs === undefined ? undefined : ` · ${t('value.heard', { seconds: (heardMs / 1000).toFixed(1) })}`,
  );

const ledgerElement = (card: Card, actions: CardActions): HTMLElement | undefined =>
  card.ledger.length === 0
    ? undefined
    : el(
        'div',
        { class: 'carp-ledger' },
        el('h4', {}, t('title.ledger', { sum: card.demotion })),
        el('ul', { class: 'carp-plain' }, ...card.ledger.map((line) => ledgerLine(card, line, actions))),
      );

const ledgerLine = (card: Card, line: LedgerLine, actions: CardActions): HTMLElement =>
  el(
    'li',
    {},
    el('b', {}, String(line.weight)),
    ` ${line.reason} · `,
    el('time', { datetime: line.since }, t('value.from', { time: timeText(line.since) })),
    line.until === undefined ? undefined : ` · ${t('value.until', { time: timeText(line.until) })}`,
    line.restorable &&
      actions.mayWrite &&
      button({
        text: t('button.restore'),
        key: `${card.id}:restore:${line.reason}`,
        label: t('label.restore', { reason: line.reason, group: card.label }),
        click: () => actions.restore(card, line.reason),
      }),
  );

const timelineElement = ({ timeline }: Card): HTMLElement | undefined =>
  timeline.length === 0
    ? undefined
    : el(
        'div',
        { class: 'carp-history' },
        el('h4', {}, t('title.timeline')),
        el('ol', { class: 'carp-timeline' }, ...timeline.map(transitionElement)),
      );

const transitionElement = (event: CarpEvent): HTMLElement =>
  el(
    'li',
    { class: `carp-went-${event.role}`, title: event.detail },
    el('time', { datetime: event.at }, timeText(event.at)),
    el('b', {}, event.role),
    el('span', { class: 'carp-reason' }, reasonText(event.reason)),
  );

/** A service of a later version may have reasons that have no text yet. */
const reasonText = (reason: string): string => {
  const key = `reason.${reason}`;
  const text = t(key);
  return text.endsWith(key) ? reason : text;
};

const countersElement = (id: string, counters: Counters, { open }: CardActions): HTMLElement =>
  fold(
    `${id}:counters`,
    t('title.counters'),
    open,
    el(
      'dl',
      { class: 'carp-counters' },
      ...Object.entries(counters).flatMap(([name, count]) => [
        el('dt', { title: t(`counter.${name}`) }, name),
        el('dd', {}, String(count)),
      ]),
    ),
  );

const fold = (key: string, title: string, open: Set<string>, content: Node): HTMLElement => {
  const details = el('details', { open: open.has(key) }, el('summary', { 'data-key': key }, title), content);
  details.addEventListener('toggle', () => (details.open ? open.add(key) : open.delete(key)));
  return details;
};

const warningElement = (warning: Warning, key: string, { copy }: CardActions): HTMLElement => {
  const { title, detail, remedy } = wordsOf(warning);
  const grave = !HARMLESS.includes(warning.type);
  return el(
    'div',
    { class: `carp-warning ${grave ? 'carp-grave' : ''}`, role: 'note', 'data-warning': warning.type },
    el('b', {}, icon(grave ? 'exclamation-triangle' : 'info-circle'), ` ${title}`),
    detail === undefined ? undefined : el('p', {}, detail),
    remedy === undefined
      ? undefined
      : el(
          'p',
          { class: 'carp-remedy' },
          el('code', {}, remedy),
          button({
            text: '',
            icon: 'clipboard',
            key: `copy:${key}`,
            label: t('label.copy'),
            title: t('label.copy'),
            click: (at) => copy(commandIn(remedy), at),
          }),
        ),
  );
};

/** The addresses are where they should be. */
const HARMLESS: readonly Warning['type'][] = ['hint', 'silent', 'mqtt'];

/** Who copies a remedy wants to run the command in it, if there is one between backquotes. */
const commandIn = (remedy: string): string => /`([^`]+)`/.exec(remedy)?.[1] ?? remedy;

const buttonsOf = (card: Card, { handOver, switchMode, reveal, mayWrite }: CardActions): HTMLElement => {
  const answers = card.runs !== 'refused' && card.role !== undefined && card.role !== 'STOPPED';
  const usable = mayWrite && answers;
  const why = mayWrite ? undefined : t('label.read-only');
  return el(
    'div',
    { class: 'carp-buttons', role: 'group', 'aria-label': t('label.actions', { group: card.label }) },
    button({
      text: t('button.hand-over'),
      icon: 'exchange',
      key: `${card.id}:hand-over`,
      title: why ?? (card.role === 'MASTER' ? t('label.hand-over') : t('label.not-master')),
      disabled: !usable || card.role !== 'MASTER',
      click: () => handOver(card),
    }),
    button({
      text: t(card.inMaintenance ? 'button.maintenance-off' : 'button.maintenance-on'),
      icon: 'wrench',
      key: `${card.id}:maintenance`,
      title: why ?? t(card.inMaintenance ? 'label.maintenance-off' : 'label.maintenance-on'),
      disabled: !usable,
      click: () => switchMode(card, 'maintenance', !card.inMaintenance),
    }),
    button({
      text: t(card.observes ? 'button.observe-off' : 'button.observe-on'),
      icon: 'eye',
      key: `${card.id}:observe`,
      title: why ?? t(card.observes ? 'label.observe-off' : 'label.observe-on'),
      disabled: !usable,
      click: () => switchMode(card, 'observe', !card.observes),
    }),
    button({
      text: t('button.reveal'),
      icon: 'search',
      key: `${card.id}:reveal`,
      title: t('label.reveal'),
      click: () => reveal(card),
    }),
  );
};

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

const timeText = (iso: string): string => {
  const then = new Date(iso);
  const time = then.toLocaleTimeString();
  return then.toDateString() === new Date().toDateString() ? time : `${then.toLocaleDateString()} ${time}`;
};

/** Writes into all running clocks of this element how long it is. @param nowMs - by the clock of the host */
export const tick = (content: HTMLElement, nowMs: number): void => {
  for (const clock of content.querySelectorAll('time[data-since]')) {
    const { days, clock: text } = clockOf(nowMs - Date.parse(clock.getAttribute('data-since') ?? ''));
    clock.textContent = days === 0 ? text : t('value.days', { days, clock: text });
  }
};

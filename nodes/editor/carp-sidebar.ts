/**
 * The sidebar "CARP": one card for each group of this Node-RED.
 *
 * What comes over comms is only that something changed: it goes to everybody who is connected. The cards themselves are
 * asked for, with the permission of whoever asks.
 */
import { CHANGED_TOPIC, type SidebarStatus } from '../admin-api.ts';
import { button, el } from './dom.ts';
import { type Answer, ask } from './requests.ts';
import { type CardActions, cardElement, t, tick } from './sidebar-card.ts';
import { createCommands } from './sidebar-commands.ts';
import { type Card, cardsOf } from './sidebar-model.ts';

/** Counters, and when the MASTER was last heard, change without a word. */
const POLL_MS = 5000;
const TICK_MS = 1000;
const EXAMPLE = 'library/examples/flows/@carp-ha/node-red-carp/first-failover';

const createSidebar = () => {
  const list = el('div', { class: 'carp-cards' });
  /** What screen readers say: changes of role, and nothing else. */
  const news = el('div', { class: 'carp-unseen', role: 'status', 'aria-live': 'polite' });
  const trouble = el('div', { class: 'carp-trouble', role: 'alert', hidden: true });
  const content = el(
    'div',
    { class: 'carp-sidebar', role: 'region', 'aria-label': t('label.sidebar') },
    news,
    trouble,
    list,
  );
  const open = new Set<string>();
  const roles = new Map<string, string>();
  let asking = false;
  /** Something changed that has not been asked for. */
  let stale = true;
  let askedAt = Number.NEGATIVE_INFINITY;
  let shown = '';
  /** The clock of the host less that of the browser, in ms. */
  let ahead = 0;

  const isVisible = (): boolean => content.offsetParent !== null && !document.hidden;

  const refresh = async (): Promise<void> => {
    if (asking) return;
    asking = true;
    stale = false;
    askedAt = performance.now();
    const answer = await ask<SidebarStatus>('carp/status');
    asking = false;
    show(answer);
    if (stale && isVisible()) void refresh();
  };

  const show = (answer: Answer<SidebarStatus>): void => {
    trouble.hidden = answer.ok;
    list.classList.toggle('carp-old', !answer.ok);
    if (!answer.ok) {
      const forbidden = answer.status === 401 || answer.status === 403;
      trouble.textContent = t(forbidden ? 'trouble.forbidden' : 'trouble.silent');
      return;
    }
    ahead = Date.parse(answer.body.at) - Date.now();
    const cards = cardsOf(answer.body.groups);
    announce(cards);
    const drawn = JSON.stringify([cards, mayWrite()]);
    // Somebody who is marking a text to copy it must not lose it to a counter.
    if (drawn === shown || isMarking(content)) return;
    shown = drawn;
    draw(cards);
  };

  const draw = (cards: readonly Card[]): void => {
    const key = document.activeElement?.getAttribute('data-key');
    const actions: CardActions = { ...commands, mayWrite: mayWrite(), open };
    list.replaceChildren(...(cards.length === 0 ? [emptyElement()] : cards.map((card) => cardElement(card, actions))));
    tick(list, Date.now() + ahead);
    if (key !== null && key !== undefined)
      list.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  };

  const announce = (cards: readonly Card[]): void => {
    const changed = cards.filter(({ id, role }) => role !== undefined && roles.get(id) !== role);
    const words = changed
      .filter(({ id }) => roles.has(id))
      .map(({ group, node, role = '' }) => t('news.role', { group, node, role }));
    for (const { id, role = '' } of changed) roles.set(id, role);
    if (words.length > 0) news.textContent = words.join('. ');
  };

  const changed = (): void => {
    stale = true;
    if (isVisible()) void refresh();
  };

  const commands = createCommands(changed);

  RED.comms.subscribe(CHANGED_TOPIC, changed);
  document.addEventListener('visibilitychange', () => {
    if (isVisible()) void refresh();
  });
  window.setInterval(() => {
    if (!isVisible()) return;
    if (stale || performance.now() - askedAt >= POLL_MS) void refresh();
    tick(list, Date.now() + ahead);
  }, TICK_MS);
  return { content, refresh };
};

const mayWrite = (): boolean => RED.user.hasPermission?.('carp.write') ?? true;

const isMarking = (content: HTMLElement): boolean => {
  const marked = document.getSelection();
  return marked !== null && !marked.isCollapsed && content.contains(marked.anchorNode);
};

const emptyElement = (): HTMLElement =>
  el(
    'div',
    { class: 'carp-empty' },
    el('i', { class: 'carp-empty-icon fa fa-exchange', 'aria-hidden': 'true' }),
    el('h3', {}, t('empty.title')),
    el('p', {}, t('empty.text')),
    button({ text: t('empty.button'), icon: 'download', key: 'import', click: () => void importExample() }),
    el('p', { class: 'carp-small' }, t('empty.hint')),
  );

/** With new ids, so that it can be imported twice. */
const importExample = async (): Promise<void> => {
  const answer = await ask<readonly object[]>(EXAMPLE);
  // Somebody may have taken the examples away; the menu shows those that there are.
  if (!answer.ok) return RED.actions.invoke('core:show-examples-import-dialog');
  RED.view.importNodes(answer.body, { addFlow: false, generateIds: true });
  // It brings a tab of its own, which the editor does not always show.
  const tab = RED.nodes.getWorkspaceOrder().at(-1);
  if (tab !== undefined) RED.workspaces.show(tab);
  RED.notify(t('empty.imported'), { type: 'success', timeout: 8000 });
};

RED.plugins.registerPlugin('carp-sidebar', {
  type: 'carp-sidebar',
  onadd: () => {
    const { content, refresh } = createSidebar();
    RED.actions.add('carp:show', () => RED.sidebar.show('carp'), { label: t('label.show') });
    RED.sidebar.addTab({
      id: 'carp',
      label: 'CARP',
      name: 'CARP',
      content,
      iconClass: 'fa fa-exchange',
      action: 'carp:show',
      enableOnEdit: true,
      // Node-RED 5: the right one, where 4.1 has its only one.
      target: 'primary',
      onchange: () => void refresh(),
    });
  },
});

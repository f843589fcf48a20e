/** When roles change below the nodes of a tab and on the cards of the sidebar, by the clock of the page. */
import type { Editor } from './browser-editor.ts';

export interface Change {
  /** The host of the group. */
  readonly node: string;
  readonly where: 'status' | 'sidebar';
  readonly role: string;
  /** ms */
  readonly at: number;
}

/**
 * Looks whenever the page changes, until it is loaded again. It begins with what is to be seen then, which is no change.
 * Role nodes are known by the label of their group, `group · host`.
 */
export const recordChanges = async ({ page }: Editor): Promise<void> => {
  await page.evaluate(`{
    const seen = new Map();
    window.carpChanges = [];
    const note = (where, node, role, isFirst) => {
      const key = where + ' ' + node;
      if (role === '' || seen.get(key) === role) return;
      seen.set(key, role);
      if (!isFirst) window.carpChanges.push({ node, where, role, at: performance.now() });
    };
    const look = (isFirst) => {
      for (const node of document.querySelectorAll('.red-ui-flow-node-group')) {
        const status = node.querySelector('.red-ui-flow-node-status-label')?.textContent ?? '';
        const role = /^(MASTER|BACKUP|INIT)/.exec(status)?.[1] ?? '';
        const host = / · (\\S+)$/.exec(node.querySelector('.red-ui-flow-node-label')?.textContent ?? '')?.[1];
        if (host !== undefined) note('status', host, role, isFirst);
      }
      for (const card of document.querySelectorAll('.carp-card'))
        note('sidebar', card.dataset.node, card.querySelector('.carp-chip')?.textContent.trim() ?? '', isFirst);
    };
    look(true);
    new MutationObserver(() => look(false)).observe(document.body, { subtree: true, childList: true, characterData: true });
  }`);
};

export const seenChanges = ({ page }: Editor): Promise<readonly Change[]> =>
  page.evaluate<readonly Change[]>('window.carpChanges');

/**
 * From each role below a node to the same role on its card, in ms; 0 where the card was first. Roles that only one of
 * them has shown, because the next came too soon, are left out.
 */
export const delaysOf = (changes: readonly Change[]): readonly number[] =>
  changes.flatMap((status, i) => {
    if (status.where !== 'status') return [];
    const isSame = (change: Change) =>
      change.where === 'sidebar' && change.node === status.node && change.role === status.role;
    const isEarlier = (a: Change, b: Change) => Math.abs(a.at - status.at) - Math.abs(b.at - status.at);
    const card = changes.filter(isSame).sort(isEarlier)[0];
    return card === undefined ? [] : [Math.max(0, card.at - (changes[i]?.at ?? 0))];
  });

/** What the forms of the nodes have in common. */
import type { Check, Flaw } from './checks.ts';
import type { Texts } from './texts.ts';

/** The editor shows what `validate` returns if it is text. */
export const verdict = (flaw: Flaw | undefined, t: Texts): true | string =>
  flaw === undefined ? true : t(flaw.key, flaw.values);

/** `validate` of one property. A node that is older than the setting has none, which is no mistake of anybody's. */
export const validator =
  (check: Check, t: Texts): Validate =>
  (value, _options) =>
    value === undefined ? true : verdict(check(value), t);

export interface ListOptions {
  readonly values: readonly string[];
  readonly placeholder: string;
  /** What a screen reader calls each line. */
  readonly label: string;
  readonly check: Check;
  readonly t: Texts;
}

/** A list of lines that are checked while they are typed. */
export const fillList = (list: JQuery, { values, placeholder, label, check, t }: ListOptions): void => {
  list.editableList<{ readonly value?: string }>({
    addButton: true,
    sortable: true,
    removable: true,
    height: 'auto',
    addItem: (row, _index, item) => {
      const input = $('<input type="text" class="carp-line">')
        .attr({ placeholder, 'aria-label': label })
        .val(item.value ?? '')
        .appendTo(row);
      const look = (): void => {
        const answer = verdict(check(input.val()), t);
        input.toggleClass('input-error', answer !== true).attr('title', answer === true ? '' : answer);
      };
      input.on('input change', look);
      look();
      if (item.value === undefined) window.setTimeout(() => input.trigger('focus'), 0);
    },
  });
  for (const value of values) list.editableList('addItem', { value });
};

/** What stands in the lines of a list. */
export const linesOf = (list: JQuery): readonly string[] =>
  list
    .editableList('items')
    .get()
    .map((row) => String($(row).find('input.carp-line').val() ?? '').trim())
    .filter((line) => line !== '');

/** Shows the parts of a form that have the present word in this attribute, and hides those that do not. */
export const showFor = (form: JQuery, attribute: string, word: string): void => {
  form.find(`[${attribute}]`).each((_i, part) => {
    const words = (part.getAttribute(attribute) ?? '').split(' ');
    part.style.display = words.includes(word) ? '' : 'none';
  });
};

/** Calls at once and whenever the field changes. */
export const follow = (field: JQuery, react: (value: string) => void): void => {
  const look = (): void => react(String(field.val() ?? ''));
  field.on('change', look);
  look();
};

/** The label of a node that says which group it is about. */
export const labelOf = (group: string): string | undefined => RED.nodes.node(group)?.label?.();

/** Fills in what a new node would have where this one, which is older than the setting, has nothing. */
export const fillMissing = (node: EditorNode, kind: 'node' | 'node-config'): void => {
  const stored = node as EditorNode & Readonly<Record<string, unknown>>;
  // A list of configuration nodes has its own word for none.
  for (const [name, { value, type }] of Object.entries(node._def?.defaults ?? {}))
    if (stored[name] === undefined && typeof value === 'string' && type === undefined)
      $(`#${kind}-input-${name}`).val(value);
};

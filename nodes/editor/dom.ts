type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;
type Child = Node | string | undefined | false;

/**
 * An element. Text becomes text nodes and never markup: names and addresses come from other hosts of the network.
 * An attribute that is undefined or false is left out.
 */
export const el = <Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  element.append(...children.filter((child): child is Node | string => child !== undefined && child !== false));
  return element;
};

export const icon = (name: string): HTMLElement => el('i', { class: `fa fa-${name}`, 'aria-hidden': 'true' });

export interface ButtonOptions {
  readonly text: string;
  readonly icon?: string;
  /** Tells the same button again after it was drawn anew, so that it keeps the focus. */
  readonly key: string;
  readonly label?: string;
  readonly title?: string;
  readonly disabled?: boolean;
  readonly click: (button: HTMLButtonElement) => void;
}

export const button = ({
  text,
  icon: name,
  key,
  label,
  title,
  disabled = false,
  click,
}: ButtonOptions): HTMLElement => {
  const element = el(
    'button',
    {
      type: 'button',
      class: 'red-ui-button red-ui-button-small',
      'data-key': key,
      'aria-label': label,
      title,
      disabled,
    },
    name === undefined ? undefined : icon(name),
    name === undefined ? text : ` ${text}`,
  );
  element.addEventListener('click', () => click(element));
  return element;
};

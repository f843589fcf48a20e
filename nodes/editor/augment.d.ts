/** What the types of the editor's API leave out, or have otherwise than Node-RED 4.1 and 5 do. */
import type { EditorRED } from 'node-red';

declare global {
  type Values = Readonly<Record<string, string | number>>;

  /** A node as the editor keeps it. */
  interface EditorNode {
    readonly id: string;
    readonly type: string;
    readonly z?: string;
    /** Disabled. */
    readonly d?: boolean;
    /** Of a configuration node: the nodes that have chosen it. */
    readonly users?: readonly EditorNode[];
    readonly label?: () => string;
    readonly name?: string;
    readonly _def?: {
      readonly defaults: Readonly<Record<string, { readonly value: unknown; readonly type?: string }>>;
    };
  }

  /**
   * The text that it returns is taken for a reason only if it has two parameters: by their number Node-RED tells it
   * from those of old, whose every text meant "valid".
   */
  type Validate = (this: EditorNode, value: unknown, options: unknown) => true | string;

  interface EditorDefault<Value> {
    readonly value: Value | '';
    readonly required?: boolean;
    readonly type?: string;
    readonly validate?: Validate;
  }

  interface EditorDefinition<Settings, Credentials> {
    readonly category: string;
    readonly categoryDescription?: string;
    readonly color: string;
    readonly icon: string;
    readonly defaults: { readonly [Name in keyof Settings]: EditorDefault<Settings[Name]> };
    readonly credentials?: {
      readonly [Name in keyof Credentials]: {
        readonly type: 'text' | 'password';
        readonly validate?: Validate;
      };
    };
    readonly hasUsers?: boolean;
    readonly inputs?: number;
    readonly outputs?: number;
    readonly inputLabels?: (this: EditorNode & Settings) => string;
    readonly outputLabels?: (this: EditorNode & Settings, index: number) => string | undefined;
    readonly paletteLabel?: (this: EditorNode & Settings) => string;
    readonly label?: (this: EditorNode & Settings) => string;
    readonly labelStyle?: (this: EditorNode & Settings) => string;
    readonly oneditprepare?: (this: EditorNode & Settings) => void;
    readonly oneditsave?: (this: EditorNode & Writable<Settings>) => void;
  }

  type Writable<Settings> = { -readonly [Name in keyof Settings]: Settings[Name] };

  interface EditorNotification {
    readonly close: () => void;
  }

  interface CarpRED {
    readonly nodes: {
      readonly registerType: <Settings, Credentials = object>(
        type: string,
        definition: EditorDefinition<Settings, Credentials>,
      ) => void;
      readonly node: (id: string) => EditorNode | null;
      readonly getWorkspaceOrder: () => readonly string[];
      readonly eachConfig: (each: (node: EditorNode) => boolean | undefined) => void;
    };
    readonly _: (key: string, values?: Values) => string;
    readonly actions: {
      readonly add: (name: string, handler: () => void, options?: { readonly label?: string }) => void;
      readonly invoke: (name: string, ...args: readonly unknown[]) => void;
    };
    readonly comms: Pick<EditorRED['comms'], 'subscribe' | 'unsubscribe'>;
    readonly events: { readonly on: (name: string, handler: (event: unknown) => void) => void };
    readonly plugins: {
      readonly registerPlugin: (id: string, plugin: { readonly type: string; readonly onadd: () => void }) => void;
    };
    readonly sidebar: {
      readonly addTab: (tab: {
        readonly id: string;
        readonly label: string;
        readonly name: string;
        readonly content: HTMLElement;
        readonly toolbar?: HTMLElement;
        readonly iconClass: string;
        readonly action: string;
        readonly enableOnEdit: boolean;
        readonly onchange?: () => void;
        /** Node-RED 5: which of its sidebars. */
        readonly target?: 'primary' | 'secondary';
      }) => void;
      readonly show: (id: string) => void;
    };
    readonly view: {
      readonly importNodes: (
        nodes: unknown,
        options: { readonly addFlow: boolean; readonly generateIds: boolean },
      ) => void;
      readonly reveal: (id: string) => void;
    };
    readonly workspaces: { readonly show: (id: string) => void };
    readonly search: { readonly show: (words: string) => void };
    readonly editor: {
      readonly edit: (node: EditorNode) => void;
      readonly editConfig: (...args: readonly unknown[]) => void;
    };
    readonly clipboard: { readonly copyText: (value: string, element: JQuery, message: string) => boolean };
    readonly user: { readonly hasPermission?: (permission: string) => boolean };
    readonly notify: (
      content: string | HTMLElement | JQuery,
      options: {
        readonly type?: 'success' | 'warning' | 'error' | 'compact';
        readonly modal?: boolean;
        readonly fixed?: boolean;
        readonly timeout?: number;
        readonly buttons?: readonly {
          readonly text: string;
          readonly class?: string;
          readonly click: () => void;
        }[];
      },
    ) => EditorNotification;
  }

  const RED: CarpRED;

  interface JQuery {
    autoComplete(options: {
      readonly minLength: number;
      readonly search: (typed: string) => readonly { readonly value: string; readonly label: string | JQuery }[];
    }): this;
  }
}

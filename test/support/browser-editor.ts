/** The editor of a Node-RED in a browser, and what users do with it: by its menus and buttons where users would. */
import type { Browser, Locator, Page } from 'playwright-core';
import { keepPicture, openPage, type PageOptions, WITHIN_MS } from './browser.ts';
import type { LocalNodeRed } from './local-node-red.ts';
import { PACKAGE } from './packed.ts';
import { until } from './wait.ts';

/** What is used of the editor's API; functions that are given to the page see it as a global. */
declare const RED: {
  readonly settings: { readonly version: string; readonly setLocal: (key: string, value: string) => void };
  readonly nodes: {
    readonly getType: (type: string) => unknown;
    readonly getNodeHelp: (type: string) => string;
    readonly node: (id: string) => EditorNode | null;
    readonly eachNode: (see: (node: EditorNode) => boolean) => void;
    readonly eachConfig: (see: (node: EditorNode) => boolean) => void;
    readonly eachWorkspace: (see: (tab: EditorTab) => boolean) => void;
  };
  readonly workspaces: { readonly show: (id: string) => void; readonly active: () => string };
  readonly editor: {
    readonly edit: (node: EditorNode) => void;
    readonly editConfig: (property: string, type: string, id: string) => void;
  };
  readonly actions: {
    readonly invoke: (name: string) => void;
    readonly list: () => readonly { readonly id: string }[];
  };
};

interface EditorTab {
  readonly id: string;
  readonly label: string;
}

export interface EditorNode {
  readonly id: string;
  readonly type: string;
  readonly z?: string;
  readonly name?: string;
  readonly group?: string;
  readonly host?: string;
  readonly valid?: boolean;
  readonly validationErrors?: readonly string[];
}

export interface EditorOptions extends PageOptions {
  /** Default: en-US. */
  readonly language?: string;
}

const OK = '#red-ui-clipboard-dialog-ok';
const EXAMPLES = '#red-ui-clipboard-dialog-import-tab-examples';

export class Editor {
  readonly page: Page;
  readonly faults: readonly string[];

  private constructor(page: Page, faults: readonly string[]) {
    this.page = page;
    this.faults = faults;
  }

  /** Resolves when everything is loaded. */
  static async open(browser: Browser, nodeRed: LocalNodeRed, options: EditorOptions = {}): Promise<Editor> {
    const storage = { 'editor-language': options.language ?? 'en-US', ...options.storage };
    const { page, faults } = await openPage(browser, { ...options, storage });
    const editor = new Editor(page, faults);
    await page.goto(nodeRed.url);
    await editor.#ready();
    return editor;
  }

  async #ready(): Promise<void> {
    const { page } = this;
    await page.locator('#red-ui-header-button-deploy').waitFor();
    await page.waitForFunction(() => typeof RED === 'object' && Boolean(RED.nodes.getType('carp-role')));
    // The plugins come after the nodes, and the flows after both.
    await page.waitForFunction(() => RED.actions.list().some(({ id }) => id === 'carp:show'));
    await page.locator('#red-ui-loading-progress').waitFor({ state: 'hidden' });
  }

  async reload(): Promise<void> {
    await this.page.reload();
    await this.#ready();
  }

  /** Switches to the dark theme. @param style - in its place, for versions of Node-RED that have none */
  async darken(style: string): Promise<void> {
    if ((await this.major()) < 5) {
      await this.page.addStyleTag({ content: style });
      return;
    }
    await this.page.evaluate(() => RED.settings.setLocal('view-dark-theme', 'dark'));
    await this.reload();
    await this.page.locator('html.nr-theme-dark').waitFor();
  }

  /** Of Node-RED. */
  async major(): Promise<number> {
    return Number.parseInt(await this.page.evaluate(() => RED.settings.version), 10);
  }

  /** Imports an example from the menu, and shows its tab. @param name - of its file, without `.json` */
  async importExample(name: string): Promise<void> {
    const { page } = this;
    await page.locator('#red-ui-header-button-sidemenu').click();
    await page.locator('#menu-item-import').click();
    await page.locator(OK).waitFor();
    await page.locator(`#red-ui-clipboard-dialog-import-tabs a[href="${EXAMPLES}"]`).click();
    const entries = page.locator(`${EXAMPLES} .red-ui-treeList-label`);
    await entries.getByText(PACKAGE, { exact: true }).click();
    await entries.getByText(name, { exact: true }).click();
    await page.locator(`${OK}:not([disabled])`).click();
    await page.locator(OK).waitFor({ state: 'hidden' });
  }

  /** Presses Deploy, and waits until the flows have started. */
  async deploy(): Promise<void> {
    const { page } = this;
    const answered = page.waitForResponse((response) => {
      const { pathname } = new URL(response.url());
      return pathname === '/flows' && response.request().method() === 'POST';
    });
    // An old notice would be taken for the new one.
    await page.locator('#red-ui-header-button-deploy:not(.disabled)').click();
    const answer = await answered;
    if (!answer.ok()) throw new Error(`deploy: ${answer.status()} ${await answer.text()}`);
    await page.locator('#red-ui-header-button-deploy.disabled').waitFor();
  }

  /** Only the nodes of the tab that is shown are in the page. Waits for the tab, which an import may still bring. */
  async showTab(label: string): Promise<void> {
    await this.page.waitForFunction((wanted) => {
      let isShown = false;
      RED.nodes.eachWorkspace((tab) => {
        if (tab.label !== wanted) return true;
        RED.workspaces.show(tab.id);
        isShown = RED.workspaces.active() === tab.id;
        return false;
      });
      return isShown;
    }, label);
  }

  tabs(): Promise<readonly EditorTab[]> {
    return this.page.evaluate(() => {
      const all: EditorTab[] = [];
      RED.nodes.eachWorkspace(({ id, label }) => all.push({ id, label }) > 0);
      return all;
    });
  }

  /** All nodes and configuration nodes, as far as they are looked at. */
  nodes(): Promise<readonly EditorNode[]> {
    return this.page.evaluate(() => {
      const all: EditorNode[] = [];
      const see = ({ id, type, z, name, group, host, valid, validationErrors }: EditorNode): boolean =>
        all.push(
          JSON.parse(JSON.stringify({ id, type, z, name, group, host, valid, validationErrors })) as EditorNode,
        ) > 0;
      RED.nodes.eachNode(see);
      RED.nodes.eachConfig(see);
      return all;
    });
  }

  /** The node of a tab with this name, or, of those without a name, the one whose group has this host. */
  async idOf(tabLabel: string, type: string, name: string): Promise<string> {
    const tab = (await this.tabs()).find(({ label }) => label === tabLabel);
    const all = await this.nodes();
    const called = (node: EditorNode) => node.name || all.find(({ id }) => id === node.group)?.host || '';
    const found = all.find((node) => node.z === tab?.id && node.type === type && called(node) === name);
    if (found === undefined) throw new Error(`there is no ${type} "${name}" on the tab "${tabLabel}"`);
    return found.id;
  }

  /** A node of the tab that is shown. */
  nodeAt(id: string): Locator {
    // Ids of Node-RED may begin with a digit, which `#` does not take.
    return this.page.locator(`[id="${id}"]`);
  }

  /** What is written below a node of the tab that is shown; empty if nothing is. */
  async status(id: string): Promise<string> {
    return (await this.nodeAt(id).locator('.red-ui-flow-node-status-label').textContent()) ?? '';
  }

  /** Waits until a node of the tab that is shown has this status. */
  async untilStatus(id: string, wanted: string | RegExp, withinMs: number): Promise<string> {
    let seen = '';
    return until(
      `the status ${wanted}`,
      withinMs,
      async () => {
        seen = await this.status(id);
        return (typeof wanted === 'string' ? seen === wanted : wanted.test(seen)) && seen;
      },
      () => `It is "${seen}".`,
    );
  }

  /** Presses the button of an inject node of the tab that is shown. */
  async press(id: string): Promise<void> {
    await this.nodeAt(id).locator('.red-ui-flow-node-button-button').click();
  }

  /** Opens the sidebar CARP, by its action, and returns its content. */
  async sidebar(): Promise<Locator> {
    await this.page.evaluate(() => RED.actions.invoke('carp:show'));
    const content = this.page.locator('.carp-sidebar');
    await content.waitFor();
    return content;
  }

  /** Opens the dialog of a node. */
  async edit({ id, type }: EditorNode): Promise<Locator> {
    await this.page.evaluate(
      ([node, kind]) => {
        const found = RED.nodes.node(node);
        if (found === null) throw new Error(`there is no node ${node}`);
        const isConfig = (RED.nodes.getType(kind) as { readonly category: string }).category === 'config';
        if (isConfig) RED.editor.editConfig('', kind, node);
        else RED.editor.edit(found);
      },
      [id, type] as const,
    );
    // Description and appearance have forms of their own.
    const form = this.page.locator('#dialog-form, #node-config-dialog-edit-form').last();
    await form.waitFor();
    return form;
  }

  /** Closes the topmost dialog without changes. */
  cancel(): Promise<void> {
    return this.#close('#node-dialog-cancel, #node-config-dialog-cancel');
  }

  /** Closes the topmost dialog with its changes. */
  confirm(): Promise<void> {
    return this.#close('#node-dialog-ok, #node-config-dialog-ok');
  }

  async #close(button: string): Promise<void> {
    const trays = this.page.locator('.red-ui-tray');
    const before = await trays.count();
    await trays.last().locator(button).click();
    await until('the dialog to close', WITHIN_MS, async () => (await trays.count()) < before);
  }

  /** The help of a node type, as HTML. */
  help(type: string): Promise<string> {
    return this.page.evaluate((name) => RED.nodes.getNodeHelp(name), type);
  }

  /** Keeps a picture of the whole window in dist/test-output. */
  async keepPicture(name: string): Promise<string> {
    return keepPicture(this.page, `node-red-${await this.major()}-${name}`);
  }
}

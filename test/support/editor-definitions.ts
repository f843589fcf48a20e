/** What the editor learns of node types: the calls of `RED.nodes.registerType` in an HTML file, run without a browser. */
import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';

export interface PropertyDefinition {
  readonly value: unknown;
  /** The type of the configuration node that this is the id of. */
  readonly type?: string;
  readonly required?: boolean;
  /** `true`, or what is wrong. Called with the node as `this`. */
  readonly validate?: (this: object, value: unknown, options: object) => unknown;
}

export interface NodeDefinition {
  readonly category: string;
  readonly color: string;
  readonly icon: string | ((this: object) => string);
  readonly inputs?: number;
  readonly outputs?: number;
  readonly defaults: Readonly<Record<string, PropertyDefinition>>;
  readonly credentials?: Readonly<Record<string, unknown>>;
}

const SCRIPT = /<script[^>]*type=["']text\/javascript["'][^>]*>([\s\S]*?)<\/script>/g;

/** Stands for everything of the browser that a definition may touch while it is made. */
const anything: unknown = new Proxy(() => anything, {
  get: (_target, key) => (typeof key === 'symbol' ? undefined : anything),
  apply: () => anything,
  construct: () => anything as object,
});

/** RED as the editor has it, as far as definitions use its results. */
const editor = (definitions: Map<string, NodeDefinition>): object => {
  const own = {
    nodes: new Proxy(
      { registerType: (type: string, definition: NodeDefinition) => void definitions.set(type, definition) },
      { get: (target, key) => Reflect.get(target, key) ?? anything },
    ),
    validators: {
      number: (blank?: boolean) => (value: unknown) => (value === '' ? blank === true : !Number.isNaN(Number(value))),
      regex: (pattern: RegExp) => (value: unknown) => pattern.test(String(value)),
      typedInput: () => () => true,
    },
    _: (key: string) => key,
  };
  return new Proxy(own, { get: (target, key) => Reflect.get(target, key) ?? anything });
};

/** The node types that an HTML file defines, by name. @throws whatever its scripts throw */
export const definitionsIn = (html: string): ReadonlyMap<string, NodeDefinition> => {
  const definitions = new Map<string, NodeDefinition>();
  const RED = editor(definitions);
  const globals = { RED, $: anything, jQuery: anything, window: anything, document: anything, console };
  for (const [, code = ''] of readFileSync(html, 'utf8').matchAll(SCRIPT)) runInNewContext(code, globals);
  return definitions;
};

/** What the editor would mark with a red triangle, as `property: reason`. `nodes` are all nodes of the flow, by id. */
export const mistakesIn = (
  node: Readonly<Record<string, unknown>>,
  definition: NodeDefinition,
  nodes: ReadonlyMap<string, { readonly type: string }>,
): readonly string[] => {
  const self = { ...node, _def: { ...definition, _: (key: string) => key } };
  return Object.entries(definition.defaults).flatMap(([name, { type, required, validate }]) => {
    const value = node[name];
    if (required === true && (value === undefined || value === '')) return [`${name}: required`];
    if (type !== undefined && value !== '' && nodes.get(String(value))?.type !== type) return [`${name}: no ${type}`];
    const verdict = validate?.call(self, value, { label: name }) ?? true;
    return verdict === true ? [] : [`${name}: ${String(verdict)}`];
  });
};

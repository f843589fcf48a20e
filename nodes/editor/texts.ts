/** The texts of one node type or plugin, from its locale file. */
export const textsOf =
  (type: string) =>
  (key: string, values?: Values): string =>
    RED._(`@carp-ha/node-red-carp/${type}:${type}.${key}`, values);

export type Texts = ReturnType<typeof textsOf>;

/** What the nodes of the palette have in common. */
import { labelOf } from './form.ts';
import { type Texts, textsOf } from './texts.ts';

/** Key of the sentence that Node-RED shows beside the category. */
export const CATEGORY_DESCRIPTION = '@carp-ha/node-red-carp/carp-role:carp-role.category';

/** The node's own name, or else that of its group, or else that of its type. */
export const labelled =
  (type: string, word: (t: Texts) => string = (t) => t('paletteLabel')) =>
  (name: string | undefined, group: string): string =>
    name || labelOf(group) || word(textsOf(type));

export const styleOf = (name: string | undefined): string => (name ? 'node_label_italic' : '');

/** What a warning on a card says. */
import type { Warning } from './sidebar-model.ts';
import { textsOf } from './texts.ts';

const t = textsOf('carp-sidebar');

export interface Words {
  readonly title: string;
  readonly detail?: string;
  readonly remedy?: string;
}

/** Titles are texts of the editor; what happened and what to do are the agent's words. */
export const wordsOf = (warning: Warning): Words => {
  switch (warning.type) {
    case 'problem':
      return { title: warning.code, detail: warning.message, ...remedyOf(warning) };
    case 'split-brain':
      return {
        title: t('warning.split-brain'),
        detail: t('warning.split-brain-detail', { others: warning.others.join(', ') }),
      };
    case 'mismatch':
    case 'hint':
      return {
        title: t(`warning.${warning.type}`, { source: warning.source }),
        detail: warning.detail,
        remedy: warning.remedy,
      };
    case 'mqtt':
      return { title: t('warning.mqtt'), detail: warning.detail, ...remedyOf(warning) };
    case 'alarm':
      return { title: t('warning.alarm', { code: warning.code }), detail: warning.detail, ...remedyOf(warning) };
    case 'silent':
      return { title: t('warning.silent') };
  }
};

const remedyOf = ({ remedy }: { readonly remedy?: string }): Pick<Words, 'remedy'> =>
  remedy === undefined ? {} : { remedy };

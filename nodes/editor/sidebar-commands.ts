/** What the buttons of a card do: ask first, then do it, then say how it went. */
import type { HandOverAnswer, HandOverBody, ModeAnswer, ModeBody, RestoreAnswer, RestoreBody } from '../admin-api.ts';
import { el } from './dom.ts';
import { type Answer, change } from './requests.ts';
import { type CardActions, t } from './sidebar-card.ts';
import type { Card } from './sidebar-model.ts';
import { isOfHost, modeReceipt, type SwitchedMode } from './sidebar-receipts.ts';

export type Commands = Omit<CardActions, 'mayWrite' | 'open'>;

/** @param done - called after each command, because something may be different now */
export const createCommands = (done: () => void): Commands => ({
  handOver: (card) => {
    confirm({
      question: t('confirm.hand-over', named(card)),
      yes: t('button.hand-over'),
      act: () => handOver(card, false, done),
    });
  },
  switchMode: (card, mode, on) => {
    const way = `${mode}-${on ? 'on' : 'off'}`;
    confirm({
      question: t(`confirm.${way}`, named(card)),
      yes: t(`button.${way}`),
      act: () => switchMode(card, mode, { id: card.id, on }, done),
    });
  },
  restore: (card, reason) => {
    const body: RestoreBody = { id: card.id, reason };
    void change<RestoreAnswer>('carp/restore', body)
      .then((answer) =>
        isOfHost(answer)
          ? change<RestoreAnswer>('carp/restore', { ...body, scope: 'host' } satisfies RestoreBody)
          : answer,
      )
      .then((answer) => {
        tell(answer, () => t('receipt.restore', { ...named(card), reason }));
        done();
      });
  },
  reveal: ({ id }) => {
    const group = RED.nodes.node(id);
    const [only, ...more] = group?.users ?? [];
    if (only === undefined) return RED.editor.editConfig('', 'carp-group', id);
    if (more.length === 0) return RED.view.reveal(only.id);
    RED.search.show(`uses:${id}`);
  },
  copy: (text, at) => void RED.clipboard.copyText(text, $(at), t('label.copied')),
});

const named = ({ group, node }: Card): Values => ({ group, node });

const handOver = async (card: Card, force: boolean, done: () => void): Promise<void> => {
  const answer = await change<HandOverAnswer>('carp/hand-over', { id: card.id, force } satisfies HandOverBody);
  done();
  const nobody = !answer.ok && answer.problem?.code === 'CARP_NOBODY' && !force;
  if (!nobody)
    return tell(answer, ({ address, afterMs }) =>
      t('receipt.hand-over', { ...named(card), address, ms: Math.round(afterMs) }),
    );
  confirm({
    question: t('confirm.force', named(card)),
    yes: t('button.force'),
    act: () => handOver(card, true, done),
  });
};

const switchMode = async (card: Card, mode: SwitchedMode, body: ModeBody, done: () => void): Promise<void> => {
  const answer = await change<ModeAnswer>(`carp/${mode}`, body);
  done();
  if (!body.on && body.scope !== 'host' && isOfHost(answer))
    return confirm({
      question: t(`confirm.${mode}-host`, named(card)),
      yes: t(`button.${mode}-off`),
      act: () => switchMode(card, mode, { ...body, scope: 'host' }, done),
    });
  tell(answer, (receipt) => {
    const { key, ...values } = modeReceipt({ card, mode, on: body.on, receipt });
    return t(key, { ...named(card), ...values });
  });
};

interface Question {
  readonly question: string;
  readonly yes: string;
  readonly act: () => Promise<void>;
}

const confirm = ({ question, yes, act }: Question): void => {
  const notice = RED.notify(el('p', {}, question), {
    modal: true,
    fixed: true,
    type: 'warning',
    buttons: [
      { text: t('button.cancel'), click: () => notice.close() },
      {
        text: yes,
        class: 'primary',
        click: () => {
          notice.close();
          void act();
        },
      },
    ],
  });
};

/** A receipt, or what went wrong and what to do. */
const tell = <Body>(answer: Answer<Body>, receipt: (body: Body) => string): void => {
  if (answer.ok) return void RED.notify(el('p', {}, receipt(answer.body)), { type: 'success', timeout: 8000 });
  const { problem, status } = answer;
  const [message, remedy] =
    problem === undefined
      ? [t(status === 401 || status === 403 ? 'trouble.forbidden-write' : 'trouble.silent'), undefined]
      : [problem.message, problem.remedy];
  const notice = RED.notify(
    el('div', {}, el('p', {}, message), remedy === undefined ? undefined : el('p', {}, el('code', {}, remedy))),
    { type: 'error', fixed: true, buttons: [{ text: t('button.close'), click: () => notice.close() }] },
  );
};

/** The interfaces of this host, as completions of a text field. */
import type { InterfaceInfo } from '../admin-api.ts';

/** Somebody who may not read them, or a Node-RED that does not answer, gets no completions, and can still type. */
export const completeInterfaces = (field: JQuery): void => {
  let known: readonly InterfaceInfo[] = [];
  $.ajax({ url: 'carp/interfaces', dataType: 'json' }).done(
    (answer: { readonly interfaces: readonly InterfaceInfo[] }) => {
      known = answer.interfaces;
    },
  );
  field.autoComplete({
    minLength: 0,
    search: (typed) =>
      matching(known, typed).map(({ name, addresses }) => ({
        value: name,
        label: $('<div class="carp-completion">').append(
          $('<div>').text(name),
          $('<div class="carp-completion-detail">').text(addresses.join(', ')),
        ),
      })),
  });
};

/** Those whose name or address has these letters; all of them where the name is one of theirs. Pure. */
export const matching = (all: readonly InterfaceInfo[], typed: string): readonly InterfaceInfo[] => {
  const letters = typed.trim().toLowerCase();
  if (all.some(({ name }) => name.toLowerCase() === letters)) return all;
  return all.filter((one) => [one.name, ...one.addresses].some((word) => word.toLowerCase().includes(letters)));
};

/** A draft as YAML, with its remarks as comments at the places where they belong. */
import { Document, isMap, Pair, Scalar, stringify, YAMLMap, YAMLSeq } from 'yaml';
import { boundedRemarks, type Draft, type GroupDraft, type Remark, type Setting, setting } from './draft.ts';

/** Long command lines stay on one line: they are to be compared. */
const STYLE = { lineWidth: 0 } as const;

/** As the text of a comment, which YAML begins with `#` itself. */
const comment = (remarks: readonly Remark[]): string | null =>
  remarks.length === 0
    ? null
    : remarks
        .flatMap((remark) => remark.split('\n'))
        .map((line) => (line === '' ? '' : ` ${line}`))
        .join('\n');

const isList = (value: unknown): value is readonly unknown[] => Array.isArray(value);

const pairOf = (document: Document, { key, value, remarks }: Setting): Pair => {
  const name = new Scalar(key);
  name.commentBefore = comment(remarks);
  const node = document.createNode(value);
  // What is a list of words, or of addresses, is read as one line.
  if (node instanceof YAMLSeq && isList(value) && value.every((each) => typeof each !== 'object')) node.flow = true;
  if (isMap(node)) for (const { value: inner } of node.items) if (inner instanceof YAMLSeq) inner.flow = true;
  if (node instanceof YAMLSeq)
    for (const item of node.items)
      if (isMap(item)) for (const { value: inner } of item.items) if (inner instanceof YAMLSeq) inner.flow = true;
  return new Pair(name, node);
};

const mapOf = (document: Document, all: readonly Setting[]): YAMLMap => {
  const map = new YAMLMap();
  for (const each of all) map.items.push(pairOf(document, each));
  return map;
};

const withName = ({ name, settings }: GroupDraft): readonly Setting[] => [setting('name', name), ...settings];

/** What it would be, as lines of a comment. */
const disabledText = (group: GroupDraft): readonly Remark[] => {
  const document = new Document();
  const text = stringify(mapOf(document, withName(group)), STYLE).trimEnd();
  return [
    ...boundedRemarks(group.remarks),
    `Not a group here: ${group.disabled}`,
    text
      .split('\n')
      .map((line, index) => `${index === 0 ? '- ' : '  '}${line}`)
      .join('\n'),
  ];
};

/** Blank lines keep groups apart. */
const groupsOf = (document: Document, { groups, tail }: Draft): YAMLSeq => {
  const list = new YAMLSeq();
  let waiting: Remark[] = [];
  for (const group of groups) {
    if (group.disabled !== undefined) {
      waiting.push(...disabledText(group), '');
      continue;
    }
    const map = mapOf(document, withName(group));
    map.commentBefore = comment([...waiting, ...boundedRemarks(group.remarks)]);
    map.spaceBefore = list.items.length > 0;
    waiting = [];
    list.items.push(map);
  }
  const rest = [...waiting, ...boundedRemarks(tail)];
  document.comment = comment(rest.at(-1) === '' ? rest.slice(0, -1) : rest);
  return list;
};

export const render = (draft: Draft): string => {
  const document = new Document();
  const top = mapOf(document, draft.host);
  const list = groupsOf(document, draft);
  const groups = new Pair(new Scalar('groups'), list);
  top.items.push(groups);
  document.contents = top;
  // A paragraph each.
  document.commentBefore = comment([boundedRemarks(draft.head).join('\n\n')]);
  return document.toString(STYLE);
};

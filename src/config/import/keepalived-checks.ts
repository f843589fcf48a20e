/** `vrrp_script`, `track_script`, `track_interface` and `track_process` of keepalived.conf(5) as checks of a group. */
import type { Remark } from './draft.ts';
import { commandOf } from './keepalived-hooks.ts';
import { type Line, Numbers, numberOf } from './keepalived-text.ts';
import { type Place, show, showWords } from './source.ts';

/** One entry of `track`, as the configuration file has it. */
export interface Check {
  readonly name: string;
  readonly command: readonly string[];
  readonly every: number;
  readonly rise: number;
  readonly fall: number;
  readonly weight: number;
}

interface Known {
  readonly check: Omit<Check, 'weight'>;
  readonly weight: number;
  readonly remarks: readonly Remark[];
}

export interface Checks {
  readonly scripts: ReadonlyMap<string, Known>;
  readonly processes: ReadonlyMap<string, Known>;
}

export interface Watched {
  readonly track: readonly Check[];
  /** What checks with a positive weight add to the priority while all is well. */
  readonly bonus: number;
  /** Above the list. */
  readonly above: readonly Remark[];
  readonly remarks: readonly Remark[];
}

/** A check without a weight puts an instance into FAULT: it is MASTER no more. That is what this weight does. */
const FAULT_WEIGHT = 240;
const WEIGHT_MAX = 253;

const within = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));

const common = (block: readonly Line[], numbers: Numbers) => {
  const value = (word: string, otherwise: number): number =>
    numbers.of(block, word, `${otherwise} was taken`) ?? otherwise;
  return {
    every: within(value('interval', 1), 0.001, 86_400),
    rise: within(Math.trunc(value('rise', 1)), 1, 1000),
    fall: within(Math.trunc(value('fall', 1)), 1, 1000),
    weight: value('weight', 0),
  };
};

const SCRIPT_WORDS = new Set(['script', 'interval', 'rise', 'fall', 'weight']);
const PROCESS_WORDS = new Set(['process', 'weight']);

/** @param tail - gets what belongs to no instance */
export const readChecks = (
  files: readonly { readonly lines: readonly Line[]; readonly place: Place }[],
  tail: Remark[],
): Checks => {
  const scripts = new Map<string, Known>();
  const processes = new Map<string, Known>();
  for (const { lines, place } of files)
    for (const { line, words, block = [] } of lines) {
      const [kind, name = ''] = words;
      if (kind !== 'vrrp_script' && kind !== 'vrrp_track_process') continue;
      const isScript = kind === 'vrrp_script';
      const known = isScript ? SCRIPT_WORDS : PROCESS_WORDS;
      const what = block.findLast((each) => each.words[0] === (isScript ? 'script' : 'process'));
      const text = what?.words[1];
      if (text === undefined) {
        tail.push(`${place(line)}: ${kind} ${show(name)} has no command`);
        continue;
      }
      const remarks = block
        .filter((each) => !known.has(each.words[0] ?? ''))
        .map((each) => `${place(each.line)}: ${showWords(each.words)}: ${reasonOf(each.words[0] ?? '')}`);
      const numbers = new Numbers(place);
      const { weight, ...times } = common(block, numbers);
      remarks.push(...numbers.remarks);
      const command = isScript ? commandOf(text) : ['pgrep', '-x', text.split('/').at(-1)?.slice(0, 15) ?? text];
      (isScript ? scripts : processes).set(name, {
        check: { name: name.slice(0, 64), command, ...times },
        weight,
        remarks,
      });
    }
  return { scripts, processes };
};

const reasonOf = (word: string): string => {
  if (word === 'timeout') return 'a check is ended when the next one is due (every)';
  if (word === 'user') return 'checks run as the user of the agent';
  if (word === 'init_fail') return 'a check counts as healthy until it has failed as often as fall says';
  return 'no equivalent';
};

/** Every second, as the kernel says it: keepalived hears of it at once. */
const linkCheck = (device: string): Omit<Check, 'weight'> => ({
  name: `link ${device}`.slice(0, 64),
  command: ['grep', '-qx', '1', `/sys/class/net/${device}/carrier`],
  every: 1,
  rise: 1,
  fall: 1,
});

export const watchedBy = (instance: readonly Line[], { scripts, processes }: Checks, place: Place): Watched => {
  const track: Check[] = [];
  const remarks: Remark[] = [];
  const above: Remark[] = [];
  let bonus = 0;
  const kinds: Readonly<Record<string, (name: string) => Known | undefined>> = {
    track_script: (name) => scripts.get(name),
    track_process: (name) => processes.get(name),
    track_interface: (name) =>
      /^[\w.@-]{1,15}$/.test(name) ? { check: linkCheck(name), weight: 0, remarks: [] } : undefined,
  };
  for (const outer of instance) {
    const find = kinds[outer.words[0] ?? ''];
    if (find === undefined) continue;
    for (const { line, words } of outer.block ?? []) {
      const [name = '', ...rest] = words;
      const known = find(name);
      const at = rest.indexOf('weight');
      const told = at === -1 ? known?.weight : numberOf(rest[at + 1]);
      const weight = told ?? 0;
      if (at !== -1 && told === undefined)
        remarks.push(`${place(line)}: ${showWords(words)}: its weight is no plain decimal number; 0 was taken`);
      if (known === undefined) remarks.push(`${place(line)}: ${showWords(words)}: not found in these files`);
      else if (rest.includes('reverse'))
        remarks.push(`${place(line)}: ${showWords(words)}: a check that is good when it fails has no equivalent`);
      else if (!track.some((each) => each.name === known.check.name)) {
        track.push({ ...known.check, weight: weight === 0 ? FAULT_WEIGHT : within(Math.abs(weight), 0, WEIGHT_MAX) });
        remarks.push(...known.remarks);
        if (weight > 0) bonus += weight;
        if (weight === 0)
          above.push(
            `${show(name)} has no weight: keepalived is in FAULT while it fails; ${FAULT_WEIGHT} hands over, too.`,
          );
        if (outer.words[0] === 'track_process')
          above.push(`${show(name)}: pgrep looks for it; keepalived is told by the kernel.`);
      }
    }
  }
  return { track, bonus, above, remarks };
};

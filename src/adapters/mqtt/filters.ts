/** Filters that were asked for lately, level by level: the same few are asked for with each message. */
const known = new Map<string, readonly string[]>();
const KNOWN_MAX = 4096;

const levelsOf = (filter: string): readonly string[] => {
  const before = known.get(filter);
  if (before !== undefined) return before;
  if (known.size >= KNOWN_MAX) known.clear();
  const levels = filter.split('/');
  known.set(filter, levels);
  return levels;
};

/** Whether a topic filter matches a topic (MQTT 5, 4.7): `+` one level, `#` the rest; neither matches `$…` at the start. */
export const matches = (filter: string, topic: string): boolean => matchesLevels(filter, topic.split('/'));

/** @param topic - its levels */
export const matchesLevels = (filter: string, topic: readonly string[]): boolean => {
  if (topic[0]?.startsWith('$') && !filter.startsWith('$')) return false;
  const wanted = levelsOf(filter);
  for (let i = 0; i < wanted.length; i += 1) {
    const level = wanted[i];
    if (level === '#') return true;
    if (i >= topic.length || (level !== '+' && level !== topic[i])) return false;
  }
  return wanted.length === topic.length;
};

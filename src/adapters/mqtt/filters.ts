/** Whether a topic filter matches a topic (MQTT 5, 4.7): `+` one level, `#` the rest; neither matches `$…` at the start. */
export const matches = (filter: string, topic: string): boolean => {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [i, level] of wanted.entries()) {
    if (level === '#') return true;
    if (i >= levels.length || (level !== '+' && level !== levels[i])) return false;
  }
  return wanted.length === levels.length;
};

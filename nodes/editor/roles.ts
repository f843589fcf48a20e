/** The roles in which a gate is open, as a list or as text. Pure. */
export const rolesOf = (value: unknown): readonly string[] => {
  const words = Array.isArray(value) ? value : String(value ?? '').split(/[\s,]+/);
  return words.map(String).filter((word) => word === 'MASTER' || word === 'BACKUP');
};

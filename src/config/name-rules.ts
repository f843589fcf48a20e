import { error, type Finding, type Path, show } from './findings.ts';

const NAME_LENGTH_MAX = 64;
/** `+` and `#` are wildcards of MQTT; control characters and lone surrogates are no text. */
const NOT_IN_TOPICS = /[+#\p{Cc}\p{Cs}]/u;

/** Why a name is no level of an MQTT topic. */
export const nameProblem = (name: string): string | undefined => {
  if (name === '') return 'must not be empty; it is part of MQTT topics and commands';
  if (name.length > NAME_LENGTH_MAX) return `has ${name.length} characters; at most ${NAME_LENGTH_MAX} are allowed`;
  return NOT_IN_TOPICS.test(name) || name.includes('/')
    ? `${show(name)} has a character that MQTT topics cannot have: leave out /, +, # and control characters`
    : undefined;
};

export const nameRules = (name: string | undefined, path: Path): readonly Finding[] => {
  const problem = name === undefined ? undefined : nameProblem(name);
  return problem === undefined ? [] : [error(path, problem)];
};

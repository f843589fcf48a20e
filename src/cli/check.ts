import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import { type Command, Exit, parseOptions, usageError } from './options.ts';
import { note, print, printJson, style, warn } from './output.ts';

const HELP = `Usage: carp check -c FILE [--json]

Checks a configuration file (YAML or JSON) without starting anything, and shows all its mistakes at once.
Exit code 0 if it is valid, also with warnings; 2 if it is not.

  -c, --config FILE  the file
  --json             one object: {"file", "valid", "groups", "errors", "warnings"}`;

export const command: Command = {
  summary: 'check a configuration file, and show all mistakes at once',
  help: HELP,
  run: async (args) => {
    const { values } = parseOptions('check', args, {
      options: { config: { type: 'string', short: 'c' }, json: { type: 'boolean', default: false } },
    });
    const { config: file, json } = values;
    if (file === undefined) throw usageError('check', 'which file? name it with -c FILE');
    const result = loadConfig(file);
    const code = result.ok ? Exit.done : Exit.usage;
    const { warnings } = result;
    if (json) {
      const errors = result.ok ? [] : result.errors;
      const groups = result.ok ? { groups: result.config.groups.length } : {};
      printJson({ file, valid: result.ok, ...groups, errors, warnings });
      return code;
    }
    if (!result.ok)
      for (const error of result.errors) note(`${style('red', 'error:', process.stderr)} ${file}: ${describe(error)}`);
    for (const warning of warnings) warn(`${file}: ${describe(warning)}`);
    if (result.ok) {
      const { length } = result.config.groups;
      print(`${file} is valid: ${length} ${length === 1 ? 'group' : 'groups'}`);
    } else {
      const { length } = result.errors;
      note(`${file} is not valid: ${length} ${length === 1 ? 'error' : 'errors'}`);
    }
    return code;
  },
};

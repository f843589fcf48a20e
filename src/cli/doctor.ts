import { dirname } from 'node:path';
import { DEFAULT_SOCKET } from '../config/default-socket.ts';
import { describe } from '../config/findings.ts';
import { loadConfig } from '../config/load.ts';
import { resolvePassword } from '../config/password.ts';
import type { GroupConfig, HostConfig } from '../config/types.ts';
import { CarpError } from '../ports/error.ts';
import { lookAtAgent, lookAtGroup } from './doctor-agent.ts';
import { type Finding, missing, missingBecause, ok, warning } from './doctor-finding.ts';
import { folderFinding, nativeFindings, nodeFinding, privilegeFindings } from './doctor-machine.ts';
import { networkFindings } from './doctor-network.ts';
import { programFindings } from './doctor-programs.ts';
import { type Command, Exit, parseOptions } from './options.ts';
import { print, printJson, style } from './output.ts';

const HELP = `Usage: carp doctor [--group NAME] [-c FILE] [--json]

Looks for what keeps CARP from working on this machine, and says what to do about each: Node.js and native code,
privileges, folders, the agent that runs, and with a configuration file its passwords, interfaces and addresses, and
the daemons that would take these away. Changes nothing, and shows no secrets. Run it as the user that runs the agent.

Exit code 0 if nothing is missing, also with warnings; else 1.

  --group NAME       only what the agent that runs has found out about this group and its peers: whose password or
                     addresses differ from ours, and how; who uses the same vhid for VRRP; which profile would fit
  -c, --config FILE  the configuration file of the agent
  --json             one object: {"healthy", "findings": [{"level", "about", "message", "remedy"}]}`;

export const command: Command = {
  summary: 'look for what keeps CARP from working on this machine',
  help: HELP,
  run: async (args) => {
    const { values } = parseOptions('doctor', args, {
      options: {
        group: { type: 'string' },
        config: { type: 'string', short: 'c' },
        json: { type: 'boolean', default: false },
      },
    });
    const { group, config } = values;
    const findings = await (group === undefined ? examine(config) : examineGroup(group, config));
    const healthy = findings.every(({ level }) => level !== 'missing');
    if (values.json) printJson({ healthy, findings });
    else for (const line of findings.flatMap(findingLines)) print(line);
    return healthy ? Exit.done : Exit.failed;
  },
};

const examineGroup = async (group: string, file: string | undefined): Promise<readonly Finding[]> => {
  const { config, findings } = file === undefined ? { config: undefined, findings: [] } : examineFile(file);
  if (file !== undefined && config === undefined) return findings;
  const hasPeers = (name: string): boolean =>
    config?.groups.some((one) => one.name === name && one.peers.length > 0) ?? false;
  return lookAtGroup(config?.socket ?? DEFAULT_SOCKET, group, hasPeers);
};

const examine = async (file: string | undefined): Promise<readonly Finding[]> => {
  const { config, findings } = file === undefined ? { config: undefined, findings: [] } : examineFile(file);
  const groups = config?.groups ?? [];
  const real = groups.filter(({ transport }) => transport !== 'memory');
  const hasPeers = (name: string): boolean => groups.some((group) => group.name === name && group.peers.length > 0);
  const agent = await lookAtAgent(config?.socket ?? DEFAULT_SOCKET, hasPeers);
  const isSimulation = config !== undefined && real.length === 0;
  return [
    nodeFinding(),
    ...findings,
    ...(isSimulation ? [ok('privileges', 'a simulation needs none')] : machineFindings(agent.runs, real)),
    ...(config === undefined || agent.runs ? [] : folderFindings(config)),
    ...(real.length === 0 ? [] : await lookAtNetwork(real)),
    ...agent.findings,
  ];
};

const machineFindings = (agentRuns: boolean, groups: readonly GroupConfig[]): readonly Finding[] => {
  const native = nativeFindings(groups.map(({ transport }) => transport));
  // Elsewhere koffi says what this is, and there are no capabilities.
  return [...native, ...(process.platform === 'linux' ? [...programFindings(), ...privilegeFindings(agentRuns)] : [])];
};

const folderFindings = ({ state, socket }: HostConfig): readonly Finding[] => [
  folderFinding('state', state, 'state'),
  folderFinding('socket', dirname(socket), 'socket'),
];

const lookAtNetwork = async (groups: readonly GroupConfig[]): Promise<readonly Finding[]> => {
  try {
    return await networkFindings(groups);
  } catch (error) {
    // Nothing can be asked without koffi and iproute2, which have findings of their own.
    if (!(error instanceof CarpError)) throw error;
    return [warning('network', 'interfaces and addresses could not be looked at', 'see koffi and ip, above')];
  }
};

interface FileLook {
  readonly config: HostConfig | undefined;
  readonly findings: readonly Finding[];
}

const examineFile = (file: string): FileLook => {
  const parsed = loadConfig(file);
  const remedy = `carp check -c ${file}`;
  const warnings = parsed.warnings.map((one) => warning('configuration', describe(one), remedy));
  if (!parsed.ok) {
    const errors = parsed.errors.map((one) => missing('configuration', describe(one), remedy));
    return { config: undefined, findings: [...errors, ...warnings] };
  }
  const { config } = parsed;
  const valid = ok('configuration', `${file} is valid`);
  return { config, findings: [valid, ...warnings, ...config.groups.flatMap(passwordFindings)] };
};

/** Read, and forgotten at once. */
const passwordFindings = (group: GroupConfig): readonly Finding[] => {
  try {
    resolvePassword(group, process.env);
    return [];
  } catch (error) {
    return [missingBecause(`group ${group.name}`, error)];
  }
};

const COLOURS = { ok: 'green', warning: 'yellow', missing: 'red' } as const satisfies Record<Finding['level'], string>;
const LEVEL = Math.max(...Object.keys(COLOURS).map((level) => level.length));
const ABOUT = 14;

const findingLines = ({ level, about, message, remedy }: Finding): readonly string[] => [
  printable(`${style(COLOURS[level], level.padEnd(LEVEL))}  ${about.padEnd(ABOUT)} `, message),
  // Not wrapped: it is there to be copied.
  ...(remedy === undefined ? [] : [printable(`${' '.repeat(LEVEL + ABOUT + 3)}try: `, remedy)]),
];

const printable = (head: string, text: string): string => head + text.replace(/\p{Cc}+/gu, ' ');

import { findArping } from '../adapters/linux/arping.ts';
import { NO_ARPING } from '../adapters/linux/iproute-announcer.ts';
import { findIp } from '../adapters/linux/iproute-program.ts';
import { libc } from '../adapters/linux/libc.ts';
import { noSpawnPermission } from '../adapters/linux/no-spawn-permission.ts';
import { type Finding, missing, missingBecause, ok, warning } from './doctor-finding.ts';

const ipFinding = (): Finding => {
  try {
    return ok('ip', `${findIp()} sets addresses in koffi's place`);
  } catch (error) {
    return missingBecause('ip', error);
  }
};

const arpingFinding = (): Finding =>
  findArping({ failed: () => undefined }) === undefined
    ? warning('arping', NO_ARPING.message, NO_ARPING.remedy)
    : ok('arping', "arping announces IPv4 addresses in koffi's place");

/** The programs that do koffi's work where it does not load; nothing where it does. */
export const programFindings = (hasKoffi: () => unknown = libc): readonly Finding[] => {
  try {
    hasKoffi();
    return [];
  } catch {
    const problem = noSpawnPermission('changing addresses');
    const refused = problem === undefined ? [] : [missing('privileges', problem.message, problem.remedy)];
    return [ipFinding(), arpingFinding(), ...refused];
  }
};

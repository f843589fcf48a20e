import { CarpError } from '../../ports/error.ts';

/**
 * The kernel said EPERM. Names the capabilities and every way to give them, with this process's own node and group, so
 * that the commands can be pasted.
 *
 * A copy of node is given the capabilities, not node itself: whoever may execute a binary with file capabilities has
 * them, and the loader then ignores NODE_OPTIONS for everything that runs on it.
 *
 * @param doing - what was tried, as in "opening a raw socket"
 */
export const noPermission = (doing: string, cause?: unknown): CarpError =>
  new CarpError('CARP_NO_PERMISSION', `${doing} needs the capabilities CAP_NET_RAW and CAP_NET_ADMIN`, {
    remedy: [
      'run it as root: sudo carp run -c FILE',
      'or in the systemd unit: AmbientCapabilities=CAP_NET_RAW CAP_NET_ADMIN',
      `or make a private copy of node and use it as agentExecPath: sudo install -D -m 0750 -g ${process.getgid?.() ?? 0} ${process.execPath} /usr/local/lib/carp/node && sudo setcap cap_net_raw,cap_net_admin+ep /usr/local/lib/carp/node`,
    ].join('; '),
    cause,
  });

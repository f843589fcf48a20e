import { type Command, Exit } from './options.ts';
import { print } from './output.ts';
import { FACILITIES, parseUcarp } from './ucarp-options.ts';

const HELP = `Usage: carp ucarp --srcip=IP --vhid=N --pass=PASSWORD --addr=IP --upscript=FILE --downscript=FILE [OPTIONS]

Does what ucarp 1.5.2 does, with the same options, scripts and signals, in a group with ucarp or instead of it.

  -i, --interface=IF      default: the one that has the source address
  -s, --srcip=IP          an address of this host: the source of its adverts; one of each family may be given
  -m, --mcastip=IP        multicast group, default 224.0.0.18 (--mcast)
  -v, --vhid=N            number of the virtual host, 1 to 255
  -p, --pass=PASSWORD     password of the group, 19 bytes at most
  -o, --passfile=FILE     its first line is the password
  -P, --preempt           take over from a MASTER that is worse, too
  -n, --neutral           do not run the down script at the start
  -a, --addr=IP           the shared address, IPv4 or IPv6; several are signed together, and scripts run for each
  -b, --advbase=SECONDS   time between adverts, default 1
  -k, --advskew=N         plus N/256 s; the host with the lowest is preferred, default 0
  -u, --upscript=FILE     run as FILE IF ADDRESS [XPARAM] when this host becomes MASTER
  -d, --downscript=FILE   the same when it becomes BACKUP, at the start, and at the end of a MASTER
  -r, --deadratio=N       so many times advbase without an advert, and the MASTER counts as dead, default 3
  -z, --shutdown          accepted: the down script of a MASTER runs at the end also without
  -B, --daemonize         run in the background; this command ends when the daemon is up, or tells why it is not
  -S, --ignoreifstate     go on without carrier
  -M, --nomcast           send adverts in broadcast frames
  -f, --facility=NAME     of syslog, default daemon; none for no syslog
  -x, --xparam=VALUE      one more argument for the scripts
  -D, --debug             say more
  -h, --help              this text

Not of ucarp:
      --addressing=WHO    scripts (default), interface or virtual-mac: the last two set the addresses here, given as
                          IP/PREFIX, so that the kernel takes them back if this process dies; scripts are only told
      --script-timeout=S  a script that runs longer is ended and has failed, default 60
      --pidfile=FILE      the process id, while it runs
      --socket=PATH       where \`carp status --socket PATH\` and the other commands reach it
      --state=FOLDER      what a restarted process has to know, default /var/lib/carp/ucarp-IF-VHID

Facilities: ${Object.keys(FACILITIES).join(' ')} none
Signals: SIGUSR1 says the role; SIGUSR2 hands over, without an outage; TERM, INT, QUIT and HUP say farewell and end.`;

export const command: Command = {
  summary: 'do what ucarp does, with its options, scripts and signals',
  help: HELP,
  run: async (args) => {
    if (args.length === 0) {
      process.stderr.write(`${HELP}\n`);
      return Exit.usage;
    }
    const options = parseUcarp(args);
    if (options === 'help') {
      print(HELP);
      return Exit.done;
    }
    if (options.daemonize) {
      const { daemonize } = await import('./ucarp-daemon.ts');
      return daemonize(args);
    }
    const [{ runUcarp }, { consoleLines }] = await Promise.all([import('./ucarp-run.ts'), import('./ucarp-log.ts')]);
    // A pipe that nobody reads any more is no reason to end, as it is for other commands.
    process.stdout.removeAllListeners('error');
    return runUcarp(options, { isDaemon: false, show: consoleLines(), onUp: () => undefined });
  },
};

/** Gratuitous ARP through arping(8): for machines on which koffi, and with it packet sockets, do not load. */
import { spawn, spawnSync } from 'node:child_process';
import type { IpAddress } from '../../protocol/address.ts';
import { PROGRAM_ENVIRONMENT, programPath } from './programs.ts';

/** There are two programs of that name, and busybox has a third. All send an ARP request for one's own address. */
const DIALECTS = [
  { mark: /\biputils\b/, args: (name: string, ip: string) => ['-I', name, ip] },
  { mark: /Thomas Habets/, args: (name: string, ip: string) => ['-i', name, '-S', ip, ip] },
  { mark: /BusyBox/, args: (name: string, ip: string) => ['-I', name, ip] },
] as const;

/** One packet, which leaves at once. Those of iputils and Habets then wait for an answer that never comes. */
const ONE_PACKET: readonly string[] = ['-q', '-U', '-c', '1', '-w', '1'];
/** Ends by itself after a second; what has not by then hangs. */
const LIFE_MS_MAX = 3000;
const VERSION_MS_MAX = 1000;
/** To start a program takes a millisecond or two, for which the event loop stands still. */
const GAP_MS = 10;
/** At that pace, whoever has to go because of this has been there for 300 ms, and has long sent his packet. */
const RUNNING_MAX = 32;
const COMPLAINT_MAX = 300;

export interface Arping {
  /** Sends one packet soon. An address that is still waiting for its turn is not queued again. */
  readonly announce: (interfaceName: string, address: IpAddress) => void;
}

export interface ArpingOptions {
  /** Where arping(8) is; by default it is looked for. */
  readonly program?: string | undefined;
  /** What it complained about. */
  readonly failed: (interfaceName: string, complaint: string) => void;
}

const versionOf = (program: string): string => {
  const { stdout, stderr } = spawnSync(program, ['-V'], {
    env: PROGRAM_ENVIRONMENT,
    encoding: 'utf8',
    timeout: VERSION_MS_MAX,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return `${stdout ?? ''}${stderr ?? ''}`;
};

/** `undefined` where there is no arping, or none that is known. */
export const findArping = ({ program = programPath('arping'), failed }: ArpingOptions): Arping | undefined => {
  if (program === undefined) return undefined;
  const version = versionOf(program);
  const dialect = DIALECTS.find(({ mark }) => mark.test(version));
  if (dialect === undefined) return undefined;

  const waiting = new Map<string, readonly [interfaceName: string, address: IpAddress]>();
  const running = new Set<{ readonly kill: () => void }>();
  let pause: NodeJS.Timeout | undefined;

  const start = (name: string, { text }: IpAddress): void => {
    const [oldest] = running;
    if (oldest !== undefined && running.size >= RUNNING_MAX) oldest.kill();
    const child = spawn(program, [...ONE_PACKET, ...dialect.args(name, text)], {
      env: PROGRAM_ENVIRONMENT,
      stdio: ['ignore', 'ignore', 'pipe'],
      timeout: LIFE_MS_MAX,
      killSignal: 'SIGKILL',
    });
    const entry = {
      kill: () => {
        running.delete(entry);
        child.kill('SIGKILL');
      },
    };
    running.add(entry);
    let complaint = '';
    child.once('error', ({ message }) => {
      complaint = message;
    });
    // Without file descriptors left (EMFILE) there are no pipes, whatever the types say.
    child.stderr?.setEncoding('utf8').on('data', (said: string) => {
      complaint = (complaint + said).slice(0, COMPLAINT_MAX);
    });
    child.once('close', () => {
      running.delete(entry);
      // Not the exit code: without an answer, that of Habets fails.
      if (complaint !== '') failed(name, complaint.replace(/\p{Cc}+/gu, ' ').trim());
    });
    child.unref();
  };

  const next = (): void => {
    pause = undefined;
    const [first] = waiting;
    if (first === undefined) return;
    const [key, [name, address]] = first;
    waiting.delete(key);
    start(name, address);
    pause = setTimeout(next, GAP_MS).unref();
  };

  return {
    announce: (name, address) => {
      waiting.set(`${name} ${address.text}`, [name, address]);
      if (pause === undefined) next();
    },
  };
};

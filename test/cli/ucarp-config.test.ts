/** What a command line of ucarp becomes here: configuration, password, title and lines of logs. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { libc } from '../../src/adapters/linux/libc.ts';
import { Linux } from '../../src/adapters/linux/linux-constants.ts';
import { notifyAddress } from '../../src/adapters/linux/notify-socket.ts';
import { planUcarp } from '../../src/cli/ucarp-config.ts';
import { createUcarpLog, syslogLine } from '../../src/cli/ucarp-log.ts';
import { parseUcarp, type UcarpOptions } from '../../src/cli/ucarp-options.ts';
import { titleOf } from '../../src/cli/ucarp-title.ts';
import { CarpError } from '../../src/ports/error.ts';
import { carp } from './carp.ts';

const missing = process.platform === 'linux' ? false : 'needs Linux';

const optionsOf = (...args: readonly string[]): UcarpOptions => {
  const options = parseUcarp(['-s', '192.0.2.11', '-v', '7', '-a', '192.0.2.100', '-i', 'eth0', ...args]);
  if (options === 'help') return assert.fail('help');
  return options;
};

const refusal = (options: UcarpOptions): CarpError => {
  try {
    planUcarp(options);
  } catch (error) {
    if (error instanceof CarpError) return error;
    throw error;
  }
  return assert.fail('accepted');
};

describe('the configuration of carp ucarp', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'carp-ucarp-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  let files = 0;
  const passfile = (content: string | Uint8Array, mode = 0o600): string => {
    files += 1;
    const file = join(folder, `pass${files}`);
    writeFileSync(file, content, { mode });
    chmodSync(file, mode);
    return file;
  };
  const passOf = (file: string): string | undefined => planUcarp(optionsOf('-o', file)).config.groups[0]?.pass;

  test('it is one group with the profile of ucarp, whose addresses are not looked after by anybody else', () => {
    const { config, interface: device } = planUcarp(optionsOf('-p', 'secret', '-k', '100', '-PMS', '-m', '239.1.2.3'));
    assert.equal(device, 'eth0');
    const [group, ...others] = config.groups;
    assert.deepEqual(others, []);
    assert.deepEqual(
      {
        name: group?.name,
        source: group?.source,
        addresses: group?.addresses,
        advskew: group?.advskew,
        preempt: group?.preempt,
        compatibility: group?.compatibility,
        broadcast: group?.broadcast,
        ignoreLink: group?.ignoreLink,
        multicast: group?.multicast,
        state: config.state,
      },
      {
        name: 'eth0-7',
        source: ['192.0.2.11'],
        addresses: ['192.0.2.100/32'],
        advskew: 100,
        preempt: true,
        compatibility: 'ucarp',
        broadcast: true,
        ignoreLink: true,
        multicast: '239.1.2.3',
        state: '/var/lib/carp/ucarp-eth0-7',
      },
    );
  });

  test('the password is the first line of the file, with a carriage return as ucarp has it, and that is said', () => {
    assert.equal(passOf(passfile('secret\nother\n')), 'secret');
    assert.equal(passOf(passfile('secret')), 'secret');
    assert.equal(passOf(passfile(' secret \n')), ' secret ');
    const file = passfile('secret\r\n');
    assert.equal(passOf(file), 'secret\r');
    const { warnings } = planUcarp(optionsOf('-o', file));
    assert.ok(
      warnings.some((line) => line.includes(`sed -i 's/\\r$//' ${file}`)),
      warnings.join('\n'),
    );
    assert.deepEqual(
      planUcarp(optionsOf('-o', passfile('secret\n'), '-u', '/bin/true', '-d', '/bin/true')).warnings,
      [],
    );
  });

  test('a file that others can read is said; one that is empty, missing, too long or no text is refused', () => {
    const open = planUcarp(optionsOf('-o', passfile('secret\n', 0o644)));
    assert.match(open.warnings.join(), /everybody on this system can read .*chmod o=/);
    assert.match(refusal(optionsOf('-o', passfile('\nsecret\n'))).message, /first line of .* is empty/);
    assert.match(refusal(optionsOf('-o', join(folder, 'none'))).message, /there is no such file/);
    assert.match(refusal(optionsOf('-o', folder)).message, /EISDIR/);
    assert.match(refusal(optionsOf('-o', passfile('x'.repeat(20)))).message, /--pass: the password has 20 bytes/);
    assert.match(refusal(optionsOf('-o', passfile('x'.repeat(5000)))).message, /has 511 bytes/);
    assert.match(refusal(optionsOf('-o', passfile(Uint8Array.of(0xff, 0xfe)))).message, /is not UTF-8/);
  });

  test('mistakes are told in the words of the options', () => {
    assert.match(
      refusal(optionsOf('-p', 'x', '-a', '224.0.0.1')).message,
      /^--addr \(number 2\): 224\.0\.0\.1\/32 is a/m,
    );
    assert.match(refusal(optionsOf('-p', 'x', '-s', '192.0.2.100')).message, /^--srcip: .* is a shared address/m);
  });

  test('missing scripts are said, unless the addresses are set here', () => {
    assert.equal(planUcarp(optionsOf('-p', 'x')).warnings.filter((line) => /no script is called/.test(line)).length, 2);
    const held = parseUcarp([
      ...['-s', '192.0.2.11', '-v', '7', '-a', '192.0.2.100/24', '-i', 'eth0', '-p', 'x'],
      '--addressing=interface',
    ]) as UcarpOptions;
    assert.deepEqual(planUcarp(held).warnings, []);
  });

  test('without --interface it is the one that has the source address', () => {
    const [found] = Object.entries(networkInterfaces());
    const own = found?.[1]?.find(({ address }) => !address.startsWith('fe80'));
    assert.ok(found !== undefined && own !== undefined);
    const { interface: _eth0, ...rest } = optionsOf('-p', 'x', '-s', own.address);
    const only = rest.sources.filter(({ text }) => text === own.address);
    // The loopback address is no source, which is another mistake than a missing interface.
    try {
      assert.equal(planUcarp({ ...rest, sources: only }).interface, found[0].replace(/:.*/, ''));
    } catch (error) {
      assert.match((error as Error).message, /loopback/);
    }
    assert.match(refusal({ ...rest, sources: optionsOf('-p', 'x').sources }).message, /no interface that is up has/);
  });

  test('scripts are files that can be run, and names start at the folder of the command', () => {
    const script = join(folder, 'script');
    writeFileSync(script, '#!/bin/sh\n', { mode: 0o644 });
    assert.match(refusal(optionsOf('-p', 'x', '-u', script)).message, /may not be executed/);
    assert.match(refusal(optionsOf('-p', 'x', '-d', `${script}s`)).message, /there is no script .*scripts$/);
    assert.match(refusal(optionsOf('-p', 'x', '-d', folder)).message, /there is no script/);
    chmodSync(script, 0o755);
    const { scripts } = planUcarp(optionsOf('-p', 'x', '-u', script, '-d', relative(process.cwd(), script)));
    assert.deepEqual(scripts, { up: script, down: script });
  });

  test('two command lines are the same for the lock unless an option differs; the password does not count', () => {
    const print = (...args: readonly string[]): string => planUcarp(optionsOf(...args)).fingerprint;
    assert.equal(print('-p', 'hush', '-k', '5'), print('-k5', '--pass=other'));
    assert.notEqual(print('-p', 'hush', '-k', '5'), print('-p', 'hush', '-k', '6'));
    assert.doesNotMatch(print('-p', 'hush'), /hush/);
  });

  test('the title is the command line of ucarp without the password', () => {
    assert.equal(
      titleOf(optionsOf('-p', 'hush', '-a', '192.0.2.101')),
      'ucarp --interface=eth0 --srcip=192.0.2.11 --vhid=7 --addr=192.0.2.100 --addr=192.0.2.101',
    );
  });
});

describe('the log of carp ucarp', () => {
  const logging = (debug: boolean) => {
    const lines: string[] = [];
    const show = (_level: string, line: string): void => void lines.push(line);
    return { lines, ...createUcarpLog({ facility: 'none', debug, show, isConsole: true }) };
  };

  test('lines begin as those of ucarp, and what came from others cannot make lines of its own', () => {
    const { log, lines } = logging(false);
    log('warn', 'Switching to state: MASTER');
    log('error', 'a\nb', { remedy: 'do c' });
    log('debug', 'nobody wants it');
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}: \[WARNING\] Switching to state: MASTER$/);
    assert.match(lines[1] ?? '', /: \[ERROR\] a b; do c$/);
    const chatty = logging(true);
    chatty.log('debug', 'somebody does');
    assert.match(chatty.lines[0] ?? '', /\[DEBUG\] somebody does$/);
  });

  test('what goes to syslog has priority, local time and process id in front, and a limit', () => {
    const at = new Date(2026, 0, 5, 3, 4, 5);
    assert.equal(syslogLine(28, at, '[WARNING] x', 99), '<28>Jan  5 03:04:05 ucarp[99]: [WARNING] x');
    assert.equal(syslogLine(28, at, 'x'.repeat(5000), 99).length, 2048);
  });
});

describe('the syslog of carp ucarp', { skip: missing }, () => {
  const AF_UNIX = 1;

  test('messages come with the priority of their facility, also at a syslog that starts later or again', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'carp-syslog-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, 'log');
    const address = notifyAddress(path);
    assert.ok(address);
    const c = libc();
    const listen = (): number => {
      rmSync(path, { force: true });
      const fd = c.socket(AF_UNIX, Linux.SOCK_DGRAM, 0);
      c.bind(fd, address);
      return fd;
    };
    const heard = (fd: number): string | undefined => {
      const buffer = new Uint8Array(4096);
      const length = c.recv(fd, buffer);
      return length === undefined ? undefined : Buffer.from(buffer.subarray(0, length)).toString();
    };
    const shown: string[] = [];
    const show = (_level: string, line: string): void => void shown.push(line);
    const logging = createUcarpLog({ facility: 'local3', debug: false, show, isConsole: false, syslogSocket: path });
    assert.equal(await logging.openSyslog(), false, 'nobody is there yet');
    logging.log('warn', 'lost');
    for (const word of ['first', 'second']) {
      const fd = listen();
      logging.log('error', word);
      assert.match(heard(fd) ?? '', new RegExp(`^<155>.* ucarp\\[${process.pid}\\]: \\[ERROR\\] ${word}$`));
      c.close(fd);
    }
    const fd = listen();
    logging.toSyslog('info', 'told already');
    assert.match(heard(fd) ?? '', /^<158>.*\[INFO\] told already$/);
    assert.equal(shown.length, 3);
    logging.close();
    logging.log('info', 'after the end');
    assert.equal(heard(fd), undefined);
    c.close(fd);
    const none = createUcarpLog({ facility: 'none', debug: false, show, isConsole: true, syslogSocket: path });
    assert.equal(await none.openSyslog(), true, 'nothing is missing where nothing is wanted');
  });
});

describe('the command', () => {
  test('it explains itself with -h, and without arguments, which is wrong usage', async () => {
    const help = await carp(['ucarp', '-h']);
    assert.equal(help.code, 0);
    for (const word of ['--mcastip', '--nomcast', '--daemonize', 'SIGUSR2', '--addressing'])
      assert.ok(help.stdout.includes(word), word);
    const nothing = await carp(['ucarp']);
    assert.equal(nothing.code, 2);
    assert.match(nothing.stderr, /^Usage: carp ucarp/);
  });

  test('mistakes end with code 2 and what to do, and start nothing', async () => {
    const { code, stderr, stdout } = await carp(['ucarp', '-v', '300', '-B']);
    assert.equal(code, 2);
    assert.match(stderr, /--vhid must be .* ucarp refuses it, too/);
    assert.match(stderr, /--addr is missing/);
    assert.match(stderr, /carp ucarp --help/);
    assert.equal(stdout, '');
  });
});

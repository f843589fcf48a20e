/** The command line of ucarp: what getopt_long(3) and strtoul(3) make of it, and where ours says what they keep quiet about. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { getoptLong } from '../../src/cli/ucarp-getopt.ts';
import { readNumber } from '../../src/cli/ucarp-number.ts';
import { OPTION_RULES, parseUcarp, type UcarpOptions } from '../../src/cli/ucarp-options.ts';
import { CarpError } from '../../src/ports/error.ts';

const NEEDED = ['-s', '192.0.2.11', '-v', '7', '-p', 'secret', '-a', '192.0.2.100'];

const parsed = (...args: readonly string[]): UcarpOptions => {
  const options = parseUcarp(args);
  assert.notEqual(options, 'help');
  return options as UcarpOptions;
};
const withNeeded = (...args: readonly string[]): UcarpOptions => parsed(...NEEDED, ...args);

const refusal = (...args: readonly string[]): CarpError => {
  try {
    parseUcarp(args);
  } catch (error) {
    assert.ok(error instanceof CarpError, String(error));
    assert.equal(error.code, 'CARP_CONFIG');
    assert.ok(error.remedy);
    return error;
  }
  return assert.fail(`accepted: ${args.join(' ')}`);
};

describe('the options of ucarp', () => {
  test('a command line of long options and one of short options say the same', () => {
    const long = parsed(
      ...['--interface=eth0', '--srcip=192.0.2.11', '--mcastip=224.0.0.99', '--vhid=7', '--passfile=/etc/pass'],
      ...['--preempt', '--neutral', '--addr=192.0.2.100', '--advbase=2', '--advskew=100', '--upscript=/up'],
      ...['--downscript=/down', '--deadratio=4', '--debug', '--shutdown', '--daemonize', '--ignoreifstate'],
      ...['--nomcast', '--facility=local3', '--xparam=one two'],
    );
    const short = parsed(
      ...['-i', 'eth0', '-s', '192.0.2.11', '-m', '224.0.0.99', '-v', '7', '-o', '/etc/pass', '-P', '-n'],
      ...['-a', '192.0.2.100', '-b', '2', '-k', '100', '-u', '/up', '-d', '/down', '-r', '4', '-D', '-z', '-B', '-S'],
      ...['-M', '-f', 'local3', '-x', 'one two'],
    );
    assert.deepEqual(long, short);
    const { sources, addresses, group, ...plain } = long;
    assert.deepEqual(
      [sources.map(({ text }) => text), addresses.map(({ address }) => address.text), group?.text],
      [['192.0.2.11'], ['192.0.2.100'], '224.0.0.99'],
    );
    assert.deepEqual(plain, {
      interface: 'eth0',
      vhid: 7,
      secret: { passfile: '/etc/pass' },
      preempt: true,
      neutral: true,
      advbase: 2,
      advskew: 100,
      upscript: '/up',
      downscript: '/down',
      deadratio: 4,
      debug: true,
      shutdown: true,
      daemonize: true,
      ignoreLink: true,
      broadcast: true,
      facility: 'local3',
      xparam: 'one two',
      addressing: 'scripts',
      scriptTimeout: 60,
      hints: [],
    });
  });

  test('what is not given is as in ucarp', () => {
    const { sources: _s, addresses, ...rest } = withNeeded();
    assert.deepEqual(
      addresses.map(({ prefix }) => prefix),
      [32],
    );
    assert.deepEqual(rest, {
      vhid: 7,
      secret: { pass: 'secret' },
      preempt: false,
      neutral: false,
      advbase: 1,
      advskew: 0,
      deadratio: 3,
      debug: false,
      shutdown: false,
      daemonize: false,
      ignoreLink: false,
      broadcast: false,
      facility: 'daemon',
      addressing: 'scripts',
      scriptTimeout: 60,
      hints: [],
    });
  });

  const forms: readonly (readonly [readonly string[], (options: UcarpOptions) => unknown, unknown])[] = [
    [['-k100'], (o) => o.advskew, 100],
    [['-Pzn'], (o) => [o.preempt, o.shutdown, o.neutral], [true, true, true]],
    [['-Pk50'], (o) => [o.preempt, o.advskew], [true, 50]],
    [['-Pk', '50'], (o) => [o.preempt, o.advskew], [true, 50]],
    [['--advskew', '100'], (o) => o.advskew, 100],
    [['--advskew=100', '--advskew=5'], (o) => o.advskew, 5],
    [['--mcast=224.0.0.99'], (o) => o.group?.text, '224.0.0.99'],
    [['--mcastip=224.0.0.18'], (o) => o.group, undefined],
    [['--pre'], (o) => o.preempt, true],
    [['--down=/down'], (o) => o.downscript, '/down'],
    [['--deb'], (o) => o.debug, true],
    [['--da'], (o) => o.daemonize, true],
    [['--sh'], (o) => o.shutdown, true],
    // Ours begin with these letters too, and are not in the way.
    [['--add=192.0.2.101'], (o) => o.addresses.length, 2],
    [['--addre=scripts'], (o) => o.addressing, 'scripts'],
    [['--pid=/run/x'], (o) => o.pidfile, '/run/x'],
    [['-x', '-P'], (o) => [o.xparam, o.preempt], ['-P', false]],
    [['-x', ''], (o) => o.xparam, ''],
    [['--xparam='], (o) => o.xparam, ''],
    [['-u', 'a=b'], (o) => o.upscript, 'a=b'],
    [['--upscript=a=b'], (o) => o.upscript, 'a=b'],
    [['-p', 'other'], (o) => o.secret, { pass: 'other' }],
    [['-o', '/file'], (o) => o.secret, { passfile: '/file' }],
    [['-p', '-o'], (o) => o.secret, { pass: '-o' }],
    [['-f', 'NONE'], (o) => o.facility, 'none'],
    [['-k', '0x10'], (o) => o.advskew, 16],
    [['-k', '010'], (o) => o.advskew, 8],
    [['-k', '+3'], (o) => o.advskew, 3],
    [['-k', ' 3'], (o) => o.advskew, 3],
    [['-b', '0', '-k', '1'], (o) => o.advbase, 0],
    [['-k', '255'], (o) => o.advskew, 254],
    [['-s', '192.0.2.12'], (o) => o.sources.map(({ text }) => text), ['192.0.2.12']],
    [['-s', '2001:db8::1'], (o) => o.sources.map(({ text }) => text), ['192.0.2.11', '2001:db8::1']],
    [['-a', '2001:db8::100'], (o) => o.addresses.map(({ prefix }) => prefix), [32, 128]],
    [['-a', '192.0.2.101/24'], (o) => o.addresses.map(({ prefix }) => prefix), [32, 24]],
    [['-P', '--', '-k', '7'], (o) => [o.advskew, o.hints.length], [0, 2]],
    [['stray', '-k', '7'], (o) => [o.advskew, o.hints.length], [7, 1]],
    [['-', '-P'], (o) => [o.preempt, o.hints.length], [true, 1]],
  ];
  for (const [args, look, expected] of forms)
    test(`${args.map((arg) => JSON.stringify(arg)).join(' ')} is read as ${JSON.stringify(expected)}`, () => {
      assert.deepEqual(look(withNeeded(...args)), expected);
    });

  const refused: readonly (readonly [readonly string[], RegExp])[] = [
    [['--no-such'], /no option --no-such/],
    [['--interfaces=eth0'], /no option --interfaces; did you mean --interface\?/],
    [['-q'], /no option -q/],
    [['-Pq'], /no option -q/],
    [['--s=1'], /--srcip or --shutdown/],
    [['--p'], /--pass or --passfile or --preempt/],
    [['--ad=3'], /--addr or --advbase or --advskew/],
    [['--preempt=yes'], /--preempt takes no value/],
    [['-k'], /-k needs a value/],
    [['--advskew'], /--advskew needs a value/],
    [['-k', '256'], /--advskew must be a whole number from 0 to 255, but is "256"; ucarp would have taken 0$/m],
    [['-k', '300'], /would have taken 44$/m],
    [['-k', '-1'], /would have taken 255$/m],
    [['-k', ''], /would have taken 0$/m],
    [['-k', 'x'], /would have taken 0$/m],
    [['-k', '08'], /would have taken 0$/m],
    [['-b', '257'], /--advbase .* would have taken 1$/m],
    [['-b', '1.5'], /would have taken 1$/m],
    [['-v', '12abc'], /--vhid .* would have taken 12$/m],
    [['-v', '0'], /ucarp refuses it, too$/m],
    [['-v', '256'], /ucarp refuses it, too$/m],
    [['-r', '0'], /--deadratio .* would have taken 0$/m],
    [['-r', '-1'], /would have taken 4294967295$/m],
    [['-b', '0'], /--advbase 0 needs an --advskew/],
    [['-s', '192.0.2.300'], /--srcip must be an address .* but is "192.0.2.300"/],
    [['-a', 'host'], /--addr must be an address .* but is "host"/],
    [['-m', '192.0.2.1'], /--mcastip must be an IPv4 multicast address/],
    [['-m', 'ff02::12'], /--mcastip must be an IPv4 multicast address/],
    [['-f', 'deamon'], /--facility must be one of .*daemon.*, but is "deamon"/],
    [['-p', ''], /--pass must not be empty/],
    [['-o', ''], /--passfile must not be empty/],
    [['-p', 'caf\ufffd'], /--pass is not UTF-8/],
    [['-u', ''], /--upscript must not be empty/],
    [['--addressing=nobody'], /--addressing must be one of scripts, interface, virtual-mac/],
    [['--addressing=interface'], /192\.0\.2\.100 needs a prefix length/],
    [['--script-timeout=0'], /--script-timeout must be a whole number from 1/],
  ];
  for (const [args, message] of refused)
    test(`${args.map((arg) => JSON.stringify(arg)).join(' ')} is refused`, () => {
      assert.match(refusal(...NEEDED, ...args).message, message);
    });

  test('what has to be there is asked for, all of it at once', () => {
    const { message } = refusal('-P');
    for (const name of ['vhid', 'pass', 'srcip', 'addr']) assert.match(message, new RegExp(`--${name} is missing`));
    assert.match(
      refusal('-s', '2001:db8::1', '-v', '1', '-p', 'x', '-a', '192.0.2.100').message,
      /--srcip is of another family/,
    );
  });

  test('a password is in no message', () => {
    const { message, remedy } = refusal('-p', 'hush-hush', '-k', '999');
    assert.doesNotMatch(`${message} ${remedy}`, /hush/);
  });

  test('help wins over mistakes, in every form', () => {
    for (const args of [['-h'], ['--help'], ['--he'], ['-Ph'], ['-k', '999', '-h']])
      assert.equal(parseUcarp(args), 'help');
  });

  test('what is probably meant otherwise is said', () => {
    assert.match(withNeeded('-k', '010').hints.join(), /010 begins with 0, so that it is octal and means 8/);
    assert.match(withNeeded('-k', '255').hints.join(), /255 is what a farewell says; 254 is sent instead/);
    assert.match(withNeeded('yes').hints.join(), /"yes" is no option and is ignored/);
    assert.deepEqual(withNeeded('-k', '0').hints, []);
  });

  test('every option of ucarp has its letter, and none of ours takes one away', () => {
    const letters = OPTION_RULES.flatMap((rule) => ('short' in rule ? [rule.short] : []));
    assert.equal(letters.toSorted().join(''), 'BDMPSabdfhikmnoprsuvxz');
    assert.deepEqual(getoptLong(['-m', 'x'], OPTION_RULES).given, [{ name: 'mcastip', value: 'x' }]);
  });

  test('numbers are those of strtoul(3), beyond 64 bits and below zero too', () => {
    const rule = { from: 0, to: 255, ucarpKeeps: 8 } as const;
    const problem = (text: string): string => {
      const read = readNumber(text, rule);
      return read.ok ? `accepted as ${read.value}` : read.problem;
    };
    assert.match(problem('18446744073709551615'), /taken 255$/);
    assert.match(problem('18446744073709551616'), /taken 255$/);
    assert.match(problem('-18446744073709551616'), /taken 255$/);
    assert.match(problem('-2'), /taken 254$/);
    assert.match(problem('0x'), /taken 0$/);
    assert.match(problem('0x1g'), /taken 1$/);
    assert.match(problem('- 1'), /taken 0$/);
    assert.match(problem('5 '), /taken 5$/);
    assert.deepEqual(readNumber('0XfF', rule), { ok: true, value: 255 });
    assert.deepEqual(readNumber('00', rule), { ok: true, value: 0 });
  });
});

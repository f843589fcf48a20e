/** What is known about the module raw-socket, without its native half; and one thing that only that can show. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import type { networkInterfaces } from 'node:os';
import { describe, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { SystemCallError } from '../../src/adapters/linux/libc.ts';
import { codeOfText, systemCallError } from '../../src/adapters/raw-socket/error-codes.ts';
import { ipPacket, readIpv4 } from '../../src/adapters/raw-socket/ip-header.ts';
import {
  loadRawSocket,
  type NativeSocket,
  type RawSocketModule,
} from '../../src/adapters/raw-socket/load-raw-socket.ts';
import { ownAddresses } from '../../src/adapters/raw-socket/own-addresses.ts';
import { openRawSocket } from '../../src/adapters/raw-socket/raw-socket.ts';
import { openReceiver } from '../../src/adapters/raw-socket/receiver.ts';
import { CarpError } from '../../src/ports/error.ts';
import { type IpAddress, parseAddress } from '../../src/protocol/address.ts';
import { vhid } from '../../src/protocol/units.ts';
import { missingRawSocket } from '../support/requirements.ts';

const addressIn = (text: string): IpAddress => {
  const address = parseAddress(text);
  assert.ok(address, text);
  return address;
};

describe('loading raw-socket', () => {
  const failure = (cause: unknown): CarpError => {
    try {
      loadRawSocket(() => {
        throw cause;
      });
    } catch (error) {
      assert.ok(error instanceof CarpError, String(error));
      assert.equal(error.code, 'CARP_NO_TRANSPORT');
      return error;
    }
    assert.fail('nothing was thrown');
  };
  const withCode = (code: string, message: string): Error => Object.assign(new Error(message), { code });

  test('one that is not installed is told from one that was not built, and each has its commands', () => {
    const absent = failure(withCode('MODULE_NOT_FOUND', "Cannot find module 'raw-socket'\nRequire stack:\n- x"));
    assert.match(absent.message, /raw-socket is not installed$/);
    assert.match(absent.remedy ?? '', /: npm install raw-socket@npm:@justjam2013\/raw-socket@\^1\.0\.0; /);
    const unbuilt = failure(
      withCode(
        'MODULE_NOT_FOUND',
        "Cannot find module './build/Release/raw.node'\nRequire stack:\n- raw-socket/index.js",
      ),
    );
    assert.match(unbuilt.message, /installed, but was not built$/);
    assert.match(
      unbuilt.remedy ?? '',
      /: npm install-scripts approve @justjam2013\/raw-socket && npm rebuild raw-socket \(npm 10: npm rebuild raw-socket\); /,
    );
  });

  test('one that was built for another Node.js says so', () => {
    const other = failure(
      withCode('ERR_DLOPEN_FAILED', 'The module raw.node\nwas compiled against a different Node.js version'),
    );
    assert.ok(other.message.includes(`not built for this Node.js, ${process.version} on ${process.arch}`));
    assert.match(other.remedy ?? '', /npm rebuild raw-socket/);
  });

  test('any other reason is given by its first line', () => {
    assert.match(failure(new Error('out of luck\nand more')).message, /does not load: out of luck$/);
  });

  test('a worker thread is refused, because raw-socket would end the whole process there', async () => {
    const file = new URL('../../src/adapters/raw-socket/load-raw-socket.js', import.meta.url).href;
    const code = `import('${file}').then(({ loadRawSocket }) => loadRawSocket()).then(
      () => require('node:worker_threads').parentPort.postMessage('loaded'),
      (error) => require('node:worker_threads').parentPort.postMessage(error.message))`;
    const worker = new Worker(code, { eval: true });
    const said = await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    assert.match(String(said), /cannot be used in a worker thread/);
  });
});

describe('errors of raw-socket', () => {
  test('have the code of their text, as glibc and as musl write it', () => {
    for (const [text, code] of [
      ['Operation not permitted', 'EPERM'],
      ['Network is unreachable', 'ENETUNREACH'],
      ['Network unreachable', 'ENETUNREACH'],
      ['No such device', 'ENODEV'],
      ['No such device or address', 'ENXIO'],
      ['No buffer space available', 'ENOBUFS'],
      ['Cannot assign requested address', 'EADDRNOTAVAIL'],
      ['Address not available', 'EADDRNOTAVAIL'],
      ['Resource temporarily unavailable', 'EAGAIN'],
      ['something new', 'unknown'],
      ['constructor', 'unknown'],
    ] as const)
      assert.equal(codeOfText(text), code, text);
  });

  test('look like those of a system call', () => {
    const error = systemCallError('sendto', new Error('Network is unreachable'));
    assert.ok(error instanceof SystemCallError);
    assert.equal(error.message, 'sendto: ENETUNREACH (Network is unreachable)');
  });
});

describe('IP headers', () => {
  const path = { source: addressIn('192.0.2.11'), destination: addressIn('224.0.0.18'), tos: 0x10 };
  const payload = Uint8Array.of(1, 2, 3);

  test('what is written for IPv4 can be read', () => {
    const packet = readIpv4(ipPacket(payload, path));
    assert.deepEqual(packet, { source: path.source, destination: path.destination, ttl: 255, payload });
  });

  test('options are skipped, and what follows the packet is cut off', () => {
    const plain = ipPacket(payload, path);
    const packet = Buffer.concat([plain.subarray(0, 20), Buffer.alloc(8), plain.subarray(20), Buffer.from('padding')]);
    packet.writeUInt8(0x47, 0);
    packet.writeUInt16BE(31, 2);
    assert.deepEqual(readIpv4(packet)?.payload, payload);
  });

  test('nonsense is none: too short, another version, lengths that do not fit', () => {
    const good = ipPacket(payload, path);
    const spoilt = (spoil: (packet: Buffer) => void): Buffer => {
      const packet = Buffer.from(good);
      spoil(packet);
      return packet;
    };
    assert.ok(readIpv4(good));
    for (const packet of [
      Buffer.alloc(0),
      good.subarray(0, 19),
      spoilt((p) => p.writeUInt8(0x65, 0)),
      spoilt((p) => p.writeUInt8(0x44, 0)),
      spoilt((p) => p.writeUInt8(0x4f, 0)),
      spoilt((p) => p.writeUInt16BE(19, 2)),
      spoilt((p) => p.writeUInt16BE(good.length + 1, 2)),
    ])
      assert.equal(readIpv4(packet), undefined, packet.toString('hex'));
  });
});

describe('addresses of this host', () => {
  const entry = (address: string) => ({ address }) as NonNullable<ReturnType<typeof networkInterfaces>[string]>[number];

  test('are read once a second at most, and again for one that is not among them', () => {
    let now = 0;
    let readings = 0;
    let addresses = [entry('192.0.2.11'), entry('fe80:0:0::b')];
    const own = ownAddresses(
      () => now,
      () => {
        readings += 1;
        return { eth0: addresses };
      },
    );
    assert.ok(own.has(addressIn('192.0.2.11')));
    assert.ok(own.has(addressIn('fe80::b')), 'whatever way it is written');
    assert.ok(own.knows('eth0'));
    assert.equal(readings, 1);
    assert.ok(!own.has(addressIn('192.0.2.12')));
    assert.equal(readings, 1, 'a flood for others costs nothing');
    addresses = [entry('192.0.2.12')];
    now = 100;
    assert.ok(own.has(addressIn('192.0.2.12')), 'what has just been added is found');
    assert.ok(!own.has(addressIn('192.0.2.11')));
    addresses = [];
    now = 1000;
    assert.ok(own.has(addressIn('192.0.2.12')));
    now = 1200;
    assert.ok(!own.has(addressIn('192.0.2.12')), 'what has gone is known to have gone after a second');
    assert.ok(!own.knows('eth1'));
  });
});

/** raw-socket with a queue for a kernel. */
class FakeNative extends EventEmitter {
  readonly queue: Buffer[] = [];
  closed = 0;
  paused = false;
  readonly wrap: NativeSocket['wrap'] = {
    recv: (into, received) => {
      const packet = this.queue.shift();
      if (packet === undefined) throw new Error('Resource temporarily unavailable');
      packet.copy(into);
      received(into, packet.length, '192.0.2.12');
    },
    send: (_data, _offset, _length, to) => {
      throw new Error(to === '192.0.2.99' ? 'Interrupted system call' : 'Network is unreachable');
    },
  };
  readonly #shared = Buffer.alloc(64);

  pauseRecv(): void {
    this.paused = true;
  }
  close(): void {
    this.closed += 1;
  }
  setOption(): void {}
  getOption(): number {
    return 0;
  }
  /** The event loop sees a packet: a view of the one buffer. */
  arrive(text: string): void {
    const length = this.#shared.write(text);
    this.emit('message', this.#shared.subarray(0, length), '192.0.2.12');
  }
}

describe('a socket', () => {
  const opened = () => {
    const native = new FakeNative();
    const module: RawSocketModule = { createSocket: () => native as unknown as NativeSocket };
    const seen: string[] = [];
    const broken: string[] = [];
    const socket = openRawSocket(module, {
      family: 4,
      protocol: 112,
      onReadable: () => {
        for (let next = socket.receive(); next !== undefined; next = socket.receive())
          seen.push(Buffer.from(next.data).toString());
      },
      onBroken: (error) => broken.push(error.code),
    });
    return { native, socket, seen, broken };
  };

  test('copies packets, keeps their order, and is never called in the middle of an event', async () => {
    const { native, seen } = opened();
    native.arrive('one');
    native.arrive('two');
    native.queue.push(Buffer.from('three'));
    assert.deepEqual(seen, []);
    await turn();
    assert.deepEqual(seen, ['one', 'two', 'three']);
  });

  test('does not take it for an error that somebody has read what the loop had seen', async () => {
    const { native, broken } = opened();
    native.emit('error', new Error('Resource temporarily unavailable'));
    await turn();
    assert.deepEqual(broken, []);
    native.emit('error', new Error('-9'));
    await turn();
    assert.deepEqual(broken, ['unknown']);
  });

  test('delivers nothing after it was closed, and is closed once', async () => {
    const { native, socket, seen, broken } = opened();
    native.arrive('one');
    native.emit('error', new Error('-9'));
    socket.close();
    socket.close();
    native.arrive('two');
    await turn();
    assert.deepEqual([seen, broken, native.closed], [[], [], 1]);
  });

  test('keeps a bounded number of packets that nobody has asked for', async () => {
    const { native, seen, socket } = opened();
    for (let i = 0; i < 1000; i++) native.arrive('x');
    await turn();
    assert.equal(seen.length, 64);
    assert.equal(socket.lost(), 936);
  });

  test('counts what it could not keep as lost, at once and with the next packet that comes', () => {
    const native = new FakeNative();
    const group = addressIn('224.0.0.18');
    const receiver = openReceiver(
      { createSocket: () => native as unknown as NativeSocket },
      {
        ...{ family: 4, interface: 'eth0', vhid: vhid(7), peers: [], group, own: ownAddresses() },
        ...{ onReadable: () => undefined, onBroken: () => undefined },
      },
      1,
    );
    for (let i = 0; i < 70; i++) native.arrive('x');
    assert.equal(receiver.dropped(), 6);
    for (let i = 0; i < 64; i++) assert.equal(receiver.receive(), 'refused');
    assert.equal(receiver.receive(), undefined);
    const path = { source: addressIn('192.0.2.12'), destination: group, tos: 0 };
    native.queue.push(ipPacket(Uint8Array.of(0x21, 7, ...new Uint8Array(34)), path));
    const packet = receiver.receive();
    assert.ok(packet !== undefined && packet !== 'refused');
    assert.equal(packet.dropped, 6);
  });

  test('that only sends does not read', () => {
    const native = new FakeNative();
    openRawSocket({ createSocket: () => native as unknown as NativeSocket }, { family: 4, protocol: 255 });
    assert.ok(native.paused);
  });

  test('gives a send that fails its code, also when signals never end', () => {
    const { socket } = opened();
    const codeOf = (to: string): string => {
      try {
        socket.send(Buffer.alloc(1), to);
      } catch (error) {
        assert.ok(error instanceof SystemCallError);
        return error.code;
      }
      return 'sent';
    };
    assert.equal(codeOf('192.0.2.1'), 'ENETUNREACH');
    assert.equal(codeOf('192.0.2.99'), 'EINTR');
  });
});

const noRawSockets = process.getuid?.() === 0 ? missingRawSocket() : 'needs root, for raw sockets';

/** Forgets a socket, lets the collector run, and says what arrives there. 253 is for experiments (RFC 3692). */
const FORGETFUL = `
  import { createRequire } from 'node:module';
  const { openRawSocket } = await import(process.argv[1]);
  const module = createRequire(process.argv[1])('raw-socket');
  const open = (onReadable) => openRawSocket(module, { family: 4, protocol: 253, onReadable });
  open(() => {
    console.log('heard');
    process.exit(0);
  });
  for (let i = 0; i < 5; i++) {
    await new Promise(setImmediate);
    gc();
  }
  // A second one that only sends; IPv4 sockets of other protocols than 255 get their header from the kernel.
  open(undefined).send(Buffer.from('carp'), '127.0.0.1');
  setTimeout(() => console.log('deaf') ?? process.exit(1), 5000);
`;

test('a socket that nobody refers to goes on receiving', { skip: noRawSockets }, async () => {
  const file = new URL('../../src/adapters/raw-socket/raw-socket.js', import.meta.url).href;
  const argv = ['--expose-gc', '--input-type=module', '-e', FORGETFUL, file];
  const { stdout } = await promisify(execFile)(process.execPath, argv, { timeout: 20_000 });
  assert.equal(stdout, 'heard\n');
});
